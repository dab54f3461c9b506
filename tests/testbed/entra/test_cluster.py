"""A token that a real kube-apiserver signed, verified by keys from its own endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.cluster import kubeconfig
from testbed.cluster.cluster import Cluster
from testbed.entra import Entra
from testbed.entra.client import Client

pytestmark = pytest.mark.slow

AUDIENCE = "api://AzureADTokenExchange"


def test_a_service_account_signs_in(
    control_plane: Cluster, namespace: str, entra: Entra, client: Client, tmp_path: Path
) -> None:
    """TokenRequest for the audience, a credential for issuer and subject, and Graph answers; another account may not.

    The issuer's address leads nowhere, so its documents are read from the API server, as any ServiceAccount may.
    """
    access = kubeconfig.read(control_plane.kubeconfig)
    authority = tmp_path / "ca.pem"
    authority.write_bytes(access.authority or b"")
    issuer = control_plane.api.get("/.well-known/openid-configuration").expect().json["issuer"]
    reader = control_plane.token(namespace, "default")
    entra.fetch_from(issuer, access.server, authority, token=reader)

    app = entra.application(roles=["Organization.Read.All"])
    assertion = control_plane.token(namespace, "default", audiences=[AUDIENCE])
    assert client.exchange(app, assertion).json()["error_codes"] == [70025]
    app.federate(issuer=issuer, subject=f"system:serviceaccount:{namespace}:default")
    answer = client.exchange(app, assertion)
    assert answer.status_code == 200, answer.text
    assert client.graph("/v1.0/organization", answer.json()["access_token"]).ok
    assert client.exchange(app, reader).json()["error_codes"] == [700212]

    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "other"}}
    control_plane.api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", account).expect()
    other = control_plane.token(namespace, "other", audiences=[AUDIENCE])
    assert client.exchange(app, other).json()["error_codes"] == [700213]

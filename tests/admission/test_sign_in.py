"""From an annotated ServiceAccount to an answer of Microsoft Graph, by every client that people use.

The pod is injected by the webhook behind a real kube-apiserver, which also signs the token that its kubelet would
mount. Each client is a process with exactly the variables of that pod; only the token's file is elsewhere, and the
names of Microsoft lead to the emulator.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.server import Running
from tests.admission.clients import CLIENTS
from tests.admission.conftest import CLIENT_ID, a_pod, create
from tests.cluster import kubeconfig
from tests.cluster.cluster import Cluster
from tests.cluster.processes import free_ports
from tests.entra import Application, Entra
from tests.entra import running as entra_running
from tests.entra.proxy import proxying
from tests.helper_commands.processes import Process

ROOT = Path(__file__).parents[2]
TENANT_ID = "22222222-2222-4222-8222-222222222222"


@dataclass(frozen=True)
class Pod:
    """What a process in the pod has. subject: of its token."""

    environ: Mapping[str, str]
    application: Application
    issuer: str
    subject: str

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        """One of CLIENTS, in the pod."""
        command = [sys.executable, "-m", "tests.admission.clients", name]
        return subprocess.run(
            command, env=dict(self.environ), cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
        )


@pytest.fixture
def entra() -> Iterator[Entra]:
    with entra_running() as emulator:
        yield emulator


@pytest.fixture
def pod(
    control_plane: Cluster, namespace: str, another_webhook: Callable[..., Running], entra: Entra, tmp_path: Path
) -> Iterator[Pod]:
    """An injected pod whose application trusts nobody yet."""
    another_webhook("--helper-image", "example.test/helper:1")
    application = entra.application(client_id=CLIENT_ID, tenant_id=TENANT_ID, roles=["Organization.Read.All"])
    annotations = {"azure.workload.identity/client-id": CLIENT_ID, "azure.workload.identity/tenant-id": TENANT_ID}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "terraform", "annotations": annotations},
    }
    control_plane.api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", account).expect()
    wanted = a_pod()
    wanted["metadata"]["annotations"] = {"m365.workload.identity/token-endpoint": "true"}
    stored = create(control_plane, namespace, wanted)

    token_file = tmp_path / "azure-identity-token"
    token_file.write_text(control_plane.token(namespace, "terraform", audiences=[_audience(stored)]))
    issuer = _trusted_issuer(control_plane, namespace, entra, tmp_path)
    environ = _environment(stored) | {
        "AZURE_FEDERATED_TOKEN_FILE": str(token_file),
        "IDENTITY_ENDPOINT": f"http://127.0.0.1:{free_ports(1)[0]}/msi/token",
        "SSL_CERT_FILE": str(entra.ca_file),
        "REQUESTS_CA_BUNDLE": str(entra.ca_file),
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
    }
    with proxying(routes=entra.routes) as proxy:
        yield Pod(
            environ | {"HTTPS_PROXY": proxy.url, "NO_PROXY": "127.0.0.1"},
            application,
            issuer,
            f"system:serviceaccount:{namespace}:terraform",
        )


def _audience(stored: Mapping[str, Any]) -> str:
    (volume,) = (volume for volume in stored["spec"]["volumes"] if volume["name"] == "azure-identity-token")
    audience: str = volume["projected"]["sources"][0]["serviceAccountToken"]["audience"]
    return audience


def _environment(stored: Mapping[str, Any]) -> dict[str, str]:
    """The variables of the pod's container, as the kubelet makes them."""
    values = {}
    for entry in stored["spec"]["containers"][0]["env"]:
        reference = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        values[entry["name"]] = stored["metadata"]["uid"] if reference == "metadata.uid" else entry["value"]
    return values


def _trusted_issuer(cluster: Cluster, namespace: str, entra: Entra, folder: Path) -> str:
    """The cluster's issuer, whose documents the emulator reads at the API server."""
    access = kubeconfig.read(cluster.kubeconfig)
    authority = folder / "apiserver.pem"
    authority.write_bytes(access.authority or b"")
    issuer: str = cluster.api.get("/.well-known/openid-configuration").expect().json["issuer"]
    entra.fetch_from(issuer, access.server, authority, token=cluster.token(namespace, "default"))
    return issuer


def test_every_client_signs_in(pod: Pod, entra: Entra) -> None:
    """Ours, sync and async, and everybody else's; each asked Entra itself, as the pod's application."""
    pod.application.federate(issuer=pod.issuer, subject=pod.subject)
    command = [sys.executable, "-m", "m365_identity", "serve"]
    with contextlib.closing(Process(command, pod.environ)) as serving:
        serving.line_with(pod.environ["IDENTITY_ENDPOINT"])
        for name in CLIENTS:
            before = len(entra.exchanges)
            done = pod.run(name)
            assert (done.returncode, done.stdout) == (0, "Contoso\n"), f"{name}: {done.stderr}"
            assert [asked.client_id for asked in entra.exchanges[before:]] == [CLIENT_ID], name


def test_a_stranger_does_not(pod: Pod) -> None:
    """With a credential for another ServiceAccount the library says so, and how to make the right one."""
    pod.application.federate(issuer=pod.issuer, subject="system:serviceaccount:shop:somebody-else")
    done = pod.run("library")
    assert done.returncode == 1
    assert "AADSTS700213" in done.stderr
    assert "az ad app federated-credential create" in done.stderr
    assert pod.subject in done.stderr

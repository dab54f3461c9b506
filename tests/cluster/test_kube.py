"""The connection to an API server."""

from __future__ import annotations

from pathlib import Path

import pytest

from certs.pem import parse_pair
from testbed.cluster.kubeconfig import Access, render
from testbed.cluster.pki import Authority
from tests.commands.live import endpoint
from webhook.cluster.kube import Kube


@pytest.mark.usefixtures("strict_tls")
async def test_a_cluster_with_the_bare_certificates_of_eks_is_trusted(tmp_path: Path) -> None:
    """Without key identifiers and key usage, which OpenSSL's strict mode wants and kubectl does not."""
    signer = Authority()
    made = signer.server(["127.0.0.1"], [])
    with endpoint(parse_pair(made.certificate, made.key), lambda _: (200, b'{"major": "1"}', {})) as port:
        access = Access(f"https://127.0.0.1:{port}", signer.certificate, token="a")
        (tmp_path / "kubeconfig").write_text(render(access))
        async with Kube(tmp_path / "kubeconfig") as kube:
            assert (await kube.request("GET", "/version", seconds=5)).json() == {"major": "1"}

"""The connection to an API server."""

from __future__ import annotations

from pathlib import Path

import pytest

from certs.pem import parse_pair
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.kubeconfig import Access, render
from testbed.cluster.pki import Authority
from tests.commands.live import endpoint
from webhook.cluster import kube as module
from webhook.cluster.kube import Kube, Reply


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


async def test_a_list_whose_token_has_expired_goes_on(
    owned_control_plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """410 Gone has a token for the rest, as it is now: no object is missed, and none comes twice."""
    monkeypatch.setattr(module, "_PAGE", 2)
    path = f"/api/v1/namespaces/{namespace}/configmaps"

    def create(name: str) -> None:
        owned_control_plane.api.post(path, {"metadata": {"name": name}}).expect()

    for name in "abcde":
        create(name)
    names: list[str] = []
    async with Kube(owned_control_plane.kubeconfig) as kube:
        async for page in kube.pages(path, seconds=200):
            assert not isinstance(page, Reply), page.reason()
            names += [each["metadata"]["name"] for each in page]
            if len(names) == 2:
                create("f")
                owned_control_plane.etcd.compact()
                owned_control_plane.stop_apiserver()  # which forgets what it has in memory, too
                owned_control_plane.start_apiserver()
                before = kube.requests
        asked = kube.requests - before
    pages = -(-(len(names) - 2) // 2)
    assert asked == pages + 1, "no token had expired"
    assert [each for each in names if len(each) == 1] == [*"abcdef"]
    assert len(names) == len(set(names))


async def test_who_is_throttled_asks_again_if_a_person_waits(tmp_path: Path) -> None:
    """As client-go does: when the answer says. A process that has its own deadline gets the answer."""
    answers = [(429, b"{}", {"Retry-After": "0"}), (200, b'{"major": "1"}', {})]
    asked: list[str] = []

    def answer(path: str) -> tuple[int, bytes, dict[str, str]]:
        asked.append(path)
        return answers[min(len(asked) - 1, 1)]

    with endpoint(None, answer) as port:
        (tmp_path / "kubeconfig").write_text(render(Access(f"http://127.0.0.1:{port}", None, token="a")))
        async with Kube(tmp_path / "kubeconfig") as kube:
            assert (await kube.request("GET", "/version", seconds=5)).status == 429
        asked.clear()
        async with Kube(tmp_path / "kubeconfig", by_person=True) as kube:
            assert (await kube.request("GET", "/version", seconds=5)).status == 200
    assert len(asked) == 2

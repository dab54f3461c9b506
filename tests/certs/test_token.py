"""The token in a pod, which the kubelet renews in its file."""

from __future__ import annotations

from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest

from certs.clock import SystemClock
from webhook.cluster.certificate_objects import KubeSecret
from webhook.cluster.kube import Kube, Unavailable


class Answering:
    """An API server that keeps the token of each request."""

    configuration: Any
    proxy: str | None = None

    def __init__(self) -> None:
        self.tokens: list[str] = []

    async def request(self, _method: str, _url: str, *, headers: dict[str, str], **_: Any) -> Any:
        self.tokens.append(headers["Authorization"].partition(" ")[2])
        raise TimeoutError

    async def close(self) -> None:
        return


class Pod:
    """A pod's mounts, its API server, and how much time has passed in it."""

    def __init__(self, folder: Path) -> None:
        self.token, self.server, self.passed = folder / "token", Answering(), 1000.0

    async def ask(self, kube: Kube) -> None:
        with pytest.raises(Unavailable):
            await kube.request("GET", "/", seconds=1)


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    made = Pod(tmp_path)
    made.token.write_text("first")
    (tmp_path / "ca.crt").write_text("not read in this test")
    inside = "kubernetes.aio.config.incluster_config"
    monkeypatch.setattr(f"{inside}.SERVICE_TOKEN_FILENAME", str(made.token))
    monkeypatch.setattr(f"{inside}.SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    def client(configuration: Any) -> Answering:
        made.server.configuration = configuration
        return made.server

    monkeypatch.setattr("webhook.cluster.kube.RESTClientObject", client)
    monkeypatch.setattr(SystemClock, "ticks", lambda _: made.passed)
    return made


async def test_a_token_is_read_again_after_a_minute_that_has_passed(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the wall clock was set back by a month: by that, its token would end long before it is read again."""

    class SetBack(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime(2020, 1, 1, tzinfo=tz)

    async with Kube() as client:
        await pod.ask(client)
        monkeypatch.setattr("datetime.datetime", SetBack)
        pod.token.write_text("second")
        await pod.ask(client)
        pod.passed += 61
        await pod.ask(client)
    assert pod.server.tokens == ["first", "first", "second"]


@pytest.mark.parametrize("damage", ["empty", "gone"])
async def test_a_token_that_cannot_be_read_is_an_api_server_that_is_away(pod: Pod, damage: str) -> None:
    """Most likely for a moment: it is not a bug, and the next request reads it again."""
    async with Kube() as client:
        pod.passed += 61
        if damage == "empty":
            pod.token.write_text("")
        else:
            pod.token.unlink()
        with pytest.raises(Exception, match="the token cannot be read") as raised:
            await KubeSecret(client, "m365", "ca").get()
        assert type(raised.value).__name__ == "StoreUnavailable"
        pod.token.write_text("second")
        await pod.ask(client)
    assert pod.server.tokens == ["second"]

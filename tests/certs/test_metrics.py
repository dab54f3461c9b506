"""What /metrics says of certificates is what is so at the moment it is asked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import webhook.service
from certs.authority import make_authority, make_leaf
from certs.description import Description
from certs.serving import Serving
from certs.sources import FilesSource
from webhook.accounts import FileAccounts
from webhook.logs import Log
from webhook.settings import FILES, Settings
from webhook.worker import Service

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
GAUGE = "m365wi_serving_certificate_not_after_seconds"


def write(path: Path, lifetime: timedelta) -> float:
    """A pair into one file; when it ends, Unix time."""
    pair = make_leaf(make_authority(now=NOW, lifetime=9 * DAY), names=["localhost"], now=NOW, lifetime=lifetime)
    path.write_bytes(pair.private_pem())
    return pair.certificate.not_valid_after_utc.timestamp()


def service(source: object, monkeypatch: pytest.MonkeyPatch) -> Service:
    """What `serve` serves with this source of certificates."""
    monkeypatch.setattr(webhook.service, "_certificates", lambda *_: source)
    return webhook.service.service(Settings(), FILES, FileAccounts({}), Log(write=lambda _: None))


async def asked(service: Service, path: str) -> tuple[int, str]:
    """GET on the operations port: status and text."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope: dict[str, Any] = {
        "type": "http",
        "scheme": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [],
    }
    await service.operations(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent).decode()


async def gauge(service: Service) -> float | None:
    """When the certificate ends, as /metrics has it; None where it says nothing."""
    status, text = await asked(service, "/metrics")
    assert status == 200
    found = re.search(rf"^{GAUGE} (\S+)$", text, re.M)
    return float(found[1]) if found else None


async def test_a_gauge_follows_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No task and no clock between the certificate that is served and what is told of it."""
    source = FilesSource(certificate=tmp_path / "pair.pem")
    served = service(source, monkeypatch)
    assert await gauge(served) is None
    for lifetime in (DAY, 3 * DAY):
        end = write(tmp_path / "pair.pem", lifetime)
        source.look()
        assert await gauge(served) == end
    assert 'm365wi_certificate_events_total{event="replaced"} 2.0' in (await asked(served, "/metrics"))[1]


async def test_a_source_that_breaks_leaves_the_process_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs /metrics and /readyz; /livez, by which the process would be restarted, does not ask."""

    class Broken:
        serving = Serving()

        def describe(self) -> Description:
            raise RuntimeError("broken")

    served = service(Broken(), monkeypatch)
    answers = {path: (await asked(served, path))[0] for path in ("/livez", "/metrics", "/readyz")}
    assert answers == {"/livez": 200, "/metrics": 500, "/readyz": 503}

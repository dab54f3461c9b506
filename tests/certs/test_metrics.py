"""What /metrics says of certificates is what is so at the moment it is asked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import webhook.assembly
from certs.authority import make_leaf
from certs.files import FilesSource
from certs.serving import Serving
from certs.source import Description
from tests.authorities import make_authority
from webhook.accounts.files import FileAccounts
from webhook.cluster.kube import Kube
from webhook.logs import Log
from webhook.server.worker_parts import WorkerParts
from webhook.settings import FILES, ServeSettings

ACCOUNTS = FileAccounts(Path("accounts.yaml"), {})
NOW = datetime.now(UTC)
DAY = timedelta(days=1)
GAUGE = "m365wi_serving_certificate_not_after_seconds"


def write(path: Path, lifetime: timedelta) -> float:
    """A pair into one file; when it ends, Unix time."""
    pair = make_leaf(make_authority(now=NOW, lifetime=9 * DAY), names=["localhost"], now=NOW, lifetime=lifetime)
    path.write_bytes(pair.private_pem())
    return pair.certificate.not_valid_after_utc.timestamp()


def service(source: object, monkeypatch: pytest.MonkeyPatch) -> WorkerParts:
    """What `serve` serves with this source of certificates."""
    monkeypatch.setattr(webhook.assembly, "_certificates", lambda *_: source)
    return webhook.assembly.assemble(ServeSettings(certificates=FILES, accounts=ACCOUNTS), Log(write=lambda _: None))


async def asked(service: WorkerParts, path: str) -> tuple[int, str]:
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


async def gauge(service: WorkerParts) -> float | None:
    """When the certificate ends, as /metrics has it; None where it says nothing."""
    status, text = await asked(service, "/metrics")
    assert status == 200
    found = re.search(rf"^{GAUGE} (\S+)$", text, re.M)
    return float(found[1]) if found else None


async def test_a_gauge_follows_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No task and no clock is between the certificate that is served and what the gauge says."""
    source = FilesSource(certificate=tmp_path / "pair.pem")
    served = service(source, monkeypatch)
    assert await gauge(served) is None
    for lifetime in (DAY, 3 * DAY):
        end = write(tmp_path / "pair.pem", lifetime)
        source.reload()
        assert await gauge(served) == end
    assert 'm365wi_certificate_events_total{event="replaced"} 2.0' in (await asked(served, "/metrics"))[1]


@pytest.mark.parametrize(
    ("healthy", "dialled", "waits", "line", "value"),
    [
        (True, None, None, "[+] certificate: good until 2030-01-01 00:00 UTC (self-managed)", None),
        (True, "ok", None, "(self-managed); a new connection to itself: ok", 1),
        (True, "no connection: refused", None, "(self-managed); a new connection to itself: no connection", 0),
        (False, "the certificate was refused", None, "no certificate is served; a new connection to itself: ", 0),
        (False, None, "made just now", "[-] certificate: made just now", None),
    ],
)
async def test_what_a_fresh_connection_met_is_told(
    monkeypatch: pytest.MonkeyPatch, healthy: bool, dialled: str | None, waits: str | None, line: str, value: int | None
) -> None:
    """By /readyz in words, good or bad, and by a gauge once there was one."""
    end = datetime(2030, 1, 1, tzinfo=UTC)

    class Described:
        serving = Serving()

        def describe(self) -> Description:
            mode = "self-managed"
            return Description(mode=mode, healthy=healthy, not_after=end, dialled=dialled, waits=waits)

    served = service(Described(), monkeypatch)
    assert line in (await asked(served, "/readyz"))[1]
    found = re.search(r"^m365wi_self_dial_ok (\S+)$", (await asked(served, "/metrics"))[1], re.M)
    assert (float(found[1]) if found else None) == value


async def test_the_authorities_of_clients_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By /readyz, a gauge and two counts; without --client-ca nothing is said, and every client is answered."""
    file = tmp_path / "clients.crt"
    authority = make_authority(now=NOW, lifetime=9 * DAY)
    file.write_text(authority.pem)

    class Described:
        serving = Serving()

        def describe(self) -> Description:
            return Description(mode="files", healthy=True, not_after=NOW, counts={"replaced": 1})

    monkeypatch.setattr(webhook.assembly, "_certificates", lambda *_: Described())
    settings = ServeSettings(certificates=FILES, accounts=ACCOUNTS, client_ca=file, client_names=("a",))
    served = webhook.assembly.assemble(settings, Log(write=lambda _: None))
    assert served.callers is not None
    assert "[+] client CA: 1 authority, good until " in (await asked(served, "/readyz"))[1]
    text = (await asked(served, "/metrics"))[1]
    found = re.search(r"^m365wi_client_ca_not_after_seconds (\S+)$", text, re.M)
    assert found
    assert float(found[1]) == authority.certificate.not_valid_after_utc.timestamp()
    for event, count in {"client_ca_replaced": 1, "client_ca_refused": 0, "replaced": 1}.items():
        assert f'm365wi_certificate_events_total{{event="{event}"}} {count}.0' in text
    without = service(Described(), monkeypatch)
    assert without.callers is None
    assert "client CA" not in (await asked(without, "/readyz"))[1]
    assert "client_ca" not in (await asked(without, "/metrics"))[1]


OURS = "m365-workload-identity.m365-workload-identity-system.svc"


@pytest.mark.parametrize(
    ("names", "settings", "served"),
    [
        (["other.other.svc"], {}, False),
        ([OURS], {}, True),
        ([f"*{OURS[len('m365-workload-identity') :]}"], {}, True),
        (["other.other.svc"], {"kubeconfig": Path("config")}, True),
        (["other.other.svc"], {"accounts": ACCOUNTS}, True),
    ],
)
async def test_a_pair_in_a_pod_is_for_the_name_that_kube_apiserver_asks_for(
    tmp_path: Path, names: list[str], settings: dict[str, Any], served: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is not never replaces one that is. Elsewhere people call it what they like."""
    pair = make_leaf(make_authority(now=NOW, lifetime=9 * DAY), names=names, now=NOW, lifetime=DAY)
    (tmp_path / "pair.pem").write_bytes(pair.private_pem())
    made = ServeSettings(certificates=FILES, tls_cert=tmp_path / "pair.pem", **settings)
    source = webhook.assembly._certificates(made, Kube(None))
    await source.start()
    _, text = await asked(service(source, monkeypatch), "/readyz")
    assert ("[+] certificate" in text) is served, text
    assert ("is not for" in text) is not served


async def test_a_source_that_breaks_leaves_the_process_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs /metrics and /readyz; /livez, by which the process would be restarted, does not ask."""

    class Broken:
        serving = Serving()

        def describe(self) -> Description:
            raise RuntimeError("broken")

    served = service(Broken(), monkeypatch)
    answers = {path: (await asked(served, path))[0] for path in ("/livez", "/metrics", "/readyz")}
    assert answers == {"/livez": 200, "/metrics": 500, "/readyz": 503}

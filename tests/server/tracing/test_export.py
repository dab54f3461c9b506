"""The webhook as a process, and a collector: what it is sent, and what happens if it is away."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from demo.server import Running, running
from testbed.cluster.processes import PATIENCE, wait_until
from testbed.traces.collector import Collector, Span
from tests.commands.live import authority, pair
from tests.commands.test_serve import ACCOUNTS, encoded

pytestmark = pytest.mark.slow

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"


class Webhook:
    """A traced webhook, and the connection to it."""

    def __init__(self, process: Running) -> None:
        self.process = process
        context = ssl.create_default_context(cadata=process.authority)
        self._connection = http.client.HTTPSConnection("127.0.0.1", process.port, context=context, timeout=30)
        self.disconnect = self._connection.close  # the next request connects again

    def ask(self, traceparent: str = SAMPLED, body: bytes = encoded()) -> int:
        """The status of a review on a kept connection."""
        fields = {"Content-Type": "application/json"} | ({"Traceparent": traceparent} if traceparent else {})
        self._connection.request("POST", "/mutate?timeout=5s", body, fields)
        response = self._connection.getresponse()
        response.read()
        return response.status

    def close(self) -> None:
        """Ends the process without its pause."""
        self._connection.close()
        self.process.process.send_signal(signal.SIGINT)
        self.process.process.wait(PATIENCE)

    def spans(self, result: str) -> int:
        """What m365wi_trace_spans_total counts with that result."""
        connection = http.client.HTTPConnection("127.0.0.1", self.process.ops_port, timeout=30)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        found = re.search(rf'^m365wi_trace_spans_total{{result="{result}"}} (\S+)$', text, re.MULTILINE)
        assert found, text
        return int(float(found[1]))

    def await_spans(self, result: str, least: int) -> None:
        wait_until(lambda: self.spans(result) >= least, f"{least} spans {result}")

    def lines(self, message: str) -> list[dict[str, Any]]:
        """The lines of the log with a message that begins so."""
        lines = [json.loads(line) for line in self.process.log.read_text().rpartition("\n")[0].splitlines()]
        return [line for line in lines if line["message"].startswith(message)]

    @property
    def worker(self) -> int:
        """The process that answers."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as it:
        yield it


Start = Callable[..., Webhook]


@pytest.fixture
def start(tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a traced webhook. Its spans are sent after a fiftieth of a second, if the variables say nothing else."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    (tmp_path / "accounts.yaml").write_text(ACCOUNTS)

    with ExitStack() as stack:

        def started(*arguments: str, **variables: str) -> Webhook:
            usual = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "20"}
            for name, value in (usual | variables).items():
                monkeypatch.setenv(name, value)
            flags = ["--accounts", str(tmp_path / "accounts.yaml"), "--tracing", "true", *arguments]
            webhook = Webhook(stack.enter_context(running(tmp_path, flags)))
            stack.callback(webhook.close)
            return webhook

        yield started


def of_ours(span: Span) -> bool:
    return bool(span.resource["service.name"] == "m365-workload-identity")


def test_spans_arrive_at_the_collector(start: Start, collector: Collector) -> None:
    """Those that are sampled, with where they come from; they are counted, and the log names their trace."""
    webhook = start(
        OTEL_RESOURCE_ATTRIBUTES="k8s.pod.name=webhook-1",
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20abc",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
    )
    assert [webhook.ask(), webhook.ask(SAMPLED[:-1] + "0"), webhook.ask("00-nonsense")] == [200] * 3
    spans = collector.wait_for(of_ours, count=2)
    assert [(span.trace == TRACE, span.parent) for span in spans] == [(True, SAMPLED[36:52]), (False, "")]
    assert spans[0].attributes["m365wi.service_account"] == "terraform"
    assert spans[0].resource["k8s.pod.name"] == "webhook-1"
    assert spans[0].resource["service.version"]
    assert 0 < spans[0].end - spans[0].begin < 5
    (sent, *_) = collector.requests
    assert (sent["path"], sent["authorization"], sent["content-encoding"]) == ("/v1/traces", "Bearer abc", "gzip")
    webhook.await_spans("exported", 2)
    assert [webhook.spans("failed"), webhook.spans("dropped")] == [0, 0]
    assert [line.get("trace_id") for line in webhook.lines("review")] == [TRACE, None, spans[1].trace]
    assert "Bearer" not in webhook.process.log.read_text(), "the headers are secret"


def test_the_name_of_the_service_is_the_users(start: Start, collector: Collector) -> None:
    """As anywhere: OTEL_SERVICE_NAME. So is the sampler."""
    webhook = start(OTEL_SERVICE_NAME="identity", OTEL_TRACES_SAMPLER="parentbased_always_off")
    assert [webhook.ask(""), webhook.ask()] == [200, 200]
    (span,) = collector.wait_for(lambda span: span.resource["service.name"] == "identity")
    assert span.trace == TRACE


def test_what_has_not_been_sent_is_sent_at_the_end(start: Start, collector: Collector) -> None:
    """On SIGTERM, though the next batch would have been due in a minute."""
    webhook = start(OTEL_BSP_SCHEDULE_DELAY="60000")
    for _ in range(3):
        webhook.ask()
    assert collector.spans == []
    webhook.process.stop()
    assert len(collector.wait_for(of_ours)) == 3
    assert webhook.process.process.returncode == 0
    assert webhook.lines("the background work did not end") == []


def test_a_collector_that_hangs_neither_slows_reviews_nor_the_end(start: Start, collector: Collector) -> None:
    """There is room for four spans and a batch that is being sent. The others are dropped, and counted."""
    collector.hang()
    queue = {"OTEL_BSP_MAX_QUEUE_SIZE": "4", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2"}
    webhook = start(OTEL_EXPORTER_OTLP_TIMEOUT="60000", **queue)
    webhook.ask()
    wait_until(lambda: bool(collector.requests), "a request")  # the exporting thread waits for its answer from now on
    begun = time.monotonic()
    assert {webhook.ask() for _ in range(30)} == {200}
    assert time.monotonic() - begun < 20, "each would wait a minute for the collector"
    assert webhook.spans("dropped") == 26
    webhook.process.stop()
    assert webhook.process.process.returncode == 0, "it was killed, after 15 s"
    (line,) = webhook.lines("5 spans were not sent")
    assert line["level"] == "warning"


def test_a_collector_that_is_away_is_logged_once_and_so_is_its_return(start: Start, collector: Collector) -> None:
    """With the reason."""
    collector.status = 401
    webhook = start()
    for count in (1, 2, 3):
        webhook.ask()
        webhook.await_spans("failed", count)
    (line,) = webhook.lines("spans are not accepted")
    assert (line["level"], line["logger"]) == ("warning", "webhook")
    assert collector.url in line["message"]
    assert "401" in line["message"]
    collector.status = 200
    webhook.ask()
    webhook.await_spans("exported", 1)
    assert len(webhook.lines("spans are accepted again")) == 1
    assert {line["logger"] for line in webhook.lines("") if "logger" in line} <= {"webhook", "certs.files"}


def test_nobody_listens(start: Start) -> None:
    """A connection that is refused is named so. The exporter tries again for a while, and reviews go on."""
    webhook = start(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_EXPORTER_OTLP_TIMEOUT="200")
    assert webhook.ask() == 200
    webhook.await_spans("failed", 1)
    (line,) = webhook.lines("spans are not accepted")
    assert "refused" in line["message"]


def test_a_new_worker_sends_its_spans_too(start: Start, collector: Collector) -> None:
    """gunicorn starts one if a worker dies; each has a thread of its own that sends."""
    webhook = start()
    webhook.ask()
    first = collector.wait_for(of_ours)[0].resource["service.instance.id"]
    old = webhook.worker
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: len(webhook.lines("ready")) == 2, "another worker")
    webhook.disconnect()
    webhook.ask()
    spans = collector.wait_for(of_ours, count=2)
    assert spans[1].resource["service.instance.id"] != first


def test_the_collector_has_a_certificate_of_its_own_authority(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTEL_EXPORTER_OTLP_CERTIFICATE names it. A collector with another one is not sent anything."""
    ours = authority()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")  # does not win over it
    (tmp_path / "authority.pem").write_text(ours.pem)
    for signer, accepted in ((ours, True), (authority(), False)):
        (tmp_path / "pair.pem").write_bytes(pair(signer).private_pem())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "pair.pem")
        with Collector(context) as collector:
            webhook = start(
                OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
                OTEL_EXPORTER_OTLP_CERTIFICATE=str(tmp_path / "authority.pem"),
                OTEL_EXPORTER_OTLP_TIMEOUT="500",
            )
            assert webhook.ask() == 200
            webhook.await_spans("exported" if accepted else "failed", 1)
            assert len(collector.spans) == accepted
            if not accepted:
                assert "certificate" in webhook.lines("spans are not accepted")[0]["message"]
            webhook.close()

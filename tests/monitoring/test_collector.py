"""Traces with a real OpenTelemetry Collector between the webhook and who keeps the spans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from testbed.cluster.processes import Workshop
from testbed.traces.collector import Collector
from testbed.traces.running import RealCollector
from tests.commands.live import authority, pair
from tests.server.tracing.test_export import SAMPLED, TRACE, Start, of_ours
from tests.server.tracing.test_export import collector as collector
from tests.server.tracing.test_export import start as start

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]


@pytest.fixture
def real(tmp_path: Path, collector: Collector) -> Iterator[RealCollector]:
    """It has a certificate of an authority of its own, `authority.pem`."""
    signer = authority()
    (tmp_path / "authority.pem").write_text(signer.pem)
    (tmp_path / "pair.pem").write_bytes(pair(signer).private_pem())
    with closing(Workshop("m365wi-otelcol-")) as workshop:
        yield RealCollector(workshop, to=collector.url, pair=tmp_path / "pair.pem")


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_spans_go_through_a_collector_unchanged(
    start: Start, collector: Collector, real: RealCollector, tmp_path: Path, compression: str
) -> None:
    """With TLS, and what it knows of compression."""
    webhook = start(
        OTEL_EXPORTER_OTLP_ENDPOINT=real.url,
        OTEL_EXPORTER_OTLP_CERTIFICATE=str(tmp_path / "authority.pem"),
        OTEL_EXPORTER_OTLP_COMPRESSION=compression,
    )
    assert webhook.ask() == 200
    (span,) = collector.wait_for(of_ours)
    assert (span.name, span.trace, span.parent) == ("POST /mutate", TRACE, SAMPLED[36:52])
    assert span.attributes["m365wi.outcome"] == "injected"
    assert span.attributes["k8s.namespace.name"] == "shop"
    webhook.await_spans("exported", 1)
    assert webhook.lines("spans are not accepted") == []


def test_its_port_of_grpc_is_the_wrong_one(start: Start, real: RealCollector) -> None:
    """4317 instead of 4318, usually. Reviews go on, and the log says so once."""
    webhook = start(OTEL_EXPORTER_OTLP_ENDPOINT=real.grpc, OTEL_EXPORTER_OTLP_TIMEOUT="500")
    for count in (1, 2):
        assert webhook.ask() == 200
        webhook.await_spans("failed", count)
    (line,) = webhook.lines("spans are not accepted")
    assert real.grpc in line["message"]

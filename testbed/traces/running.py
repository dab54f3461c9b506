"""A real OpenTelemetry Collector on loopback, which passes on the spans that it is sent."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path

from testbed.cluster.processes import Workshop, free_ports, wait_until
from testbed.traces.build import binary

__all__ = ["RealCollector"]


class RealCollector:
    """Runs in `workshop` and ends with it. to: where it sends spans, a URL without a path.

    url: OTLP over HTTP with TLS, by the pair in the file `pair`. grpc: the URL of its gRPC port, without TLS.
    """

    def __init__(self, workshop: Workshop, *, to: str, pair: Path) -> None:
        http, grpc = free_ports(2)
        self.url, self.grpc = f"https://127.0.0.1:{http}", f"http://127.0.0.1:{grpc}"
        tls = {"cert_file": str(pair), "key_file": str(pair)}
        protocols = {
            "http": {"endpoint": f"127.0.0.1:{http}", "tls": tls},
            "grpc": {"endpoint": f"127.0.0.1:{grpc}"},
        }
        configuration = {
            "receivers": {"otlp": {"protocols": protocols}},
            "exporters": {"otlphttp": {"endpoint": to, "sending_queue": {"enabled": False}}},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlphttp"]}},
            },
        }
        file = workshop.directory / "otelcol.yaml"
        file.write_text(json.dumps(configuration), encoding="utf-8")  # JSON is YAML
        self.process = workshop.start("otelcol", [binary(), f"--config=file:{file}"])

        def listens() -> bool:
            with suppress(OSError):
                for port in (http, grpc):
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return True
            return False

        wait_until(listens, "the Collector listens", alive=[self.process])

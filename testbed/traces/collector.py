"""A collector on loopback that keeps spans: by OTLP over HTTP, as the webhook sends them, and gRPC

with Collector() as collector:
    ... OTEL_EXPORTER_OTLP_ENDPOINT=collector.url ...
    collector.wait_for(lambda span: span.name == "POST /mutate")
"""

from __future__ import annotations

import gzip
import ssl
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest as Sent
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse as Thanks
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

__all__ = ["Collector", "Span"]

PATIENCE = 30.0
EXPORT = "opentelemetry.proto.collector.trace.v1.TraceService", "Export"


@dataclass(frozen=True)
class Span:
    """One span. Ids are hexadecimal, and `parent` is "" at a root; links: the ids of spans of other traces."""

    name: str
    trace: str
    id: str
    parent: str
    begin: float
    end: float
    links: tuple[str, ...]
    attributes: Mapping[str, Any] = field(hash=False)
    resource: Mapping[str, Any] = field(hash=False)


class Collector:
    """A context manager. context: of TLS, for the HTTP port.

    status: what the HTTP port answers. hang: set it, and it accepts requests and answers none until `release`.
    requests: the header of each that came over HTTP.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.spans: list[Span] = []
        self.requests: list[Mapping[str, str]] = []
        self.status = 200
        self._answers = threading.Event()
        self._answers.set()
        self._news = threading.Condition()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        if context is not None:
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._http.server_port}"
        self._pool = ThreadPoolExecutor(2)
        self._grpc = grpc.server(self._pool)
        service, method = EXPORT
        handler = grpc.unary_unary_rpc_method_handler(
            self._export, request_deserializer=Sent.FromString, response_serializer=Thanks.SerializeToString
        )
        self._grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        self.grpc_address = f"127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        self._grpc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(None).wait(PATIENCE)
        self._pool.shutdown()

    def hang(self) -> None:
        """Answer no request over HTTP from now on."""
        self._answers.clear()

    def release(self) -> None:
        """Answer again."""
        self._answers.set()

    def wait_for(self, wanted: Callable[[Span], object], *, count: int = 1) -> list[Span]:
        """The spans that are wanted, as soon as there are `count`. Raises AssertionError after PATIENCE."""
        with self._news:
            if not self._news.wait_for(lambda: sum(bool(wanted(each)) for each in self.spans) >= count, PATIENCE):
                last = [each.name for each in self.spans[-20:]]
                raise AssertionError(f"the span never came; {len(self.spans)} others did, the last of them {last}")
            return [each for each in self.spans if wanted(each)]

    def _take(self, sent: Sent) -> None:
        found = []
        for group in sent.resource_spans:
            resource = _attributes(group.resource.attributes)
            found += [_span(each, resource) for scope in group.scope_spans for each in scope.spans]
        with self._news:
            self.spans += found
            self._news.notify_all()

    def _export(self, sent: Sent, _: object) -> Thanks:
        self._take(sent)
        return Thanks()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
                collector._answers.wait(PATIENCE)
                if collector.status == 200:
                    zipped = self.headers.get("Content-Encoding") == "gzip"
                    collector._take(Sent.FromString(gzip.decompress(body) if zipped else body))
                answer = Thanks().SerializeToString()
                self.send_response(collector.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Nothing on stderr."""

        return Handler


def _span(sent: Any, resource: Mapping[str, Any]) -> Span:
    return Span(
        name=sent.name,
        trace=sent.trace_id.hex(),
        id=sent.span_id.hex(),
        parent=sent.parent_span_id.hex(),
        begin=sent.start_time_unix_nano / 1e9,
        end=sent.end_time_unix_nano / 1e9,
        links=tuple(link.span_id.hex() for link in sent.links),
        attributes=_attributes(sent.attributes),
        resource=resource,
    )


def _attributes(sent: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in sent}


def _value(sent: AnyValue) -> Any:
    kind = sent.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in sent.array_value.values]
    return getattr(sent, kind) if kind else None

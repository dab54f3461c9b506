"""A look-up of a ServiceAccount is a child of the review that caused it, and kube-apiserver hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import orjson
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from testbed.cluster.kubeconfig import Access, render
from tests.core.cases import USUAL_ANNOTATIONS
from tests.core.support import body, pod
from tests.server.connection_case import Case
from tests.server.test_known_heads import HEAD
from webhook.accounts.cache import CachedAccounts
from webhook.accounts.cluster import ClusterAccounts
from webhook.core.policy import Policy
from webhook.logs import Log
from webhook.metrics import Metrics
from webhook.reviewer import Reviewer
from webhook.server.application import Application
from webhook.server.known_heads import KnownHeads
from webhook.server.lifecycle import Lifecycle
from webhook.server.tracing.reviews import Reviews, TracedKube

TRACE = "0af7651916cd43dd8448eb211c80319c"
GIVEN = f"Traceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n".encode()


class ApiServer:
    """Answers each request with `status`, when `answers` is set. headers: of each, as they came."""

    def __init__(self) -> None:
        self.status = 200
        self.answers = asyncio.Event()
        self.answers.set()
        self.headers: list[Mapping[str, str]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            lines = [head]
            while (line := await reader.readline()).strip():
                lines.append(line)
            fields = dict(line.decode().strip().lower().split(": ", 1) for line in lines[1:])
            self.headers.append({"line": head.decode().strip(), **fields})
            await self.answers.wait()
            account = {"metadata": {"name": "terraform", "namespace": "shop", "annotations": USUAL_ANNOTATIONS}}
            text = orjson.dumps(account)
            writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (self.status, len(text), text))
            await writer.drain()
        writer.close()


class Traced:
    """The webhook of one API server, with spans."""

    def __init__(self, kube: TracedKube, api: ApiServer, url: str) -> None:
        self.kube, self.api, self.url = kube, api, url
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        reviewer = Reviewer(CachedAccounts(ClusterAccounts(kube), absent_seconds=0.01), Policy())
        self.application = Application(
            reviewer.review,
            metrics=Metrics(version="1"),
            log=Log(write=lambda line: None),
            lifecycle=Lifecycle(started=True),
            spans=Reviews(provider.get_tracer("test")),
        )
        self.known = KnownHeads(self.application)

    def ask(self, *, timeout: bytes = b"5s", parent: bytes = GIVEN) -> Case:
        """A request on a connection of its own."""
        case = Case(self.application, known=self.known, needs_no_task=True)
        text = body(pod())
        head = HEAD.replace(b"5s", timeout) + parent
        case.connection.data_received(head + b"content-length: %d\r\n\r\n" % len(text) + text)
        return case

    async def answered(self, *cases: Case) -> list[str]:
        """The statuses, when all have one."""
        await until(lambda: all(case.statuses for case in cases))
        return [case.statuses[0] for case in cases]

    def spans(self, kind: SpanKind) -> list[ReadableSpan]:
        return [each for each in self.exporter.get_finished_spans() if each.kind is kind]


async def until(condition: Callable[[], object]) -> None:
    """Wait until the loop has made it true."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - several things must have come, each from elsewhere
            await asyncio.sleep(0.001)


@pytest.fixture
async def traced(tmp_path: Path) -> AsyncIterator[Traced]:
    """A webhook with an API server on loopback."""
    api = ApiServer()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    (tmp_path / "kubeconfig").write_text(render(Access(url, None, token="a")))
    async with TracedKube(tmp_path / "kubeconfig") as kube:
        assert isinstance(kube, TracedKube)
        yield Traced(kube, api, url)
    api.answers.set()
    server.close()


async def test_a_look_up_is_a_child_of_its_review(traced: Traced) -> None:
    """Of the first; the second finds the ServiceAccount in memory. kube-apiserver gets the look-up's traceparent."""
    assert await traced.answered(traced.ask()) == ["200"]
    assert await traced.answered(traced.ask()) == ["200"]
    (call,) = traced.spans(SpanKind.CLIENT)
    first, _ = traced.spans(SpanKind.SERVER)
    assert call.parent == first.context
    assert call.name == "GET /api/v1/namespaces/{namespace}/serviceaccounts/{name}"
    port = int(traced.url.rpartition(":")[2])
    path = "/api/v1/namespaces/shop/serviceaccounts/terraform"
    assert call.attributes == {
        "http.request.method": "GET",
        "url.full": traced.url + path,
        "url.template": "/api/v1/namespaces/{namespace}/serviceaccounts/{name}",
        "server.address": "127.0.0.1",
        "server.port": port,
        "http.response.status_code": 200,
    }
    (request,) = traced.api.headers
    assert call.context
    assert request["line"] == f"GET {path} HTTP/1.1"
    assert request["traceparent"] == f"00-{TRACE}-{call.context.span_id:016x}-01"
    assert first.start_time is not None
    assert call.start_time is not None
    assert first.start_time <= call.start_time


async def test_reviews_that_share_a_look_up_are_each_in_their_own_trace(traced: Traced) -> None:
    """The call belongs to the one that came first."""
    traced.api.answers.clear()
    cases = [traced.ask(parent=GIVEN.replace(b"b7ad6b7169203331", b"%016x" % number)) for number in (1, 2, 3)]
    await until(lambda: traced.api.headers)
    traced.api.answers.set()
    assert await traced.answered(*cases) == ["200"] * 3
    (call,) = traced.spans(SpanKind.CLIENT)
    owner = next(each for each in traced.spans(SpanKind.SERVER) if each.context == call.parent)
    assert owner.parent
    assert owner.parent.span_id == 1
    assert sorted(each.parent.span_id for each in traced.spans(SpanKind.SERVER) if each.parent) == [1, 2, 3]


@pytest.mark.parametrize("status", [403, 500])
async def test_a_look_up_that_fails_is_an_error(traced: Traced, status: int) -> None:
    """And so is its review."""
    traced.api.status = status
    assert await traced.answered(traced.ask()) == ["503"]
    (call,) = traced.spans(SpanKind.CLIENT)
    (review,) = traced.spans(SpanKind.SERVER)
    assert call.attributes
    assert (call.attributes["error.type"], call.status.status_code) == (str(status), StatusCode.ERROR)
    assert review.status.status_code is StatusCode.ERROR


async def test_a_look_up_without_an_answer_ends_with_its_review(traced: Traced) -> None:
    """The review's time is over before kube-apiserver answers; both have their span in the end."""
    traced.api.answers.clear()
    assert await traced.answered(traced.ask(timeout=b"50ms")) == ["503"]
    assert len(traced.spans(SpanKind.SERVER)) == 1
    traced.api.answers.set()
    await until(lambda: traced.spans(SpanKind.CLIENT))
    (call,) = traced.spans(SpanKind.CLIENT)
    assert call.parent == traced.spans(SpanKind.SERVER)[0].context


async def test_an_api_server_that_is_away_is_named(traced: Traced) -> None:
    """By the kind of error."""
    await traced.kube.__aexit__()
    assert await traced.answered(traced.ask()) == ["503"]
    (call,) = traced.spans(SpanKind.CLIENT)
    assert call.attributes
    assert call.attributes["error.type"] == "Unavailable"


async def test_what_is_not_sampled_is_told_to_kube_apiserver(traced: Traced) -> None:
    """So it does not begin a trace of its own for a part of one that nobody keeps."""
    assert await traced.answered(traced.ask(parent=GIVEN.replace(b"-01\r", b"-00\r"))) == ["200"]
    assert traced.api.headers[0]["traceparent"].startswith(f"00-{TRACE}-")
    assert traced.api.headers[0]["traceparent"].endswith("-00")
    assert traced.exporter.get_finished_spans() == ()


async def test_other_requests_have_no_span(traced: Traced) -> None:
    """Those of certificates, for example."""
    await traced.kube.request("GET", "/version", seconds=5)
    assert traced.exporter.get_finished_spans() == ()
    assert "traceparent" not in traced.api.headers[0]

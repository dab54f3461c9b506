"""The spans of reviews, in memory: what is taken up from a client, what a span says, and which children it has."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from tests.server.connection_case import Case
from tests.server.test_known_heads import HEAD, request
from webhook.core.decision import Decision
from webhook.core.messages import Place, message
from webhook.core.messages import annotations as kinds
from webhook.logs import Log
from webhook.metrics import Metrics
from webhook.reviewer import BAD_REQUEST, INTERNAL, LOOKUP_FAILED, Answer
from webhook.server.application import Application
from webhook.server.known_heads import KnownHeads
from webhook.server.lifecycle import Lifecycle
from webhook.server.tracing.reviews import Reviews

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{PARENT}-01".encode()
UNSAMPLED = GIVEN[:-1] + b"0"
ACCOUNT_MISSING = Decision("unchanged", "not-annotated")


class Traced:
    """The review endpoint with spans, on one connection, and what came of it."""

    def __init__(
        self, answer: Answer | None = None, *, sampler: Sampler | None = None, follows_parent: bool = True
    ) -> None:
        self.answer = answer or Answer(200, b"{}", Decision("injected", "injected"), namespace="shop", account="web")
        self.lines: list[dict[str, Any]] = []
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer: Tracer = provider.get_tracer("test")
        application = Application(
            self._review,
            metrics=Metrics(version="1"),
            log=Log(write=lambda line: self.lines.append(json.loads(line))),
            lifecycle=Lifecycle(started=True),
            spans=Reviews(self.tracer, follows_parent=follows_parent),
        )
        self.case = Case(application, known=KnownHeads(application), needs_no_task=True)

    def _review(self, body: bytes | bytearray, *, timeout: float) -> Answer | Awaitable[Answer]:
        if b"bug" in body:
            raise ZeroDivisionError
        return self.answer

    async def ask(self, *fields: bytes, text: str = "x", head: bytes = HEAD) -> str:
        """One request with these header fields; the status of its answer."""
        await self.case.receive(request(text, head + b"".join(field + b"\r\n" for field in fields)))
        return self.case.statuses[-1]

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()

    @property
    def parents(self) -> list[str]:
        """The trace and the parent of each span; "" for a root."""
        return [f"{each.parent.trace_id:032x}-{each.parent.span_id:016x}" if each.parent else "" for each in self.spans]


def field(traceparent: bytes, name: bytes = b"Traceparent") -> bytes:
    return name + b": " + traceparent


@pytest.mark.parametrize("name", [b"Traceparent", b"traceparent"])
async def test_a_review_is_a_child_of_kube_apiserver(name: bytes) -> None:
    """Each of its own call, whether its head is known or not."""
    traced = Traced()
    given = [f"00-{TRACE}-{number:016x}-01" for number in (1, 2, 3)]
    for each in given:
        assert await traced.ask(field(each.encode(), name)) == "200"
    assert traced.parents == [each[3:-3] for each in given]
    assert [line["trace_id"] for line in traced.lines] == [TRACE] * 3
    assert {each.kind for each in traced.spans} == {SpanKind.SERVER}


async def test_what_kube_apiserver_does_not_sample_is_not_recorded() -> None:
    """Nor does its line name a trace: nobody could find it."""
    traced = Traced()
    for _ in range(2):
        assert await traced.ask(field(UNSAMPLED)) == "200"
    assert traced.spans == ()
    assert ["trace_id" in line for line in traced.lines] == [False, False]


async def test_without_a_traceparent_a_review_is_the_root_of_a_trace() -> None:
    """kube-apiserver is not traced; the sampler decides, and by default it takes all."""
    traced = Traced()
    for _ in range(2):
        await traced.ask()
    assert traced.parents == ["", ""]
    first, second = traced.lines
    assert first["trace_id"] != second["trace_id"]


@pytest.mark.parametrize(
    "fields",
    [
        [b"Traceparent: "],
        [b"Traceparent: 00"],
        [field(GIVEN.upper())],
        [field(GIVEN.replace(b"0af7", b"0xf7"))],
        [field(b"00-" + b"0" * 32 + GIVEN[35:])],
        [field(GIVEN[:36] + b"0" * 16 + b"-01")],
        [field(GIVEN[:36] + b"0" * 16 + b"-00")],
        [field(b"ff" + GIVEN[2:])],
        [field(GIVEN + b"-more")],
        [field(b"01" + GIVEN[2:] + b"-" + b"x" * 500)],
        [field(GIVEN + b"0")],
        [field(b"\xc3\xa9" + GIVEN)],
        [field(GIVEN), field(GIVEN)],
        [field(GIVEN), field(GIVEN[:-3] + b"-00", b"TRACEPARENT")],
        [field(GIVEN), field(b"nonsense", b"traceparent")],
        [field(b"9" * 8000)],
        [field(GIVEN)] * 50,
    ],
    ids=[
        *(
            "empty",
            "short",
            "capitals",
            "no digit",
            "trace 0",
            "parent 0",
            "parent 0, not sampled",
            "version ff",
            "more in version 00",
        ),
        *("long", "longer flags", "not ASCII", "twice", "two names", "one is nonsense", "8000 digits", "fifty"),
    ],
)
async def test_a_traceparent_that_makes_no_sense_is_ignored(
    fields: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """The review is answered and has a trace of its own. Nothing is logged about it: strangers could fill the log."""
    traced = Traced()
    for _ in range(3):
        assert await traced.ask(*fields) == "200"
    assert traced.parents == ["", "", ""]
    assert caplog.records == []


async def test_a_later_version_may_say_more() -> None:
    """As the standard has it: what is known of it is read."""
    traced = Traced()
    await traced.ask(field(b"01" + GIVEN[2:] + b"-what-comes"))
    await traced.ask(field(b"02" + GIVEN[2:]))
    assert traced.parents == [f"{TRACE}-{PARENT}"] * 2


async def test_another_sampler_may_record_what_kube_apiserver_has_not_sampled() -> None:
    """`always_on`, for example."""
    traced = Traced(sampler=ALWAYS_ON, follows_parent=False)
    for _ in range(2):
        await traced.ask(field(UNSAMPLED))
    assert traced.parents == [f"{TRACE}-{PARENT}"] * 2


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        (b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", {"rojo": "00f067aa0ba902b7", "congo": "t61rcWkgMzE"}),
        (b"", {}),
        (b"=,=,=", {}),
        (b"a=\xff", {}),
        (b",".join(b"k%d=v" % number for number in range(33)), {}),
        (b"k=" + b"v" * 8000, {}),
        (b"k=1,k=2", {}),
    ],
    ids=["good", "none", "nonsense", "not ASCII", "33 members", "8000 bytes", "twice"],
)
async def test_tracestate_is_taken_over_or_ignored(
    state: bytes, kept: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """It is the tracing system's own. The traceparent counts all the same."""
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # as `export` does
    traced = Traced()
    for _ in range(2):
        assert await traced.ask(field(GIVEN), b"tracestate: " + state) == "200"
    assert [dict(each.context.trace_state) for each in traced.spans if each.context] == [kept, kept]
    assert traced.parents == [f"{TRACE}-{PARENT}"] * 2
    assert caplog.records == []


async def test_two_fields_of_tracestate_are_one_list() -> None:
    """As in any header."""
    traced = Traced()
    await traced.ask(field(GIVEN), b"tracestate: a=1", b"tracestate: b=2")
    (span,) = traced.spans
    assert span.context
    assert dict(span.context.trace_state) == {"a": "1", "b": "2"}


async def test_a_span_says_what_was_decided() -> None:
    """Names, outcome and codes. No other part of the pod, and nothing that an annotation holds."""
    warning = message(kinds.TENANT_ID_MISSING, Place("ServiceAccount secret/value"))
    decision = Decision("injected", "injected", warnings=(warning,))
    traced = Traced(Answer(200, b"{}", decision, uid="7", namespace="shop", pod="web-1", account="web", dry_run=True))
    for _ in range(2):
        await traced.ask(field(GIVEN))
    for span in traced.spans:
        assert span.name == "POST /mutate"
        assert span.attributes == {
            "http.request.method": "POST",
            "http.route": "/mutate",
            "url.path": "/mutate",
            "url.scheme": "https",
            "http.response.status_code": 200,
            "m365wi.outcome": "injected",
            "m365wi.reason": "injected",
            "m365wi.dry_run": True,
            "k8s.namespace.name": "shop",
            "m365wi.service_account": "web",
            "m365wi.warnings": (warning.code,),
        }
        assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("answer", "status", "reason", "failed"),
    [
        (Answer(200, b"{}", Decision("denied", "invalid-annotation"), namespace="a"), 200, "invalid-annotation", False),
        (Answer(400, b"not a review\n", BAD_REQUEST), 400, "bad-request", False),
        (Answer(503, b"again\n", LOOKUP_FAILED, retry_after=1, namespace="a"), 503, "lookup-failed", True),
        (Answer(500, b"bug\n", INTERNAL), 500, "internal", True),
    ],
)
async def test_only_our_failures_are_errors(answer: Answer, status: int, reason: str, failed: bool) -> None:
    """As OpenTelemetry has it for servers: a mistake of the client is none of the server."""
    traced = Traced(answer)
    for _ in range(2):
        assert await traced.ask() == str(status)
    for span in traced.spans:
        found = dict(span.attributes or {})
        assert (found["http.response.status_code"], found["m365wi.reason"]) == (status, reason)
        assert found.get("error.type") == (reason if failed else None)
        assert span.status.status_code is (StatusCode.ERROR if failed else StatusCode.UNSET)
    assert len(traced.spans) == 2


async def test_a_bug_has_a_span_too() -> None:
    """With the status that kube-apiserver sees."""
    traced = Traced()
    assert await traced.ask(text="bug") == "500"
    assert dict(traced.spans[0].attributes or {})["error.type"] == "internal"


async def test_refused_requests_have_as_many_spans_as_lines() -> None:
    """50 at once, and then a few each second: a flood of the webhook is not one of the collector."""
    traced = Traced()
    for _ in range(80):
        traced.case = Case(traced.case.application)
        traced.case.connection.data_received(request("x", HEAD.replace(b"POST", b"PUT") + field(GIVEN) + b"\r\n"))
        await asyncio.sleep(0)
    assert len(traced.spans) == len(traced.lines)
    assert 50 <= len(traced.lines) < 80


async def test_hostile_names_are_text_like_any_other() -> None:
    """They stand in the review of whoever reaches the port."""
    traced = Traced(Answer(200, b"{}", ACCOUNT_MISSING, namespace="\x00\n\u202e" * 80, account="é" * 100_000))
    assert await traced.ask() == "200"
    assert len(traced.spans) == 1


async def test_an_error_in_a_span_costs_no_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged."""
    traced = Traced()
    monkeypatch.setattr(type(traced.tracer), "start_span", lambda *_, **__: 1 / 0)
    for _ in range(2):
        assert await traced.ask() == "200"
    assert [record.message for record in caplog.records] == ["a span was lost"] * 2
    assert [line["outcome"] for line in traced.lines] == ["injected"] * 2

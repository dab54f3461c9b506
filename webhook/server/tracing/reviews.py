"""The span of a review, and of each call to kube-apiserver that is made for it.

A review's span is a child of the one that kube-apiserver names in `traceparent` (W3C Trace Context), and the root of a
trace if it names none. The sampler decides whether it is recorded: usually kube-apiserver has decided already.

Whatever a client sends as `traceparent` and `tracestate`: what is malformed or too long counts as missing.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from webhook.cluster.kube import Kube, Reply, Unavailable
from webhook.reviewer import Answer
from webhook.server.spans import Result

_PARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.{0,200})?")
_LONGEST_STATE: Final = 512  # characters, as the standard has it
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16
_NO_STATE: Final = TraceState()
_NO_PARENT: Final = Context()
_LOOK_UP: Final = "/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
_W3C: Final = TraceContextTextMapPropagator()

_current: contextvars.ContextVar[_Review | None] = contextvars.ContextVar("review", default=None)
_log = logging.getLogger("webhook")


class Reviews:
    """Begins the spans of reviews (`webhook.server.spans.ReviewSpans`).

    follows_parent: whether the sampler of `tracer` records nothing that kube-apiserver has not sampled. Then such a
    review needs no span, which would add a fifth to it.
    """

    def __init__(self, tracer: Tracer, *, follows_parent: bool = True) -> None:
        self._tracer = tracer
        self._follows = follows_parent

    def begin(self, target: bytes, traceparent: bytes, tracestate: bytes) -> _Review:
        """A review has begun."""
        found = _parent(traceparent)
        if found and self._follows and not int(found[4], 16) & TraceFlags.SAMPLED:
            return _Unsampled(found, tracestate)
        return _ReviewSpan(self._tracer, target, _context(found, tracestate))


class _Review(ABC):
    """A `webhook.server.spans.ReviewSpan`, which can have children."""

    __slots__ = ()

    async def around(self, work: Awaitable[Result]) -> Result:
        """Await `work` in a task of its own, which knows this span and hands it on to the tasks that it makes."""

        async def awaited() -> Result:
            return await work

        context = contextvars.copy_context()
        context.run(_current.set, self)
        return await asyncio.get_running_loop().create_task(awaited(), context=context)

    @property
    @abstractmethod
    def begun(self) -> bool:
        """Whether it has children."""

    @abstractmethod
    def child(self, name: str, attributes: Mapping[str, Any]) -> Span:
        """A new span under this one."""

    @abstractmethod
    def end(self, outcome: str, reason: str, status: int, answer: Answer | None) -> str:
        """End it. Raises nothing."""


class _Unsampled(_Review):
    """The span of a review that is not recorded; its look-up is not recorded either."""

    __slots__ = ("_found", "_tracestate")

    def __init__(self, found: re.Match[bytes], tracestate: bytes) -> None:
        self._found = found
        self._tracestate = tracestate

    @property
    def begun(self) -> bool:
        """No."""
        return False

    def child(self, name: str, attributes: Mapping[str, Any]) -> Span:
        """What kube-apiserver has sent, to be passed on."""
        return get_current_span(_context(self._found, self._tracestate))

    def end(self, outcome: str, reason: str, status: int, answer: Answer | None) -> str:
        """Nothing."""
        return ""


class _ReviewSpan(_Review):
    """It is made when it ends, or when it gets a child."""

    __slots__ = ("_began", "_parent", "_span", "_target", "_tracer")

    def __init__(self, tracer: Tracer, target: bytes, parent: Context) -> None:
        self._tracer = tracer
        self._target = target
        self._parent = parent
        self._began = time.time_ns()
        self._span: Span | None = None

    @property
    def begun(self) -> bool:
        """Whether it has children."""
        return self._span is not None

    def child(self, name: str, attributes: Mapping[str, Any]) -> Span:
        """A new span under this one."""
        if self._span is None:
            self._span = self._begin({})
        return self._tracer.start_span(
            name, set_span_in_context(self._span, _NO_PARENT), SpanKind.CLIENT, dict(attributes)
        )

    def end(self, outcome: str, reason: str, status: int, answer: Answer | None) -> str:
        """End it. Raises nothing."""
        try:
            attributes: dict[str, Any] = {
                "http.response.status_code": status,
                "m365wi.outcome": outcome,
                "m365wi.reason": reason,
            }
            if status >= 500:
                attributes["error.type"] = reason
            if answer is not None:
                attributes |= _about(answer)
            return self._end(attributes, failed=status >= 500)
        except Exception:  # noqa: BLE001 - the answer is worth more than its trace
            _log.exception("a span was lost")
            return ""

    def _end(self, attributes: dict[str, Any], *, failed: bool) -> str:
        span = self._span
        if span is None:
            span = self._begin(attributes)
        else:
            span.set_attributes(attributes)
        if not span.is_recording():
            return ""
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end()
        context = span.get_span_context()
        return format_trace_id(context.trace_id) if context.trace_flags.sampled else ""

    def _begin(self, attributes: dict[str, Any]) -> Span:
        path = self._target.partition(b"?")[0].decode("latin-1")
        known = {"http.request.method": "POST", "http.route": path, "url.path": path, "url.scheme": "https"}
        return self._tracer.start_span(
            f"POST {path}", self._parent, SpanKind.SERVER, known | attributes, start_time=self._began
        )


class TracedKube(Kube):
    """Kube with a span for each request that is made for a review. kube-apiserver gets its trace context."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        seconds: float,
        body: Any = None,
        kind: str = "json",
        accept: str = "application/json",
        fields: Mapping[str, str] | None = None,
    ) -> Reply:
        """See Kube."""
        review = _current.get()
        if review is None:
            return await super().request(
                method, path, seconds=seconds, body=body, kind=kind, accept=accept, fields=fields
            )
        span = review.child(f"{method} {_LOOK_UP}", self._about(method, path))
        headers: dict[str, str] = dict(fields or {})
        _W3C.inject(headers, set_span_in_context(span, _NO_PARENT))
        try:
            reply = await super().request(
                method, path, seconds=seconds, body=body, kind=kind, accept=accept, fields=headers
            )
            span.set_attribute("http.response.status_code", reply.status)
            if reply.status >= 400:
                span.set_attribute("error.type", str(reply.status))
                span.set_status(Status(StatusCode.ERROR))
            return reply
        except (Unavailable, asyncio.CancelledError) as error:
            span.set_attribute("error.type", type(error.__context__ or error).__name__)
            span.set_status(Status(StatusCode.ERROR, str(error)))
            raise
        finally:
            span.end()

    def _about(self, method: str, path: str) -> dict[str, str | int]:
        server = urlsplit(self.server)
        found: dict[str, str | int] = {
            "http.request.method": method,
            "url.full": self.server + path,
            "url.template": _LOOK_UP,
            "server.address": server.hostname or "",
        }
        return found | ({"server.port": server.port} if server.port else {})


def _about(answer: Answer) -> dict[str, Any]:
    """What the span says of a review that was read: names, and nothing else of the pod or of its ServiceAccount."""
    found: dict[str, Any] = {"m365wi.dry_run": answer.dry_run}
    if answer.namespace:
        found |= {"k8s.namespace.name": answer.namespace, "m365wi.service_account": answer.account}
    if codes := [warning.code for warning in answer.decision.warnings]:
        found["m365wi.warnings"] = codes
    return found


def _parent(traceparent: bytes) -> re.Match[bytes] | None:
    """Version, trace, span, flags and what follows them. None for what makes no sense."""
    found = _PARENT.fullmatch(traceparent) if traceparent else None
    # Version ff is forbidden; version 00 has nothing after the flags.
    if not found or found[1] == b"ff" or (found[5] and found[1] == b"00"):
        return None
    return None if found[2] == _NO_TRACE or found[3] == _NO_SPAN else found


def _context(found: re.Match[bytes] | None, tracestate: bytes) -> Context:
    """The same for OpenTelemetry."""
    if found is None:
        return _NO_PARENT
    state = _NO_STATE
    if 0 < len(tracestate) <= _LONGEST_STATE and tracestate.isascii():
        state = TraceState.from_header([tracestate.decode("ascii")])
    context = SpanContext(int(found[2], 16), int(found[3], 16), True, TraceFlags(int(found[4], 16)), state)
    return set_span_in_context(NonRecordingSpan(context), _NO_PARENT)

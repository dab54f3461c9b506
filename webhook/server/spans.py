"""What the server asks of the traces of its reviews. `webhook.server.tracing` makes them, if they are switched on."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, TypeVar

from webhook.reviewer import Answer
from webhook.server.asgi import Scope
from webhook.server.known_heads import trace_fields

Result = TypeVar("Result")


class ReviewSpan(Protocol):
    """The span of one review."""

    @property
    def begun(self) -> bool:
        """Whether it has children, so that it must not be left out."""

    async def around(self, work: Awaitable[Result]) -> Result:
        """Await `work`, whose calls to kube-apiserver become children."""

    def end(self, outcome: str, reason: str, status: int, answer: Answer | None) -> str:
        """The review is answered. Returns the id of its trace if that is exported, else "".

        answer: None if its body was not read. Raises nothing.
        """


class ReviewSpans(Protocol):
    """Begins the spans of reviews."""

    def begin(self, target: bytes, traceparent: bytes, tracestate: bytes) -> ReviewSpan:
        """A review has begun. target: of the request. traceparent, tracestate: as the client sent them, or b""."""


def begin(spans: ReviewSpans | None, scope: Scope) -> ReviewSpan | None:
    """The span of a request, if spans are made. More than one traceparent counts as none."""
    if spans is None:
        return None
    traceparents, tracestate = trace_fields(scope["headers"])
    return spans.begin(scope["path"].encode("latin-1"), traceparents[0] if len(traceparents) == 1 else b"", tracestate)

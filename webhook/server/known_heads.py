"""Heads of requests that have come before, so that they need not be parsed again.

kube-apiserver sends the same few heads all the time: they differ in the length of the body, which is the same for all
pods of a Deployment. What a head says depends on nothing but its bytes, so what was found once is true for the next.

A kube-apiserver that traces its own work adds a field `Traceparent` with another value each time. A head is known
without that line, which changes nothing about how the request is read.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol, runtime_checkable

from webhook.server.asgi import Headers, Scope, Send
from webhook.server.request_parser import EMPTY_LINE, RequestParser

MOST_KNOWN: Final = 128  # one for each length of a body; if there are more, the oldest is forgotten
_LONGEST: Final = 2048  # bytes; kube-apiserver's have 300. All that are known take a megabyte at most
# As Go writes it. The line after it stands for itself: httptools refuses one that continues another.
_TRACEPARENT: Final = re.compile(rb"\r\nTraceparent: ([0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})(?=\r\n)")

Later = Callable[[Send], Awaitable[None]]
"""What is left to do for an answer, with ASGI's `send`."""


@runtime_checkable
class AtOnce(Protocol):
    """An application that can answer a complete request without `scope`, `receive` and `send`."""

    def allowed(self, scope: Scope) -> float | None:
        """Seconds that a request with this head may take. None if it is refused because of its head."""

    def at_once(self, body: bytes, head: KnownHead, traceparent: bytes) -> bytes | Later | None:
        """An answer of status 200: its headers but the date, and its body. Or what is left to do for another answer.

        head: what `allowed` was asked about. traceparent: of this request, b"" without one; that in `head` is another
        request's. None if the request has to be served as ASGI has it, after all; then nothing has been done.
        """


class KnownHead(NamedTuple):
    """What a head says. request: a parser that has read it. seconds: what the application allows.

    tracestate: of the same head, b"" without one.
    """

    request: RequestParser
    length: int
    seconds: float
    tracestate: bytes = b""


class KnownHeads:
    """The heads that `application` has been sent by any client, and that it does not refuse."""

    def __init__(self, application: AtOnce) -> None:
        self.at_once = application.at_once
        self._allowed = application.allowed
        self._known: dict[bytes, KnownHead] = {}  # the oldest first

    def find(self, data: bytes) -> tuple[KnownHead, bytes, bytes] | None:
        """The head, the body and the traceparent if `data` is one complete request, and its head is known."""
        end = data.find(EMPTY_LINE, 0, _LONGEST) + 4
        head, traceparent = self._known.get(data[:end]), b""
        if head is None:
            rest, traceparent = _without_traceparent(data[:end])
            head = self._known.get(rest)
        if head is None or len(data) - end != head.length:
            return None
        return head, data[end:], traceparent

    def learn(self, data: bytes, request: RequestParser, scope: Scope) -> None:
        """Know the head of `request` from now on, if `data` is all of it. The application has been asked already."""
        end = data.find(EMPTY_LINE, 0, _LONGEST) + 4
        if end != request.head_bytes or not request.repeatable:
            return
        known = data[:end]
        traceparents, tracestate = trace_fields(request.headers)
        if traceparents:
            # With several, or one that is written in another way, the head would be known with it, and never found.
            known = _without_traceparent(known)[0] if len(traceparents) == 1 else b""
        seconds = self._allowed(scope) if known else None
        if seconds is None:
            return
        if len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[known] = KnownHead(request, len(data) - end, seconds, tracestate)


def trace_fields(headers: Headers) -> tuple[list[bytes], bytes]:
    """Every traceparent, and the tracestate: fields of that name together."""
    states = [value for name, value in headers if name == b"tracestate"]
    return [value for name, value in headers if name == b"traceparent"], b",".join(states)


def _without_traceparent(head: bytes) -> tuple[bytes, bytes]:
    """`head` without the line, and the value in it. b"" twice if it has none."""
    found = _TRACEPARENT.search(head)
    return (head[: found.start()] + head[found.end() :], found[1]) if found else (b"", b"")

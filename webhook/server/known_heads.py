"""Heads of requests that have come before, so that they need not be parsed again.

kube-apiserver sends the same few heads all the time: they differ in the length of the body, which is the same for all
pods of a Deployment. What a head says depends on nothing but its bytes, so what was found once is true for the next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol, runtime_checkable

from webhook.server.asgi import Scope, Send
from webhook.server.request_parser import EMPTY_LINE, RequestParser

MOST_KNOWN: Final = 128  # one for each length of a body; if there are more, the oldest is forgotten
_LONGEST: Final = 2048  # bytes; kube-apiserver's have 300. All that are known take a megabyte at most

Later = Callable[[Send], Awaitable[None]]
"""What is left to do for an answer, with ASGI's `send`."""


@runtime_checkable
class AtOnce(Protocol):
    """An application that can answer a complete request without `scope`, `receive` and `send`."""

    def allowed(self, scope: Scope) -> float | None:
        """Seconds that a request with this head may take. None if it is refused because of its head."""

    def at_once(self, body: bytes, seconds: float) -> bytes | Later | None:
        """An answer of status 200: its headers but the date, and its body. Or what is left to do for another answer.

        None if the request has to be served as ASGI has it, after all; then nothing has been done.
        """


class KnownHead(NamedTuple):
    """What a head says. request: a parser that has read it. seconds: what the application allows."""

    request: RequestParser
    length: int
    seconds: float


class KnownHeads:
    """The heads that `application` has been sent by any client, and that it does not refuse."""

    def __init__(self, application: AtOnce) -> None:
        self.at_once = application.at_once
        self._allowed = application.allowed
        self._known: dict[bytes, KnownHead] = {}  # the oldest first

    def find(self, data: bytes) -> tuple[KnownHead, bytes] | None:
        """The head and the body if `data` is one complete request, and its head is known."""
        end = data.find(EMPTY_LINE, 0, _LONGEST) + 4
        head = self._known.get(data[:end])
        if head is None or len(data) - end != head.length:
            return None
        return head, data[end:]

    def learn(self, data: bytes, request: RequestParser, scope: Scope) -> None:
        """Know the head of `request` from now on, if `data` is all of it. The application has been asked already."""
        end = data.find(EMPTY_LINE, 0, _LONGEST) + 4
        if end != request.head_bytes or not request.repeatable:
            return
        seconds = self._allowed(scope)
        if seconds is None:
            return
        if len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[data[:end]] = KnownHead(request, len(data) - end, seconds)

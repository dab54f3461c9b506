"""One HTTP request and its answer, as an ASGI application has them: `scope`, `receive` and `send`.

The application is called as soon as the head of a request is complete, and gets the body in pieces as they arrive.
An answer without a Content-Length ends with its connection.

    the request    ARRIVING -> ARRIVED -> TAKEN        by finish(), then receive() of the last piece
    the answer     EXPECTED -> STARTED -> SENT -> OVER    by send(): of the start, of a first piece, of the last piece

abandon() makes the answer OVER from any state. An answer that is STARTED before the request has ARRIVED ends its
connection, because the rest of the body would be taken for the next request.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from email.utils import formatdate
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, Protocol

from webhook.server.asgi import CLOSE, Message, Scope
from webhook.server.request_parser import RequestParser

_MAX_WAITING: Final = 256 * 1024  # bytes of a body that the application has not taken; one read of uvloop's
_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_OK: Final = _STATUS_LINES[200]
_DISCONNECT: Final[Message] = {"type": "http.disconnect"}


class ExchangeTransport(Protocol):
    """The connection, as far as an exchange needs it."""

    def write(self, data: bytes) -> None:
        """Send `data`. Does nothing after the end of the connection."""

    def hold(self, *, reading: bool) -> None:
        """Stop reading from the client, or go on."""

    async def drained(self) -> None:
        """Wait until the client has read most of what was sent."""

    def answered(self, exchange: Exchange, *, close: bool) -> None:
        """The answer is complete. With `close` it was the last one."""

    @property
    def ending(self) -> bool:
        """Whether the connection ends after this answer."""


class _Request(Enum):
    ARRIVING = "the body is not complete"
    ARRIVED = "the body is complete, and the application has not taken all of it"
    TAKEN = "the application has all of it"


class _Answer(Enum):
    EXPECTED = "the application has said nothing"
    STARTED = "the head is made; it is sent together with the first piece of the body"
    SENT = "the head and perhaps more has been sent"
    OVER = "complete, or the client has gone or got another answer"


# A look-up in an Enum takes 0.1 µs in Python 3.11, and a request needs ten.
_ARRIVING, _ARRIVED, _TAKEN = _Request
_EXPECTED, _STARTED, _SENT, _OVER = _Answer


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "_answer",
        "_bodiless",
        "_closes",
        "_expects",
        "_head",
        "_held",
        "_pieces",
        "_request",
        "_transport",
        "_waiter",
        "_waiting",
        "scope",
    )

    def __init__(self, transport: ExchangeTransport, request: RequestParser, addresses: dict[str, Any]) -> None:
        """request: with a complete head. addresses: the members of the scope that belong to the connection."""
        path, _, query = request.target.partition(b"?")
        self.scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": request.version,
            "method": request.method,
            # As it was sent: none of our paths has an escape, so a path with one is not ours.
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": request.headers,
            **addresses,
        }
        self._transport = transport
        self._request = _ARRIVING
        self._answer = _EXPECTED
        self._closes = not request.keep_alive
        self._bodiless = request.method == "HEAD"
        self._expects = request.expects_continue
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._held = False
        self._waiter: asyncio.Future[None] | None = None
        self._head = b""

    @property
    def begun(self) -> bool:
        """Whether something of the answer has been sent."""
        return self._answer is _SENT

    def feed(self, piece: bytes) -> None:
        """A piece of the body has arrived."""
        self._expects = False
        self._pieces.append(piece)
        self._waiting += len(piece)
        if self._waiting > _MAX_WAITING and not self._held:
            self._held = True
            self._transport.hold(reading=False)
        self._wake()

    def finish(self) -> None:
        """The request has arrived."""
        self._request = _ARRIVED
        self._wake()

    def abandon(self) -> None:
        """The client disconnected or got another answer (408, 431). What the application still sends is dropped."""
        self._answer = _OVER
        self._wake()

    async def receive(self) -> Message:
        """ASGI's: the next piece of the body, or that the client has gone."""
        while self._answer is not _OVER:
            if self._pieces:
                return self._take()
            if self._request is _ARRIVED:
                self._request = _TAKEN
                return {"type": "http.request", "body": b"", "more_body": False}
            if self._expects:
                self._expects = False
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return _DISCONNECT

    def _take(self) -> Message:
        piece = self._pieces.popleft()
        self._waiting -= len(piece)
        if self._held and self._waiting <= _MAX_WAITING:
            self._held = False
            self._transport.hold(reading=True)
        if not self._pieces and self._request is _ARRIVED:
            self._request = _TAKEN
        return {"type": "http.request", "body": piece, "more_body": self._request is not _TAKEN}

    async def send(self, message: Message) -> None:
        """ASGI's: a part of the answer. Raises RuntimeError when it is out of turn."""
        if self._answer is _OVER:
            return
        if message["type"] == "http.response.start":
            if self._answer is not _EXPECTED:
                raise RuntimeError("the answer has begun already")
            self._head = self._start(message["status"], message["headers"])
            self._answer = _STARTED
            return
        body = b"" if self._bodiless else message.get("body", b"")
        if self._answer is _STARTED:
            self._answer = _SENT
            self._transport.write(self._head + body)
        elif self._answer is _EXPECTED:
            raise RuntimeError("the answer has not begun yet")
        elif body:
            self._transport.write(body)
        if message.get("more_body", False):
            await self._transport.drained()
        else:
            self._answer = _OVER
            self._transport.answered(self, close=self._closes)

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        parts = [_STATUS_LINES[status], date()]
        framed = False
        self._expects = False
        self._closes = self._closes or self._request is _ARRIVING or self._transport.ending
        for header in headers:
            if header == CLOSE:
                self._closes = True
                continue
            framed = framed or header[0] == b"content-length"
            parts.append(b"%b: %b\r\n" % header)
        self._closes = self._closes or not framed
        parts.append(b"connection: close\r\n\r\n" if self._closes else b"\r\n")
        return b"".join(parts)

    def _wake(self) -> None:
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
            self._waiter = None


def refusal(status: int, text: str) -> bytes:
    """A complete answer of one line of text that ends its connection."""
    body = f"{text}\n".encode("ascii", "backslashreplace")
    head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    return _STATUS_LINES[status] + date() + head + body


def success(rest: bytes) -> bytes:
    """A complete answer of status 200. rest: its headers but the date, and its body."""
    return _OK + date() + rest


def date() -> bytes:
    """The Date header, now."""
    return _date(int(time.time()))


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return b"date: %s\r\n" % formatdate(second, usegmt=True).encode()

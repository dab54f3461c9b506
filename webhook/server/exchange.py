"""One HTTP request and its answer, as an ASGI application has them: `scope`, `receive` and `send`.

The application is called as soon as the head of a request is there, and gets the body in the pieces in which it comes.
An answer needs a Content-Length; one without it ends with its connection.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, Protocol

from gunicorn_h1c import H1CProtocol

from webhook.server.application import CLOSE, Message, Scope

_MAX_WAITING: Final = 256 * 1024  # bytes that the application has not taken, until no more are read
_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_DISCONNECT: Final[Message] = {"type": "http.disconnect"}


class Carrier(Protocol):
    """The connection, as far as an exchange needs it."""

    def write(self, data: bytes) -> None:
        """Send `data`; nothing happens once the connection has gone."""

    def hold(self, *, reading: bool) -> None:
        """Stop reading from the client, or go on."""

    async def drained(self) -> None:
        """Wait until the client has read most of what it was sent."""

    def answered(self, exchange: Exchange, *, close: bool) -> None:
        """The answer is complete, and with `close` it was the last one."""

    @property
    def ending(self) -> bool:
        """Whether the connection is to end after this answer."""


class Exchange:
    """One request and its answer.

    chunked: whether the body comes in chunks. whole: all of the request is here. begun: something of the answer has
    been sent.
    """

    __slots__ = (
        "_bodiless",
        "_carrier",
        "_closes",
        "_ended",
        "_expects",
        "_gone",
        "_head",
        "_held",
        "_pieces",
        "_waiter",
        "_waiting",
        "begun",
        "chunked",
        "scope",
        "whole",
    )

    def __init__(self, carrier: Carrier, parser: H1CProtocol, addresses: dict[str, Any]) -> None:
        """`parser` has just read a head; `addresses` are members of the scope that are the connection's own.

        Raises ValueError for a body that cannot be framed.
        """
        version = parser.http_version
        headers = parser.asgi_headers
        self._expects = False
        for name, value in headers:
            if name == b"expect":
                self._expects = version != (1, 0) and value.lower() == b"100-continue"
            elif name == b"transfer-encoding" and not parser.is_chunked:
                # gunicorn_h1c before 0.6.14 takes the body for an empty one.
                raise ValueError("Transfer-Encoding does not end with chunked")
        target = parser.path
        path, _, query = target.partition(b"?")
        self.scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.0" if version == (1, 0) else "1.1",
            "method": parser.method.decode("latin-1"),
            # As it was sent: none of our paths has an escape, so one that has is not ours.
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            **addresses,
        }
        self.chunked: bool = parser.is_chunked
        self.whole = False
        self.begun = False
        self._carrier = carrier
        self._closes = not parser.should_keep_alive
        self._bodiless = parser.method == b"HEAD"
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._held = False
        self._ended = False
        self._gone = False
        self._waiter: asyncio.Future[None] | None = None
        self._head: bytes | None = None

    def feed(self, piece: bytes) -> None:
        """A piece of the body has come."""
        self._expects = False
        self._pieces.append(piece)
        self._waiting += len(piece)
        if self._waiting > _MAX_WAITING and not self._held:
            self._held = True
            self._carrier.hold(reading=False)
        self._wake()

    def finish(self) -> None:
        """The request is all there."""
        self.whole = True
        self._wake()

    def abandon(self) -> None:
        """The client has gone, or has had another answer: the application hears of it, and nobody hears from it."""
        self._gone = True
        self._wake()

    async def receive(self) -> Message:
        """ASGI's: the next piece of the body, or that the client has gone."""
        while not self._gone:
            if self._pieces:
                piece = self._pieces.popleft()
                self._waiting -= len(piece)
                if self._held and self._waiting <= _MAX_WAITING:
                    self._held = False
                    self._carrier.hold(reading=True)
                self._ended = self.whole and not self._pieces
                return {"type": "http.request", "body": piece, "more_body": not self._ended}
            if self.whole and not self._ended:
                self._ended = True
                return {"type": "http.request", "body": b"", "more_body": False}
            if self._expects:
                self._expects = False
                self._carrier.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return _DISCONNECT

    async def send(self, message: Message) -> None:
        """ASGI's: a part of the answer. Raises RuntimeError when it is out of turn."""
        if self._gone:
            return
        if message["type"] == "http.response.start":
            if self.begun or self._head is not None:
                raise RuntimeError("the answer has begun already")
            self._head = self._start(message["status"], message["headers"])
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._head is not None:
            head, self._head, self.begun = self._head, None, True
            self._carrier.write(head if self._bodiless else head + body)
        elif not self.begun:
            raise RuntimeError("the answer has not begun yet")
        elif not self._bodiless:
            self._carrier.write(body)
        if more:
            await self._carrier.drained()
        else:
            self._gone = True
            self._carrier.answered(self, close=self._closes)

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        parts = [_STATUS_LINES[status], date()]
        framed = False
        self._expects = False
        # A body that is still on its way would be taken for the next request.
        self._closes = self._closes or not self.whole or self._carrier.ending
        for header in headers:
            if header == CLOSE:
                self._closes = True
                continue
            name, value = header
            framed = framed or name == b"content-length"
            parts += (name, b": ", value, b"\r\n")
        self._closes = self._closes or not framed
        parts.append(b"connection: close\r\n\r\n" if self._closes else b"\r\n")
        return b"".join(parts)

    def _wake(self) -> None:
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
            self._waiter = None


def refusal(status: int, text: str) -> bytes:
    """A whole answer of one line of text that ends its connection."""
    body = f"{text}\n".encode("ascii", "backslashreplace")
    head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    return _STATUS_LINES[status] + date() + head + body


def date() -> bytes:
    """The Date header of now."""
    return _date(int(time.time()))


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return b"date: %s\r\n" % formatdate(second, usegmt=True).encode()

"""Many different requests over kept TLS connections: what bombardier cannot do, which posts one body.

One process of Python makes 3,000 to 8,000 requests a second, so it is for what the content of requests changes, and for
ratios of two measurements with it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import statistics
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import uvloop

__all__ = ["Posted", "post_all", "request"]

HEAD_END = b"\r\n\r\n"


@dataclass
class Posted:
    """What came of requests. latencies: in ms, in the order of the answers. statuses: how many answers of each."""

    latencies: array[float] = field(default_factory=lambda: array("f"))
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    @property
    def p50(self) -> float:
        """The median latency in ms."""
        return statistics.median(self.latencies)

    @property
    def p99(self) -> float:
        """The latency in ms that one answer of a hundred exceeds."""
        return statistics.quantiles(self.latencies, n=100)[98]


def request(path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """A POST as bytes."""
    fields = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in (fields | dict(headers or {})).items()]
    return "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode() + body


def post_all(port: int, context: ssl.SSLContext, requests: Iterable[bytes], *, connections: int) -> Posted:
    """Sends every request, on `connections` of which each waits for its answer. Raises OSError if one is closed."""
    return uvloop.run(_post_all(port, context, iter(requests), connections))


async def _post_all(port: int, context: ssl.SSLContext, requests: Iterator[bytes], connections: int) -> Posted:
    loop, posted = asyncio.get_running_loop(), Posted()
    clients = [_Client(requests, posted, loop.create_future()) for _ in range(connections)]
    began = time.perf_counter()
    for client in clients:
        plain = socket.create_connection(("127.0.0.1", port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setblocking(False)
        await loop.create_connection(partial(_same, client), sock=plain, ssl=context, server_hostname="localhost")
    await asyncio.gather(*(client.done for client in clients))
    posted.seconds = time.perf_counter() - began
    await asyncio.gather(*(client.closed.wait() for client in clients))
    return posted


def _same(client: _Client) -> _Client:
    return client


class _Client(asyncio.Protocol):
    """One connection, which sends the next request as soon as it has an answer."""

    def __init__(self, requests: Iterator[bytes], posted: Posted, done: asyncio.Future[None]) -> None:
        self.done = done
        self.closed = asyncio.Event()
        self._requests, self._posted = requests, posted
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it
        self._next()

    def data_received(self, data: bytes) -> None:
        """A part of an answer, or all of it."""
        self._received += data
        head_length = self._received.find(HEAD_END)
        if head_length < 0:
            return
        head = bytes(self._received[:head_length]).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self._received) < head_length + len(HEAD_END) + length:
            return
        self._posted.latencies.append((time.perf_counter() - self._sent) * 1000)
        self._posted.statuses[int(head[9:12])] += 1
        self._received.clear()
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by us or by the server."""
        self.closed.set()
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the server closed a connection"))

    def _next(self) -> None:
        assert self._transport is not None
        following = next(self._requests, None)
        if following is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(following)

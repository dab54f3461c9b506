"""Connections: who is let in, for how long, and how many at a time.

gunicorn's ASGIProtocol parses HTTP and calls the application. What it lacks against clients whom nobody invited (any
pod of a cluster can open a connection) stands here:

    TLS handshake                           `Limits.handshake` seconds, then the connection is dropped
    head and body of a request, together    `Limits.request` seconds from its first byte, then 408
    a connection that never says anything   `Limits.request` seconds
    an answer that the client does not read `Limits.request` seconds
    between two requests                    `Limits.keep_alive` seconds
    head of a request                       `_MAX_HEAD` bytes, then 431
    connections                             `Limits.connections`: the one that has waited longest makes room for a new
                                            one, those without a whole request first; if all are at work, the new one
                                            has to go

Each is counted in m365wi_connections_refused_total, and none is logged above debug level: it is the client's fault.

gunicorn_h1c 0.6.10 moves the rest of its buffer once for each chunk of a chunked body: a quarter of a megabyte of
chunks of one byte, fed at once, costs a second of this process, fed in slices 20 ms. (gunicorn asks for 0.6.14, which
PyPI does not have. What else it says older versions lack it checks itself, in `CallbackRequest.from_parser`.)
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from gunicorn.asgi.protocol import ASGIProtocol

from webhook.metrics import Metrics
from webhook.server import CLOSE

_MAX_HEAD: Final = 32 * 1024
_SLICE: Final = 16 * 1024
_SHUTDOWN_SECONDS: Final = 2.0  # for a client to take the rest of an answer and to say good-bye in TLS
_ACCEPTED_AT_ONCE: Final = 64
_RECEIVE_BUFFER: Final = 32 * 1024
_BREATHER_SECONDS: Final = 0.1
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log = logging.getLogger("webhook")

# gunicorn notes what the parser can do on the class that asks first, and looks for it on this one.
ASGIProtocol._check_h1c_protocol_available()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may ask of us: seconds, and connections at a time."""

    handshake: float = 10.0
    request: float = 10.0
    # Above the 90 s after which Go closes an idle connection itself: the race over one is then never ours to lose.
    keep_alive: float = 120.0
    connections: int = 512


class Ledger:
    """All connections of a listener, by what they do. In each group the one that has waited longest comes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.receiving: dict[Connection, None] = {}
        """No whole request yet: in the handshake, silent, or on the way."""
        self.idle: dict[Connection, None] = {}
        """Between two requests."""
        self.busy: dict[Connection, None] = {}
        """At work on a request that is all there."""

    def __len__(self) -> int:
        return len(self.receiving) + len(self.idle) + len(self.busy)

    def make_room(self) -> bool:
        """Whether one more connection may come; one that waits may have had to go for it."""
        if len(self) >= self._limit:
            waiting = next(iter(self.receiving), None) or next(iter(self.idle), None)
            if waiting is None:
                return False
            waiting.end()
        return True

    def move(self, connection: Connection, to: dict[Connection, None]) -> None:
        """`connection` is in the group `to` from now on, as its newest."""
        self.remove(connection)
        connection.group = to
        to[connection] = None

    def remove(self, connection: Connection) -> None:
        """`connection` has gone."""
        if connection.group is not None:
            connection.group.pop(connection, None)
            connection.group = None


class Connection(ASGIProtocol):  # type: ignore[misc]  # gunicorn has no types
    """One connection; see the module's docstring for what it adds to gunicorn's."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener.worker)
        self.app = listener.application
        self.opening: asyncio.Task[None] | None = None
        self.group: dict[Connection, None] | None = None
        self._limits = listener.limits
        self._metrics = listener.metrics
        self._ledger = listener.ledger
        self._keepalive = listener.limits.keep_alive
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._answering = False

    def connection_made(self, transport: Any) -> None:
        """The connection is open, TLS and all."""
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection has gone."""
        self._ledger.remove(self)
        self._disarm()
        self._resume_clock()
        if self.transport is None:  # it never got as far as connection_made
            return
        super().connection_lost(exc)
        if self._awaiting_request:
            # gunicorn would leave the task waiting for another request, and all it holds, for some seconds.
            self._request_ready.set()

    def end(self) -> None:
        """Close the connection without an answer, wherever it is."""
        idle = self.group is self._ledger.idle
        self._ledger.remove(self)
        if self.transport is None:
            if self.opening is not None:
                self.opening.cancel()
        elif idle:
            self._give_up()
        else:
            self.transport.abort()

    def _feed_callback_parser(self, data: bytes) -> bool:
        """Give `data` to the parser; whether the connection goes on."""
        if len(data) <= _SLICE:
            return self._feed(data)
        view, position = memoryview(data), 0
        while position < len(view):
            # A body with a length is not scanned, so the rest of it can go in one piece.
            framed = self._request_ready.is_set() and not self._current_request.chunked
            step = len(view) - position if framed else _SLICE
            if not self._feed(view[position : position + step]):
                return False
            position += step
        return True

    def _feed(self, data: bytes | memoryview) -> bool:
        if not super()._feed_callback_parser(data):
            self._metrics.refused("malformed")
            self._disarm()
            return False
        if self._callback_parser.is_complete:
            self._disarm()
            if self.group is not self._ledger.busy:
                self._ledger.move(self, self._ledger.busy)
            return True
        if self._deadline is None:  # a request begins
            self._answering = False
            self._arm()
            self._ledger.move(self, self._ledger.receiving)
        if not self._request_ready.is_set():
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD:
                self._metrics.refused("malformed")
                self._give_up(431, f"the head of a request may have {_MAX_HEAD} bytes\n")
                return False
        return True

    def _on_headers_complete(self) -> bool:
        self._head_bytes = 0
        self._answering = False
        return bool(super()._on_headers_complete())

    def _arm_keepalive_timer(self) -> None:
        super()._arm_keepalive_timer()
        if self._deadline is None:  # else the next request is already on its way
            self._ledger.move(self, self._ledger.idle)

    def _send_response_start(self, status: int, headers: Any, request: Any, close: bool = False) -> None:  # noqa: FBT001, FBT002 - gunicorn's signature
        self._answering = True
        if CLOSE in headers:
            self._keepalive = 0  # gunicorn repeats the application's Connection header but does not act on it
        super()._send_response_start(status, headers, request, close)

    def _is_websocket_upgrade(self, request: Any) -> bool:
        return False  # an ordinary GET, then

    def _close_transport(self) -> None:
        transport = self.transport
        super()._close_transport()
        if transport is not None and transport.get_write_buffer_size():
            # A transport that closes still waits, for ever, until the client has read everything.
            self.worker.loop.call_later(_SHUTDOWN_SECONDS, transport.abort)

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        if self._write_deadline is None:
            self._write_deadline = self.worker.loop.call_later(self._limits.request, self._unread)

    def resume_writing(self) -> None:
        """It does again."""
        self._resume_clock()
        super().resume_writing()

    def _resume_clock(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None

    def _unread(self) -> None:
        self._metrics.refused("timeout")
        self.transport.abort()

    def _arm(self) -> None:
        self._deadline = self.worker.loop.call_later(self._limits.request, self._too_slow)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        self._metrics.refused("timeout")
        silent = not self._head_bytes and not self._request_ready.is_set()
        if silent or self._answering:
            self._give_up()
        else:
            self._give_up(408, "the request took too long to arrive\n")

    def _give_up(self, status: int = 0, text: str = "") -> None:
        """Close the connection, with an answer if there is a status; the application sees its client leave."""
        self._disarm()
        if status:
            self._send_error_response(status, text)
        self._close_transport()
        if self._body_receiver is not None:
            self._body_receiver.signal_disconnect()
        self._request_ready.set()


class Listener:
    """Accepts the connections of one socket and sees them through their handshake.

    It accepts by itself and not through loop.create_server(), because only so it can count, limit and end connections
    that are still in the handshake, and learn why a handshake failed.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        worker: Any,
        application: Callable[..., Awaitable[None]],
        metrics: Metrics,
        limits: Limits,
        context: ssl.SSLContext | None,
    ) -> None:
        self.worker = worker
        self.application = application
        self.metrics = metrics
        self.limits = limits
        self.ledger = Ledger(limits.connections)
        self._socket = sock
        self._context = context
        self._loop: asyncio.AbstractEventLoop = worker.loop
        self._breather: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept from now on."""
        self._breather = None
        # What connections are accepted with. Left alone, the kernel keeps up to 6 MB for each, and uvloop reads up to
        # 256 KiB at once into memory that the connection then has: 500 that sent 200 KiB held 150 MB, now 75 MB.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def stop(self) -> None:
        """Accept no more, and close the socket. Open connections stay open."""
        if self._breather is not None:
            self._breather.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                # The socket stays readable, so without a pause this would spin; whoever waits is accepted then.
                _log.warning("no connection can be accepted just now: %s", error.strerror)
                self._loop.remove_reader(self._socket.fileno())
                self._breather = self._loop.call_later(_BREATHER_SECONDS, self.start)
                return
            if not self.ledger.make_room():
                self.metrics.refused("connections")
                sock.close()
                continue
            sock.setblocking(False)
            connection = Connection(self)
            self.ledger.move(connection, self.ledger.receiving)
            connection.opening = self._loop.create_task(self._open(sock, connection))
            # Not in _open(), because a task that is ended before its first step never takes any.
            connection.opening.add_done_callback(partial(self._opened, sock, connection))

    async def _open(self, sock: socket.socket, connection: Connection) -> None:
        tls: dict[str, Any] = {}
        if self._context is not None:
            tls = {"ssl_handshake_timeout": self.limits.handshake, "ssl_shutdown_timeout": _SHUTDOWN_SECONDS}
        try:
            await self._loop.connect_accepted_socket(lambda: connection, sock, ssl=self._context, **tls)
        except OSError as error:  # ssl.SSLError is one too
            slow = isinstance(error, (TimeoutError, ConnectionAbortedError))
            self.metrics.refused("handshake-timeout" if slow else "handshake")
            _log.debug("handshake: %s", error)

    def _opened(self, sock: socket.socket, connection: Connection, _: asyncio.Task[None]) -> None:
        connection.opening = None
        if connection.transport is None:
            self.ledger.remove(connection)
            sock.close()

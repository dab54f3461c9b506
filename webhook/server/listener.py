"""Accepts connections, counts them and does their TLS handshake; then `webhook.server.connection` takes over."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from functools import partial
from typing import Any, Final

from webhook.metrics import Metrics
from webhook.server.asgi import ASGIApplication
from webhook.server.callers import Callers
from webhook.server.connection import Connection
from webhook.server.known_heads import AtOnce, KnownHeads
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Limits
from webhook.server.open_connections import OpenConnections
from webhook.server.shared import Shared

_ACCEPTED_AT_ONCE: Final = 8  # then what these have sent is read, before the next take their places
_RECEIVE_BUFFER: Final = 16 * 1024
_SEND_BUFFER: Final = 32 * 1024  # an answer has 4 KB; the kernel doubles it, which carries 60 MB/s over 1 ms
_PAUSE_SECONDS: Final = 0.1  # for some of 512 connections to end
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log = logging.getLogger("webhook")


class Listener:
    """Accepts the connections of one socket and does their handshake.

    It does not use loop.create_server(), which hides connections in the handshake: they could not be counted, limited
    or ended, and the reason of a failed handshake would be unknown.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        loop: asyncio.AbstractEventLoop,
        application: ASGIApplication,
        lifecycle: Lifecycle,
        metrics: Metrics,
        limits: Limits,
        context: ssl.SSLContext | None,
        callers: Callers | None = None,
    ) -> None:
        self.connections = OpenConnections(loop, limits)
        self._shared = Shared(
            loop=loop,
            application=application,
            lifecycle=lifecycle,
            metrics=metrics,
            limits=limits,
            connections=self.connections,
            callers=callers,
            needs_no_task=getattr(application, "needs_no_task", False),
            known=KnownHeads(application) if isinstance(application, AtOnce) else None,
        )
        if callers is not None:
            callers.at_renewal(self.connections.renew)
        self._socket = sock
        self._context = context
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to accept."""
        self._pause = None
        # Accepted connections inherit it. The default keeps up to 6 MB for each, and uvloop reads up to 256 KiB
        # at once into memory that the connection keeps: 500 that sent 200 KiB held 150 MB, now 75 MB.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        # Of answers that are not read the kernel keeps up to 4 MB for each connection: 475 MB for 505 of them.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._shared.loop.add_reader(self._socket.fileno(), self._accept)

    def stop(self) -> None:
        """Stop to accept, and close the socket. Open connections stay open."""
        if self._pause is not None:
            self._pause.cancel()
        self._shared.loop.remove_reader(self._socket.fileno())
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
                # The socket stays readable, so without a pause this would run in a circle.
                _log.warning("connections cannot be accepted at the moment: %s", error.strerror)
                self._shared.loop.remove_reader(self._socket.fileno())
                self._pause = self._shared.loop.call_later(_PAUSE_SECONDS, self.start)
                return
            if not self.connections.make_room():
                self._shared.metrics.refused("connections")
                sock.close()
                continue
            sock.setblocking(False)
            connection = Connection(self._shared)
            connection.move(self.connections.opening)
            connection.opening = self._shared.loop.create_task(self._open(sock, connection))
            # Not in _open(), because a task that is cancelled before its first step never runs.
            connection.opening.add_done_callback(partial(self._opened, sock, connection))

    async def _open(self, sock: socket.socket, connection: Connection) -> None:
        tls: dict[str, Any] = {}
        if self._context is not None:
            limits = self._shared.limits
            tls = {"ssl_handshake_timeout": limits.handshake, "ssl_shutdown_timeout": limits.shutdown}
        try:
            await self._shared.loop.connect_accepted_socket(lambda: connection, sock, ssl=self._context, **tls)
        except OSError as error:  # ssl.SSLError is one too
            slow = isinstance(error, (TimeoutError, ConnectionAbortedError))
            self._shared.metrics.refused("handshake-timeout" if slow else "handshake")
            _log.debug("handshake: %s", error)

    def _opened(self, sock: socket.socket, connection: Connection, _: asyncio.Task[None]) -> None:
        connection.opening = None
        if connection.transport is None:
            connection.move(None)
            sock.close()

"""Accepts connections, counts them and sees them through their TLS handshake, up to `webhook.server.connection`."""

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
from webhook.server.connection import Connection, Shared
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Limits
from webhook.server.open_connections import OpenConnections

_ACCEPTED_AT_ONCE: Final = 64
_RECEIVE_BUFFER: Final = 32 * 1024
_BREATHER_SECONDS: Final = 0.1
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log = logging.getLogger("webhook")


class Listener:
    """Accepts the connections of one socket and sees them through their handshake.

    It accepts by itself and not through loop.create_server(), because only so it can count, limit and end connections
    that are still in the handshake, and learn why a handshake failed.
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
    ) -> None:
        self.connections = OpenConnections(loop, limits)
        self._shared = Shared(
            loop=loop,
            application=application,
            lifecycle=lifecycle,
            metrics=metrics,
            limits=limits,
            connections=self.connections,
        )
        self._socket = sock
        self._context = context
        self._breather: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept from now on."""
        self._breather = None
        # What connections are accepted with. Left alone, the kernel keeps up to 6 MB for each, and uvloop reads up to
        # 256 KiB at once into memory that the connection then has: 500 that sent 200 KiB held 150 MB, now 75 MB.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._shared.loop.add_reader(self._socket.fileno(), self._accept)

    def stop(self) -> None:
        """Accept no more, and close the socket. Open connections stay open."""
        if self._breather is not None:
            self._breather.cancel()
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
                # The socket stays readable, so without a pause this would spin; whoever waits is accepted then.
                _log.warning("no connection can be accepted just now: %s", error.strerror)
                self._shared.loop.remove_reader(self._socket.fileno())
                self._breather = self._shared.loop.call_later(_BREATHER_SECONDS, self.start)
                return
            if not self.connections.make_room():
                self._shared.metrics.refused("connections")
                sock.close()
                continue
            sock.setblocking(False)
            connection = Connection(self._shared)
            connection.move(self.connections.opening)
            connection.opening = self._shared.loop.create_task(self._open(sock, connection))
            # Not in _open(), because a task that is ended before its first step never takes any.
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

"""What happens in a worker from its first listener to its last connection.

The end, from SIGTERM on:

    at once          /readyz says 503, and every answer comes with `Connection: close`
    for Drain.pause  everything is served as before, new connections too: kube-apiserver still sends to this address
                     until it has learned otherwise
    then             no new connections; reviews under way have Drain.finish seconds to end; idle connections are not
                     waited for, but are served for as long as there is anything to wait for
    at last          every connection is closed and the background work ends (certificates, ServiceAccounts)

SIGINT and SIGQUIT skip the pause and finish no review.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from webhook.server.background import Background
from webhook.server.limits import OPERATIONS_CONNECTIONS, Limits
from webhook.server.listener import Listener
from webhook.server.worker_parts import BACKGROUND_ENDS_SECONDS, CannotStart, Drain, WorkerParts, freeze

if TYPE_CHECKING:
    from webhook.server.asgi import ASGIApplication

_LOOK_SECONDS: Final = 0.02  # between two looks whether reviews are under way
_FIRST_REQUEST_SECONDS: Final = 1.0  # for a connection that was just accepted to send its request

_log = logging.getLogger("webhook")


class WorkerLife:
    """Serves the parts of a worker until its end. sockets: of reviews and of operations, already listening."""

    def __init__(
        self,
        parts: WorkerParts,
        *,
        loop: asyncio.AbstractEventLoop,
        sockets: tuple[socket.socket, socket.socket],
        limits: Limits,
        drain: Drain,
    ) -> None:
        self._parts = parts
        self._loop = loop
        self._sockets = sockets
        self._limits = limits
        self._drain_times = drain
        self._background = Background(parts.background)
        self._ending = asyncio.Event()
        self._at_once = asyncio.Event()

    def end(self, *, at_once: bool = False) -> None:
        """Begin the end: an orderly one, or one without pause and without waiting for reviews."""
        self._parts.lifecycle.draining = True
        self._ending.set()
        if at_once:
            self._at_once.set()

    async def serve(self, *, each_second: Callable[[], None]) -> None:
        """Serve until the end, and call `each_second`. Raises CannotStart."""
        self._loop.set_exception_handler(_on_loop_error)
        heartbeat = self._loop.create_task(_beat(each_second))
        try:
            await self._serve()
        finally:
            heartbeat.cancel()

    async def _serve(self) -> None:
        operations = self._listener(1, self._parts.operations, None)
        operations.start()  # first, so that a slow start is not taken for a stuck process
        addresses = {"listen": _address(self._sockets[0]), "ops_listen": _address(self._sockets[1])}
        _log.info("listening", extra=addresses)
        try:
            if await self._start():
                reviews = self._listener(0, self._parts.reviews, self._context())
                freeze()  # otherwise a collection now and then visits half a million objects while reviews wait
                reviews.start()
                _log.info("ready", extra=addresses)
                await self._ending.wait()
                await self._drain(reviews)
                self._parts.lifecycle.stopped = True
                await self._background.stop(seconds=BACKGROUND_ENDS_SECONDS)
        finally:
            operations.stop()
            operations.connections.end()

    async def _start(self) -> bool:
        """Start the background work. Returns False if the end began before that. Raises CannotStart."""
        starting = self._loop.create_task(self._background.start())
        ending = self._loop.create_task(self._ending.wait())
        await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not starting.done():
            starting.cancel()
            return False
        if error := starting.exception():
            _log.error("the webhook cannot start", exc_info=error)
            raise CannotStart
        self._parts.lifecycle.started = True
        return True

    async def _drain(self, reviews: Listener) -> None:
        _log.info("draining")
        await self._wait(self._drain_times.pause)
        reviews.stop()
        states = reviews.connections
        deadline = self._loop.time() + self._drain_times.finish
        patience = self._loop.time() + min(self._drain_times.finish, _FIRST_REQUEST_SECONDS)
        under_way = (states.busy.since, states.closing.since)
        arriving = (states.opening.since, states.receiving.since)
        while self._loop.time() < deadline and (any(under_way) or (any(arriving) and self._loop.time() < patience)):
            if await self._wait(_LOOK_SECONDS):
                break
        if states.busy.since:
            _log.warning("%d reviews were not finished", len(states.busy.since))
        states.end()

    async def _wait(self, seconds: float) -> bool:
        """Wait `seconds`, or until the end must come at once. Returns whether it must."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._at_once.wait(), seconds)
        return self._at_once.is_set()

    def _context(self) -> ssl.SSLContext:
        """The TLS context to listen with. Raises CannotStart."""
        try:
            context = self._parts.context()
            if context.minimum_version not in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                raise ValueError("the TLS context allows versions before 1.2")
        except Exception:  # noqa: BLE001 - whatever it is, the process ends with a reason
            _log.exception("the webhook cannot start")
            raise CannotStart from None
        return context

    def _listener(self, number: int, application: ASGIApplication, context: ssl.SSLContext | None) -> Listener:
        limits = self._limits
        if context is None:
            limits = replace(limits, connections=OPERATIONS_CONNECTIONS, oldest_leaves=True)
        return Listener(
            self._sockets[number],
            loop=self._loop,
            application=application,
            lifecycle=self._parts.lifecycle,
            metrics=self._parts.metrics,
            limits=limits,
            context=context,
            callers=None if context is None else self._parts.callers,
        )


async def _beat(each_second: Callable[[], None]) -> None:
    while True:
        each_second()
        await asyncio.sleep(1.0)


def _on_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what no task caught. A broken connection is its client's doing, so it is for debugging."""
    error = context.get("exception")
    level = logging.DEBUG if isinstance(error, OSError) and "transport" in context else logging.ERROR
    _log.log(level, "%s", context["message"], exc_info=error)


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

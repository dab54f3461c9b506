"""The process: one gunicorn worker that serves reviews over TLS and, on another port, the operations application.

gunicorn's parent process opens the two sockets, starts the worker, starts it again when it dies (SIGKILL, out of
memory) or when its event loop has stood still for `_STUCK_SECONDS`, and passes SIGTERM on. In a container it is PID 1
and reaps what is orphaned. One worker, because one process has one cache, one certificate and one set of metrics: more
is done by replicas.

The end, from SIGTERM on:

    at once          /readyz says 503, and every answer comes with `Connection: close`
    for Drain.pause  everything is served as before, new connections too: kube-apiserver still sends to this address
                     until it has heard otherwise
    then             no new connection; reviews under way have Drain.finish seconds to end; nobody waits for idle
                     connections, but they are served for as long as there is anything to wait for
    at last          every connection is closed and the services end (certificates, ServiceAccounts)

SIGINT and SIGQUIT skip the pause and finish no review.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.asgi.lifespan import LifespanManager
from gunicorn.glogging import Logger
from gunicorn.workers.gasgi import ASGIWorker

from webhook.server.limits import Limits

if TYPE_CHECKING:  # in the parent; the worker loads them when it has parted
    from webhook.metrics import Metrics
    from webhook.server.asgi import ASGIApplication
    from webhook.server.lifecycle import Lifecycle
    from webhook.server.listener import Listener

_STUCK_SECONDS: Final = 15
_SERVICES_END_SECONDS: Final = 2.0
_OPERATIONS_CONNECTIONS: Final = 64
_OTHER_FILES: Final = 128  # sockets to the API server, the log, libraries that are loaded late
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - a file there costs no disk, and a root file system may be read-only

_log = logging.getLogger("webhook")


@dataclass(frozen=True, kw_only=True)
class Drain:
    """How the process ends after SIGTERM, in seconds: pause while everything goes on, then finish what is under way."""

    pause: float = 3.0
    finish: float = 5.0


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a worker serves. It is made in the worker, so it may have threads, tasks and an event loop's objects.

    reviews, operations: ASGI callables; lifespan events go to reviews. context: asked once, when the services have
    started; new certificates reach new connections through its sni_callback.
    """

    reviews: ASGIApplication
    operations: ASGIApplication
    context: Callable[[], ssl.SSLContext]
    lifecycle: Lifecycle
    metrics: Metrics


def run(
    make_service: Callable[[], Service],
    *,
    listen: str,
    ops_listen: str,
    limits: Limits | None = None,
    drain: Drain | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; ends in SystemExit, with 0 after either.

    listen, ops_listen: ADDRESS:PORT, IPv6 in brackets, port 0 for any; the addresses are logged. Logging is to be set
    up before (`webhook.logs.configure`).
    """
    limits = _within_open_files(limits or Limits())
    _freeze()  # what the collector does not visit stays shared between parent and worker
    _Gunicorn(make_service, (listen, ops_listen), limits, drain or Drain()).run()


def _freeze() -> None:
    """Tell the garbage collector to leave alone what is there by now: imported code, which never becomes garbage."""
    gc.collect()
    gc.freeze()


def _within_open_files(limits: Limits) -> Limits:
    """`limits` with no more connections than this process may have files open, having raised that as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    others = _OPERATIONS_CONNECTIONS + _OTHER_FILES
    wanted = limits.connections + others
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < wanted:
            _log.warning("only %d files may be open, so there will be at most %d connections", soft, soft - others)
            return replace(limits, connections=max(soft - others, 1))
    return limits


class _Gunicorn(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn, configured from here and from nowhere else: no command line, no file, no environment."""

    def __init__(
        self, make_service: Callable[[], Service], bind: tuple[str, str], limits: Limits, drain: Drain
    ) -> None:
        self.make_service = make_service
        self.bind = bind
        self.limits = limits
        self.drain = drain
        super().__init__()

    def load_config(self) -> None:
        """Every setting whose default is not ours, or could come from the environment."""
        settings: dict[str, Any] = {
            "bind": list(self.bind),
            "workers": 1,
            "worker_class": Worker,
            "worker_connections": self.limits.connections,
            "worker_tmp_dir": _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None,
            "timeout": _STUCK_SECONDS,
            "graceful_timeout": round(self.drain.pause + self.drain.finish + _SERVICES_END_SECONDS + 1),
            "asgi_loop": "uvloop",
            "asgi_lifespan": "on",
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
            "logger_class": _Messages,
            "accesslog": None,
            "proc_name": "m365-webhook",
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Service:
        """Called in the worker."""
        return self.make_service()


class _Messages(Logger):  # type: ignore[misc]
    """gunicorn's messages, into the log of this process. What it says at info level is for debugging gunicorn."""

    def setup(self, cfg: Any) -> None:
        """Hand everything on to the root logger."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log `msg` at debug level."""
        self.error_log.debug(msg, *args, **kwargs)


class Worker(ASGIWorker):  # type: ignore[misc]
    """gunicorn's asgi worker with our connections, two applications and another end."""

    service: Service
    listeners: tuple[Listener, ...] = ()

    def load_wsgi(self) -> None:
        """Make what is served, in the worker and after its event loop."""
        try:
            self.service = self.app.load()
        except Exception:  # noqa: BLE001 - gunicorn would print it beside the log
            _log.exception("the webhook cannot start")
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None
        self.asgi = self.service.reviews

    def _setup_event_loop(self) -> None:
        super()._setup_event_loop()
        self._ending = asyncio.Event()
        self._hurry = asyncio.Event()
        self.loop.set_exception_handler(_on_loop_error)

    def handle_exit_signal(self) -> None:
        """SIGTERM: an orderly end."""
        self.service.lifecycle.draining = True
        self.alive = False
        self._ending.set()

    def handle_quit_signal(self) -> None:
        """SIGINT or SIGQUIT: an end at once."""
        super().handle_quit_signal()
        self.handle_exit_signal()
        self._hurry.set()

    async def _serve(self) -> None:
        heartbeat = self.loop.create_task(self._beat())
        operations = self._listener(1, self.service.operations, None)
        operations.start()  # before all else: a start that takes long is no reason to be restarted
        addresses = {"listen": self._address(0), "ops_listen": self._address(1)}
        _log.info("listening", extra=addresses)
        try:
            lifespan = await self._start()
            if lifespan is not None:
                reviews = self._listener(0, self.service.reviews, self._context())
                _freeze()  # else a collection now and then walks through half a million objects while reviews wait
                reviews.start()
                _log.info("ready", extra=addresses)
                await self._ending.wait()
                await self._drain(reviews)
                await self._end(lifespan)
        finally:
            operations.stop()
            operations.connections.end()
            heartbeat.cancel()

    async def _start(self) -> LifespanManager | None:
        """Start the services; None when the process is to end before they have. Raises SystemExit when they cannot."""
        lifespan = LifespanManager(self.asgi, self.log, self.state)
        starting = self.loop.create_task(lifespan.startup())
        ending = self.loop.create_task(self._ending.wait())
        await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not starting.done():
            starting.cancel()
            return None
        if error := starting.exception():
            _log.error("%s", error)
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR)
        return lifespan

    async def _drain(self, reviews: Listener) -> None:
        _log.info("draining")
        await self._unless_in_a_hurry(self.app.drain.pause)
        reviews.stop()
        connections = reviews.connections
        deadline = self.loop.time() + self.app.drain.finish
        # A connection that was just accepted has not sent its request yet; one that is slow at it never might.
        patience = self.loop.time() + min(self.app.drain.finish, 1.0)
        at_work = (connections.busy.since, connections.closing.since)
        coming = (connections.opening.since, connections.receiving.since)
        while self.loop.time() < deadline and (any(at_work) or (any(coming) and self.loop.time() < patience)):
            if await self._unless_in_a_hurry(0.02):
                break
        if connections.busy.since:
            _log.warning("%d reviews were not finished", len(connections.busy.since))
        connections.end()

    async def _end(self, lifespan: LifespanManager) -> None:
        try:
            async with asyncio.timeout(_SERVICES_END_SECONDS):
                await lifespan.shutdown()
        except TimeoutError:
            _log.warning("the services did not end in time")

    async def _unless_in_a_hurry(self, seconds: float) -> bool:
        """Wait `seconds`, or less when told to hurry; whether so."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)
        return self._hurry.is_set()

    async def _beat(self) -> None:
        """Tell the parent that the event loop turns, and end when there is no parent any more."""
        while True:
            self.notify()
            if self.ppid != os.getppid():
                self.handle_exit_signal()
            await asyncio.sleep(1.0)

    def _context(self) -> ssl.SSLContext:
        """What to listen with. Raises SystemExit when there is none that will do."""
        try:
            context = self.service.context()
            if context.minimum_version not in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                raise ValueError("the TLS context allows versions before 1.2")
        except Exception:  # noqa: BLE001 - gunicorn would take it for a crash and start another worker, for ever
            _log.exception("the webhook cannot start")
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None
        return context

    def _listener(self, number: int, application: Any, context: ssl.SSLContext | None) -> Listener:
        from webhook.server.listener import Listener

        limits = self.app.limits
        if context is None:
            limits = replace(limits, connections=_OPERATIONS_CONNECTIONS)
        return Listener(
            self.sockets[number].sock,
            loop=self.loop,
            application=application,
            lifecycle=self.service.lifecycle,
            metrics=self.service.metrics,
            limits=limits,
            context=context,
        )

    def _address(self, number: int) -> str:
        host, port = self.sockets[number].sock.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What no task caught. A connection that broke is its client's doing, and no news."""
    error = context.get("exception")
    level = logging.DEBUG if isinstance(error, OSError) and "transport" in context else logging.ERROR
    _log.log(level, "%s", context["message"], exc_info=error)

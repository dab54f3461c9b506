"""All that is changed of gunicorn, and nothing else: its settings, its log and its asgi worker.

The worker's methods and attributes are not a public interface of gunicorn; `tests/server/test_gunicorn_overrides.py`
says by name what an upgrade has moved.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.gasgi import ASGIWorker

from webhook.server.limits import Limits
from webhook.server.process import Drain, WorkerParts
from webhook.server.worker_life import BACKGROUND_ENDS_SECONDS, CannotStart, WorkerLife

_STUCK_SECONDS: Final = 15  # longer than a review may take, so that only a loop that stands still is replaced
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - a file there costs no disk, and a root file system may be read-only

_log = logging.getLogger("webhook")


class Gunicorn(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn, configured here only: not by a command line, a file or the environment."""

    def __init__(
        self, make_parts: Callable[[], WorkerParts], bind: tuple[str, str], limits: Limits, drain: Drain
    ) -> None:
        self.make_parts = make_parts
        self.bind = bind
        self.limits = limits
        self.drain = drain
        super().__init__()

    def load_config(self) -> None:
        """Every setting whose default is not ours, or that the environment could change."""
        settings: dict[str, Any] = {
            "bind": list(self.bind),
            "workers": 1,
            "worker_class": Worker,
            "worker_connections": self.limits.connections,
            "worker_tmp_dir": _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None,
            "timeout": _STUCK_SECONDS,
            "graceful_timeout": round(self.drain.pause + self.drain.finish + BACKGROUND_ENDS_SECONDS + 1),
            "asgi_loop": "uvloop",
            "asgi_lifespan": "off",
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
            "logger_class": Messages,
            "accesslog": None,
            "proc_name": "m365-webhook",
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> WorkerParts:
        """Called in the worker."""
        return self.make_parts()


class Messages(Logger):  # type: ignore[misc]
    """gunicorn's messages, in the log of this process. What it logs at info level is for debugging gunicorn."""

    def setup(self, cfg: Any) -> None:
        """Pass everything on to the root logger."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log `msg` at debug level."""
        self.error_log.debug(msg, *args, **kwargs)


class Worker(ASGIWorker):  # type: ignore[misc]
    """gunicorn's asgi worker, with our connections, two applications and another end."""

    life: WorkerLife

    def load_wsgi(self) -> None:
        """Make what is served, in the worker and after its event loop."""
        try:
            parts = self.app.load()
        except Exception:  # noqa: BLE001 - gunicorn would print it in addition to the log
            _log.exception("the webhook cannot start")
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None
        sockets = (self.sockets[0].sock, self.sockets[1].sock)
        self.life = WorkerLife(parts, loop=self.loop, sockets=sockets, limits=self.app.limits, drain=self.app.drain)

    def _setup_event_loop(self) -> None:
        super()._setup_event_loop()
        self.loop.set_exception_handler(_on_loop_error)

    def handle_exit_signal(self) -> None:
        """SIGTERM: an orderly end."""
        self.alive = False
        self.life.end()

    def handle_quit_signal(self) -> None:
        """SIGINT or SIGQUIT: an end at once."""
        super().handle_quit_signal()
        self.alive = False
        self.life.end(at_once=True)

    async def _serve(self) -> None:
        heartbeat = self.loop.create_task(self._beat())
        try:
            await self.life.serve()
        except CannotStart:  # with any other exit code gunicorn would start another worker, again and again
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None
        finally:
            heartbeat.cancel()

    async def _beat(self) -> None:
        """Tell the parent once a second that the event loop turns, and end if the parent has gone."""
        while True:
            self.notify()
            if self.ppid != os.getppid():
                self.handle_exit_signal()
            await asyncio.sleep(1.0)


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what no task caught. A broken connection is its client's doing, so it is for debugging."""
    error = context.get("exception")
    level = logging.DEBUG if isinstance(error, OSError) and "transport" in context else logging.ERROR
    _log.log(level, "%s", context["message"], exc_info=error)

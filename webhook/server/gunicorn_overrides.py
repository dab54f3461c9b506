"""All that is changed of gunicorn, and nothing else: its settings, its log and its worker.

The worker's methods and attributes are not a public interface of gunicorn; `tests/server/test_gunicorn_overrides.py`
says by name what an upgrade has moved.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker as BaseWorker

from webhook.server.limits import Limits
from webhook.server.worker_parts import BACKGROUND_ENDS_SECONDS, CannotStart, Drain, WorkerParts

if TYPE_CHECKING:
    import asyncio

    from webhook.server.worker_life import WorkerLife

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


class Worker(BaseWorker):  # type: ignore[misc]
    """A worker of gunicorn that serves two applications on an event loop of uvloop.

    It imports what it needs after the fork. A page of memory that both processes have is there twice as soon as one of
    them writes to it, and a reference count is written at each use; what only the worker has loaded is there once.
    """

    runner: asyncio.Runner
    life: WorkerLife

    def init_process(self) -> None:
        """Called after the fork; returns when the worker ends."""
        import asyncio

        import uvloop

        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        super().init_process()

    def init_signals(self) -> None:
        """Receive signals on the event loop, once it turns."""
        handlers: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: self.end,
            signal.SIGINT: self.end_at_once,
            signal.SIGQUIT: self.end_at_once,
            signal.SIGABRT: self.end_at_once,  # for a loop that stands still; a second later gunicorn sends SIGKILL
            signal.SIGUSR1: lambda: None,  # asks to open log files again
        }
        for each in self.SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        for each, handler in handlers.items():
            self.runner.get_loop().add_signal_handler(each, handler)

    def load_wsgi(self) -> None:
        """Make what is served, in the worker and after its event loop."""
        from webhook.server.worker_life import WorkerLife

        try:
            parts = self.app.load()
        except Exception:  # noqa: BLE001 - gunicorn would print it in addition to the log
            _log.exception("the webhook cannot start")
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None
        sockets = (self.sockets[0].sock, self.sockets[1].sock)
        app, loop = self.app, self.runner.get_loop()
        self.life = WorkerLife(parts, loop=loop, sockets=sockets, limits=app.limits, drain=app.drain)

    def run(self) -> None:
        """Serve until the end."""
        try:
            with self.runner:
                self.runner.run(self.life.serve(each_second=self.tell_parent))
        except CannotStart:  # with any other exit code gunicorn would start another worker, again and again
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None

    def tell_parent(self) -> None:
        """Tell the parent that the event loop turns, and end if the parent has gone."""
        self.notify()
        if self.ppid != os.getppid():
            self.end()

    def end(self) -> None:
        """Begin an orderly end."""
        self.alive = False
        self.life.end()

    def end_at_once(self) -> None:
        """Begin an end without pause, which finishes no review."""
        self.alive = False
        self.life.end(at_once=True)

"""The process: one gunicorn worker that serves reviews over TLS and, on another port, the operations application.

gunicorn's parent process opens the two sockets and starts the worker. It starts another when the worker dies (SIGKILL,
out of memory) or when its event loop has stood still for 15 s, and it passes SIGTERM on. In a container it is PID 1 and
reaps orphaned processes. There is one worker, because one process has one cache, one certificate and one set of
metrics; for more throughput there are replicas.

What gunicorn does is changed in `webhook.server.gunicorn_overrides`, what happens in the worker from start to end is in
`webhook.server.worker_life`.
"""

from __future__ import annotations

import gc
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from webhook.server.limits import Limits
from webhook.server.open_files import within_open_files

if TYPE_CHECKING:
    from webhook.metrics import Metrics
    from webhook.server.asgi import ASGIApplication
    from webhook.server.callers import Callers
    from webhook.server.lifecycle import Lifecycle

BACKGROUND_ENDS_SECONDS: Final = 2.0  # to close a few connections to the API server


class CannotStart(Exception):
    """The worker cannot start. The reason has been logged."""


@dataclass(frozen=True, kw_only=True)
class Drain:
    """How the process ends after SIGTERM, in seconds: `pause` while everything goes on, then `finish` for reviews.

    pause: until every kube-apiserver and kube-proxy has learned that this address is no longer ready, which takes them
    about a second. finish: most of the 10 s that a review may take; kube-apiserver repeats what is cut off.
    """

    pause: float = 3.0
    finish: float = 5.0


@dataclass(frozen=True, kw_only=True)
class WorkerParts:
    """What a worker serves. It is made in the worker, so it may have threads, tasks and an event loop's objects.

    reviews, operations: ASGI applications. background: entered one after the other before reviews are served, and left
    in reverse at the end; if one cannot be entered, the process ends. context: called once, when the background has
    started; new certificates reach new connections through its sni_callback. callers: who may ask for reviews; None for
    everybody.
    """

    reviews: ASGIApplication
    operations: ASGIApplication
    background: Sequence[AbstractAsyncContextManager[object]]
    context: Callable[[], ssl.SSLContext]
    lifecycle: Lifecycle
    metrics: Metrics
    callers: Callers | None = None


def run(
    make_parts: Callable[[], WorkerParts],
    *,
    listen: str,
    ops_listen: str,
    limits: Limits | None = None,
    drain: Drain | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. Ends with SystemExit, with 0 after either.

    listen, ops_listen: ADDRESS:PORT, IPv6 in brackets, port 0 for any; the addresses are logged. Logging must be set up
    before (`webhook.logs.configure`).
    """
    from webhook.server.gunicorn_overrides import Gunicorn

    limits = within_open_files(limits or Limits())
    freeze()  # what the collector does not visit stays shared between parent and worker
    Gunicorn(make_parts, (listen, ops_listen), limits, drain or Drain()).run()


def freeze() -> None:
    """Let the garbage collector ignore all objects that exist now: imported code, which never becomes garbage."""
    gc.collect()
    gc.freeze()

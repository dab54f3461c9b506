"""What the process and its worker hand to each other: what is served, how it ends, and how a start fails."""

from __future__ import annotations

import gc
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

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


def freeze() -> None:
    """Let the garbage collector ignore all objects that exist now: imported code, which never becomes garbage."""
    gc.collect()
    gc.freeze()

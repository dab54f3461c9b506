"""What the connections of a listener have in common."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from webhook.metrics import Metrics
from webhook.server.asgi import ASGIApplication
from webhook.server.callers import Callers
from webhook.server.known_heads import KnownHeads
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Limits
from webhook.server.open_connections import OpenConnections


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What a connection needs from outside.

    needs_no_task: whether the application waits for nothing before it has yielded once. known: heads that need not be
    parsed again, if the application can do without.
    """

    loop: asyncio.AbstractEventLoop
    application: ASGIApplication
    lifecycle: Lifecycle
    metrics: Metrics
    limits: Limits
    connections: OpenConnections
    callers: Callers | None = None
    needs_no_task: bool = False
    known: KnownHeads | None = None

"""What each connection of a listener is doing, and since when: which is overdue, and which makes room for a new one."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

from webhook.server.limits import Limits


class OpenConnection(Protocol):
    """A connection, as far as OpenConnections needs it. state: where it is listed."""

    state: Waiting | None

    def renew(self) -> None:
        """Have the client connect again, after the answer under way if there is one."""

    def too_slow(self) -> None:
        """A request, or its first byte, has not arrived in time."""

    def close(self) -> None:
        """Close the connection as soon as everything that was written has been sent."""

    def abort(self) -> None:
        """Close the connection at once. What has not been sent is dropped."""

    def end(self) -> None:
        """Close the connection without an answer, in any state."""


class Waiting:
    """The connections in one state, each with the time since when. The one that has waited longest is first.

    seconds: how long a connection may stay; then it is removed and `overdue` is called with it. One timer serves all of
    them: a timer for each request would cost 2 µs of it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float = math.inf,
        overdue: Callable[[OpenConnection], None] = lambda connection: None,
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._overdue = overdue
        self._timer: asyncio.TimerHandle | None = None
        self.since: dict[OpenConnection, float] = {}

    def add(self, connection: OpenConnection) -> None:
        """`connection` is in this state from now on."""
        now = self._loop.time()
        self.since[connection] = now
        if self._timer is None and self._seconds < math.inf:
            self._timer = self._loop.call_at(now + self._seconds, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        for connection, since in list(self.since.items()):
            if since + self._seconds > self._loop.time():
                self._timer = self._loop.call_at(since + self._seconds, self._sweep)
                return
            if self.since.pop(connection, None) is not None:
                self._overdue(connection)


class OpenConnections:
    """All connections of a listener, by state; the table in `webhook.server.connection` says what leads where."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        self._limit = limits.connections
        self._oldest_leaves = limits.oldest_leaves
        self.opening = Waiting(loop)
        """In the TLS handshake, which has its own time limit."""
        self.receiving = Waiting(loop, limits.request, lambda connection: connection.too_slow())
        """Without a complete request: silent, or in the middle of one."""
        self.busy = Waiting(loop)
        """With a complete request whose answer is under way."""
        self.idle = Waiting(loop, limits.keep_alive, lambda connection: connection.close())
        """Between two requests."""
        self.closing = Waiting(loop, limits.shutdown, lambda connection: connection.abort())
        """After the last answer."""
        self.states = (self.opening, self.receiving, self.busy, self.idle, self.closing)

    def make_room(self) -> bool:
        """Whether there is room for one more connection. Ends one that waits if that is needed."""
        if sum(len(state.since) for state in self.states) < self._limit:
            return True
        waiting = self.opening.since | self.receiving.since
        if self._oldest_leaves:
            waiting |= self.busy.since | self.idle.since | self.closing.since
        if waiting:
            min(waiting, key=waiting.__getitem__).end()
            return True
        for state in (self.closing, self.idle):
            if state.since:
                next(iter(state.since)).end()
                return True
        return False

    def renew(self) -> None:
        """Have every client connect again."""
        for state in self.states:
            for connection in list(state.since):
                connection.renew()

    def end(self) -> None:
        """End every connection, in any state."""
        for state in self.states:
            for connection in list(state.since):
                connection.end()

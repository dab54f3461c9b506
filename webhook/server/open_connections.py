"""What every connection of a listener is doing, and since when: who has waited too long, and who makes room."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

from webhook.server.limits import Limits


class Member(Protocol):
    """A connection, as far as the ledger needs it. group: where it is entered."""

    group: Group | None

    def too_slow(self) -> None:
        """A request, or the first byte of one, has not come in time."""

    def close(self) -> None:
        """Close the connection once everything that was written has been sent."""

    def abort(self) -> None:
        """Close the connection with whatever is still to be sent."""

    def end(self) -> None:
        """Close the connection without an answer, wherever it is."""


class Group:
    """The connections in one state, with the time since when; the one that has been there longest comes first.

    seconds: how long one may be in it; then it is taken out, and `overdue` is called with it. One timer serves them
    all, so that a request costs none.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float = math.inf,
        overdue: Callable[[Member], None] = lambda member: None,
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._overdue = overdue
        self._timer: asyncio.TimerHandle | None = None
        self.since: dict[Member, float] = {}

    def add(self, connection: Member) -> None:
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
            del self.since[connection]
            connection.group = None
            self._overdue(connection)


class Ledger:
    """All connections of a listener, by what they do."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        self._limit = limits.connections
        self.opening = Group(loop)
        """In the TLS handshake, which has its own limit of time."""
        self.receiving = Group(loop, limits.request, lambda member: member.too_slow())
        """No whole request yet: silent, or on the way."""
        self.busy = Group(loop)
        """At work on a request that is all there."""
        self.idle = Group(loop, limits.keep_alive, lambda member: member.close())
        """Between two requests."""
        self.closing = Group(loop, limits.shutdown, lambda member: member.abort())
        """The last answer has been given."""
        self.groups = (self.opening, self.receiving, self.busy, self.idle, self.closing)

    def make_room(self) -> bool:
        """Whether one more connection may come; one that waits may have had to go for it."""
        if sum(len(group.since) for group in self.groups) < self._limit:
            return True
        waiting = self.opening.since | self.receiving.since
        if waiting:
            min(waiting, key=waiting.__getitem__).end()
            return True
        for group in (self.closing, self.idle):
            if group.since:
                next(iter(group.since)).end()
                return True
        return False

    def end(self) -> None:
        """Every connection, wherever it is."""
        for group in self.groups:
            for connection in list(group.since):
                connection.end()

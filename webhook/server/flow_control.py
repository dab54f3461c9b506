"""Whether a client reads what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class FlowControl:
    """Says when a client has read enough for more to be written, and when it has not read for too long.

    seconds: how long a client may leave an answer unread; then `overdue` is called, once.
    """

    __slots__ = ("_drained", "_loop", "_overdue", "_seconds", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, overdue: Callable[[], None]) -> None:
        self._loop = loop
        self._seconds = seconds
        self._overdue = overdue
        self._timer: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[None] | None = None

    def pause(self) -> None:
        """The transport holds as much unread data as it should."""
        if self._drained is None:
            self._drained = self._loop.create_future()
            self._timer = self._loop.call_later(self._seconds, self._overdue)

    def resume(self) -> None:
        """The client has read most of it, or the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None

    async def drained(self) -> None:
        """Wait until more may be written."""
        if self._drained is not None:
            await asyncio.shield(self._drained)

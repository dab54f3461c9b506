"""Whether a client reads what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

_EACH_PAUSE_SECONDS: Final = 1 / 16  # for a piece of 64 KiB: 1 MiB/s, and kube-apiserver reads a hundred times as fast


class FlowControl:
    """Says when a client has read enough for more to be written, and when it has not read an answer for too long.

    seconds: how long a client may leave an answer unread, all its pauses together, and in addition 1/16 s for each
    piece of 64 KiB that it has read.
    """

    __slots__ = ("_deadline", "_drained", "_loop", "_seconds", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._deadline: float | None = None  # of the answer under way
        self._timer: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[None] | None = None

    @property
    def paused(self) -> bool:
        """Whether the transport holds as much unread data as it should."""
        return self._drained is not None

    def pause(self, overdue: Callable[[], None]) -> None:
        """The transport holds as much unread data as it should. overdue: called once if the time passes.

        It is kept only while the transport pauses. If not, a connection would refer to itself, and Python would keep it
        and its 300 KB of TLS until it collects garbage, which is seldom.
        """
        if self._drained is None:
            self._drained = self._loop.create_future()
            if self._deadline is None:
                self._deadline = self._loop.time() + self._seconds
            else:
                self._deadline += _EACH_PAUSE_SECONDS
            self._timer = self._loop.call_at(self._deadline, overdue)

    def resume(self) -> None:
        """The client has read most of it, or the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None

    def answered(self) -> None:
        """The answer is complete: the next one has a limit of its own."""
        self._deadline = None

    async def drained(self) -> None:
        """Wait until more may be written."""
        if self._drained is not None:
            await asyncio.shield(self._drained)

"""Time and chance, passed in so that a test can be years long and still take a millisecond."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["ApiClock", "Chance", "Clock", "SystemClock", "system_chance"]


class Clock(Protocol):
    """The wall clock, by which certificates are judged, and a monotonic clock that cannot be set."""

    def now(self) -> datetime:
        """The time, aware and in UTC. It may be wrong, and jump."""
        ...

    def ticks(self) -> float:
        """Seconds since some moment, those of a suspend included. Setting the wall clock does not change it."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait. Callers ask for a minute at most and then read `now` again: clocks jump, machines are suspended."""
        ...

    def limit(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Raises TimeoutError out of an `async with` that takes longer."""
        ...


class Chance(Protocol):
    """Jitter only; keys and serial numbers come from the operating system."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...


_WHOLE_SECOND = timedelta(seconds=1)
_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # the second stands still in a suspend


class SystemClock:
    """The machine's own clock: everything here that depends on time asks this one."""

    def now(self) -> datetime:
        """See `Clock`."""
        return datetime.now(UTC)

    def ticks(self) -> float:
        """See `Clock`."""
        return time.clock_gettime(_BOOT)

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        await asyncio.sleep(seconds)

    def limit(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """See `Clock`."""
        return asyncio.timeout(seconds)


class ApiClock:
    """The API server's time, by which kube-apiserver judges certificates; so they are judged and dated by it here, too.

    Each answer tells the time in whole seconds, at some moment between the request and the answer. Between those bounds
    the wall clock decides. From then on `ticks` count, so that setting the wall clock changes nothing even while the
    API server is away. Before the first answer the wall clock is all that is known.
    """

    def __init__(self, clock: Clock, *, skew: timedelta) -> None:
        self._clock, self._skew = clock, skew
        self._answer: tuple[datetime, float, float] | None = None

    def learn(self, date: datetime | None, *, requested_at: float) -> None:
        """An API server answered with `date`, at some moment between `requested_at`, in `ticks`, and now.

        None, for an answer without a date, changes nothing.
        """
        if date is not None:
            self._answer = date, requested_at, self.ticks()

    def now(self) -> datetime:
        """See `Clock`."""
        wall = self._clock.now()
        if self._answer is None:
            return wall
        (date, requested_at, answered_at), ticks = self._answer, self.ticks()
        latest = date + _WHOLE_SECOND + timedelta(seconds=ticks - requested_at)
        return max(date + timedelta(seconds=ticks - answered_at), min(wall, latest))

    def wall_clock_offset(self) -> timedelta:
        """How far the wall clock is ahead of that; negative if it is behind, 0 if it differs by at most `skew`."""
        offset = self._clock.now() - self.now()
        return offset if abs(offset) > self._skew else timedelta(0)

    def ticks(self) -> float:
        """See `Clock`."""
        return self._clock.ticks()

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        await self._clock.sleep(seconds)

    def limit(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """See `Clock`."""
        return self._clock.limit(seconds)


def system_chance() -> Chance:
    """A generator of its own, so that a call of `random.seed` cannot make all replicas act at once."""
    return random.SystemRandom()

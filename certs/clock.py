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
    """The wall clock, which certificates are judged by, and beside it one that nobody can set."""

    def now(self) -> datetime:
        """The time, aware and in UTC. It may be wrong, and jump."""
        ...

    def ticks(self) -> float:
        """Seconds since some moment: how much time has passed, that of a suspend included, whatever `now` says."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait. Callers ask for a minute at most, then look at `now` again: clocks jump, machines are suspended."""
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
    """The API server's time: what kube-apiserver judges certificates by, and so what they are judged and dated by here.

    It tells the time with each answer, in whole seconds, and an answer takes its while; between those bounds the wall
    clock has its say. From then on `ticks` count, so that setting the wall clock changes nothing while the API server
    is away either. Until it is heard the wall clock is all there is.
    """

    def __init__(self, clock: Clock, *, skew: timedelta) -> None:
        self._clock, self._skew = clock, skew
        self._heard: tuple[datetime, float, float] | None = None

    def hear(self, said: datetime | None, *, since: float) -> None:
        """The API server said what time it is, if it did, at some moment between `since`, of `ticks`, and now."""
        if said is not None:
            self._heard = said, since, self.ticks()

    def now(self) -> datetime:
        """See `Clock`."""
        wall = self._clock.now()
        if self._heard is None:
            return wall
        (said, since, until), ticks = self._heard, self.ticks()
        latest = said + _WHOLE_SECOND + timedelta(seconds=ticks - since)
        return max(said + timedelta(seconds=ticks - until), min(wall, latest))

    def ahead(self) -> timedelta:
        """How far the wall clock is ahead of that, if negative behind; 0 where it is no more than `skew`."""
        ahead = self._clock.now() - self.now()
        return ahead if abs(ahead) > self._skew else timedelta(0)

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
    """A generator of its own, so that nobody's `random.seed` makes all replicas act at once."""
    return random.SystemRandom()

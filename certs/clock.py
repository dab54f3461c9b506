"""Time and chance, passed in so that a test can be years long and still take a millisecond."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Chance", "Clock", "SystemClock", "system_chance"]


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


def system_chance() -> Chance:
    """A generator of its own, so that nobody's `random.seed` makes all replicas act at once."""
    return random.SystemRandom()

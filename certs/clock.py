"""Time and chance, passed in so that a test can be years long and still take a millisecond."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Chance", "Clock", "SystemClock", "system_chance"]


class Clock(Protocol):
    """The wall clock, not the monotonic one: what certificates are judged by, and right again after a suspend."""

    def now(self) -> datetime:
        """The time, aware and in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait. Callers ask for a minute at most, then look at `now` again: clocks jump, machines are suspended."""
        ...


class Chance(Protocol):
    """Jitter only; keys and serial numbers come from the operating system."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The time, aware and in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def system_chance() -> Chance:
    """A generator of its own, so that nobody's `random.seed` makes all replicas act at once."""
    return random.SystemRandom()

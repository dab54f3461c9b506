"""The pauses between two rounds: how long they are, and what cuts them short."""

from __future__ import annotations

import logging
import math
from datetime import timedelta

from certs.clock import Chance, Clock

__all__ = ["GLANCE", "Pause"]

_log = logging.getLogger(__name__)

GLANCE = 1.0  # seconds: how soon a wall clock that jumped is noticed
_JUMP = 5.0  # seconds by which the wall clock was set, or a wait ended late, which means that the machine slept


class Pause:
    """Waits by `clock`, the machine's own."""

    def __init__(self, clock: Clock, chance: Chance, *, interval: timedelta) -> None:
        self._clock, self._chance, self._interval = clock, chance, interval.total_seconds()
        self._offset = self._wall_offset()

    def length(self, in_vain: int) -> float:
        """Seconds until the next round, after so many in a row without success: short at first, `interval` at most."""
        chance = self._chance.random()
        if in_vain:
            return min(self._interval, 2.0**in_vain) * (0.5 + chance / 2)
        return self._interval * (1 - chance / 5)

    def mark(self) -> None:
        """A round begins to read: from here on a wall clock that is set ends the next wait."""
        self._offset = self._wall_offset()

    async def wait(self, seconds: float) -> None:
        """Wait. It ends early if the wall clock was set since `mark`, or if the machine slept.

        Since the mark, not since the wait began: the clock may be set in the middle of a round.
        """
        glances = math.ceil(seconds / GLANCE)
        for _ in range(glances):
            before = self._clock.ticks()
            await self._clock.sleep(seconds / glances)
            late = self._clock.ticks() - before - seconds / glances
            moved = self._wall_offset() - self._offset
            if late > _JUMP or abs(moved) > _JUMP:
                _log.debug("the wall clock moved by %.0f s, a wait ended %.1f s late", moved, late)
                return

    def _wall_offset(self) -> float:
        """Seconds between the wall clock and `ticks`: the same until the wall clock is set."""
        return self._clock.now().timestamp() - self._clock.ticks()

"""Lets large reviews begin one by one, so that a crowd of them does not hold up the others.

Reading and deciding one takes up to 50 ms of the event loop. All that arrive at the same time would be done in one turn
of the loop, and small reviews, handshakes and probes would wait for all of them at each of their steps.
"""

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_LARGE: Final = 64 * 1024  # bytes; usual pods have 2 to 8 KiB
_MANY_OBJECTS: Final = 500  # a container can be as short as {}; a usual review has 50 objects
_SLOW_SECONDS: Final = 0.005  # for a review; a usual one takes a fiftieth
_SUSPICION_SECONDS: Final = 0.1  # after a slow review, in which objects are counted: that takes 3 % of a usual review


class LargeReviews:
    """Which reviews wait, and whose turn it is. clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._suspicious_until = 0.0

    def waits(self, body: bytes | bytearray, now: float) -> bool:
        """Whether the review in `body` is large, so that it has to wait for its turn."""
        return len(body) > _LARGE or (now < self._suspicious_until and body.count(b"{") > _MANY_OBJECTS)

    async def turn(self) -> float:
        """Wait for a turn of the loop in which no other large review begins, in the order of the calls. Returns now."""
        await asyncio.sleep(0)  # first, because only then the connection makes a task of it (server.application)
        async with self._lock:
            await asyncio.sleep(0)
        return self._clock()

    def done(self, begun: float) -> None:
        """A review is done that was begun at that time."""
        now = self._clock()
        if now - begun > _SLOW_SECONDS:
            self._suspicious_until = now + _SUSPICION_SECONDS


def uncollected(call: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """`call`, during which the garbage collector rests.

    It would visit all that has been parsed so far, again and again: with 400,000 lists for 100 ms of 160. It would
    find nothing, because JSON has no cycles. Afterwards most of it has been freed.
    """

    def quiet(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        gc.disable()
        try:
            return call(*arguments, **named)
        finally:
            gc.enable()

    return quiet

"""Reads and decides large reviews in a thread, one by one, so that they do not hold up the others.

One takes up to 100 ms. On the event loop all others would wait for that; the thread gives the interpreter to the loop
after a millisecond (`webhook.server.wsgi`), but for the one call that parses, which takes the longest: what that may
take is bounded (`webhook.server.bodies`). After each the thread rests for as long as it took: a crowd of large reviews
gets half of a processor at most.
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
    """Which reviews are large, and how these are worked on. clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._suspicious_until = 0.0
        self._rests_until = 0.0

    def waits(self, body: bytes | bytearray, now: float) -> bool:
        """Whether the review in `body` is large."""
        return len(body) > _LARGE or (now < self._suspicious_until and body.count(b"{") > _MANY_OBJECTS)

    async def apart(
        self, work: Callable[Arguments, Result], /, *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Do a part of a large review in a thread, in the order of the calls; after a rest if one was just done."""
        async with self._lock:
            await asyncio.sleep(max(self._rests_until - self._clock(), 0))
            begun = self._clock()
            try:
                return await asyncio.to_thread(uncollected(work), *arguments, **named)
            finally:
                self._rests_until = 2 * self._clock() - begun
                self.done(begun)

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

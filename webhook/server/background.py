"""What goes on in the background while a worker serves: entered one after the other, and left in reverse."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

_log = logging.getLogger("webhook")


class Background:
    """Context managers that are entered by start() and left by stop(), all in one task of their own."""

    def __init__(self, contexts: Sequence[AbstractAsyncContextManager[object]]) -> None:
        self._contexts = contexts
        self._entered = asyncio.Event()
        self._leave = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None

    async def start(self) -> None:
        """Enter them. Raises what one of them raises, after those before it were left again."""
        task = self._task = asyncio.create_task(self._hold(), name="background")
        entered = asyncio.create_task(self._entered.wait())
        try:
            await asyncio.wait((task, entered), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            entered.cancel()
        if task.done():
            await task
            if self._error is not None:
                raise self._error

    async def stop(self, *, seconds: float) -> None:
        """Leave them. What is not left after `seconds` is given up, and logged."""
        if self._task is None:
            return
        self._leave.set()
        await asyncio.wait([self._task], timeout=seconds)
        if not self._task.done():
            _log.warning("the background work did not end in time")
        elif error := self._task.exception():
            _log.error("the background work failed at its end", exc_info=error)

    async def _hold(self) -> None:
        async with AsyncExitStack() as stack:
            try:
                for context in self._contexts:
                    await stack.enter_async_context(context)
            except Exception as error:  # noqa: BLE001 - start() raises it
                self._error = error
                return  # those before it are left as at an orderly end
            self._entered.set()
            await self._leave.wait()


@asynccontextmanager
async def running(
    name: str,
    work: Callable[[], Awaitable[object]],
    *,
    pause: float = 1.0,
    longest_pause: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[None]:
    """Run `work` in the background of the block, and start it again if it ends.

    It starts again after `pause` seconds, and after each further failure in a row after twice as long. A failure after
    more than `longest_pause` seconds is not in a row. clock: seconds.
    """

    async def forever() -> None:
        rest = pause
        while True:
            begun, error = clock(), None
            try:
                await work()
            except Exception as raised:  # noqa: BLE001 - otherwise the task would end unseen: nothing awaits it
                error = raised
            if clock() - begun > longest_pause:
                rest = pause
            how = "ended" if error is None else "failed"
            _log.error("%s %s; it starts again in %g s", name, how, rest, exc_info=error)
            await asyncio.sleep(rest)
            rest = min(rest * 2, longest_pause)

    task = asyncio.create_task(forever(), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])

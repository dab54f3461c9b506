"""Work that goes on in the background of a block."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

_log = logging.getLogger("webhook")


@asynccontextmanager
async def running(
    name: str, work: Callable[[], Awaitable[object]], *, pause: float = 1.0, longest_pause: float = 60.0
) -> AsyncIterator[None]:
    """Run `work` in the background of the block, and again should it ever end: one of `services`.

    It rests `pause` seconds before it starts again, twice as long after each failure in a row.
    """

    async def forever() -> None:
        rest = pause
        while True:
            begun = time.monotonic()
            try:
                await work()
                _log.error("%s ended; it starts again in %g s", name, rest)
            except Exception:  # noqa: BLE001 - a task that nobody awaits must not end unseen
                _log.exception("%s failed; it starts again in %g s", name, rest)
            if time.monotonic() - begun > longest_pause:
                rest = pause
            await asyncio.sleep(rest)
            rest = min(rest * 2, longest_pause)

    task = asyncio.create_task(forever(), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])

"""A line on a terminal while something takes time, so that a person knows that it goes on."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from typing import Final

_AFTER: Final = 2.0  # seconds; what is quicker needs no line
_EVERY: Final = 1.0
_CLEAR: Final = "\r\x1b[K"  # the cursor to the start of the line, and nothing to its right


@contextlib.asynccontextmanager
async def progress(what: str, *, after: float = _AFTER) -> AsyncIterator[None]:
    """Shows `what` and the seconds on standard error, after `after` seconds and only if that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    task = asyncio.create_task(_show(what, after))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _show(what: str, after: float) -> None:
    start = time.monotonic()
    await asyncio.sleep(after)
    try:
        while True:
            _write(f"{_CLEAR}{what} ({time.monotonic() - start:.0f} s)")
            await asyncio.sleep(_EVERY)
    finally:
        _write(_CLEAR)


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()

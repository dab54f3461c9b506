"""Gives memory that is free back to the system.

glibc keeps what is freed between pieces that are in use: after large bodies, or many connections at a time, 20 to 60 MB
for as long as the process lives. The next flood comes on top of that.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

_PAUSE_SECONDS: Final = 2.0
_WORTH_IT: Final = 8 * 1024 * 1024  # bytes; giving these back takes 1 to 5 ms, in which nothing else is done


async def give_back(
    *,
    pause: float = _PAUSE_SECONDS,
    resident: Callable[[], int] | None = None,
    trim: Callable[[int], object] | None = None,
) -> None:
    """Every `pause` seconds, without end, if the process has more memory than it had at its least.

    resident: bytes of memory that the process has. trim: gives back what is free; by default glibc's.
    """
    look = resident or _resident
    give = trim or _trim()
    least = look()
    while True:
        await asyncio.sleep(pause)
        if look() > least + _WORTH_IT:
            give(0)
        least = min(least, look())


def _trim() -> Callable[[int], object]:
    """glibc's malloc_trim; with another libc nothing is done."""
    found: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found or (lambda _: None)


def _resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

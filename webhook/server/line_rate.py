"""How many log lines about refused requests there may be: anybody may send these, so they must not fill the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

_BURST: Final = 50  # lines of one reason at once: a usual mistake of one client is seen whole
_PER_SECOND: Final = 5.0  # then; 5 reasons of at most 4 KiB are 100 KB/s
_REPORT_SECONDS: Final = 10.0  # from the first line that is left out to the line that says how many were


class LineRate:
    """A bucket of lines for each reason. report: called with a reason, and how many of its lines were left out."""

    def __init__(self, report: Callable[[str, int], None]) -> None:
        self._report = report
        self._buckets: dict[str, tuple[float, float]] = {}  # lines left, and when
        self._left_out: dict[str, int] = {}

    def allows(self, reason: str) -> bool:
        """Whether there may be one more line with `reason`, one of a few. Counts it if not."""
        now = time.monotonic()
        left, when = self._buckets.get(reason, (_BURST, now))
        left = min(left + (now - when) * _PER_SECOND, _BURST)
        if left >= 1:
            self._buckets[reason] = (left - 1, now)
            return True
        self._buckets[reason] = (left, now)
        if reason not in self._left_out:
            self._left_out[reason] = 0
            asyncio.get_running_loop().call_later(_REPORT_SECONDS, self._tell, reason)
        self._left_out[reason] += 1
        return False

    def _tell(self, reason: str) -> None:
        self._report(reason, self._left_out.pop(reason))

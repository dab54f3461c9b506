"""The emulator's time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Clock"]


class Clock:
    """Seconds since the epoch by `source`, and a test can move them: a delay ends at once, without a wait."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._offset = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Seconds since the epoch."""
        with self._lock:
            return self._source() + self._offset

    def advance(self, seconds: float) -> None:
        """Moves the clock, forwards or, with a negative number, backwards."""
        with self._lock:
            self._offset += seconds

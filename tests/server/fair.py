"""How long a server takes, as far as that is the server's doing and not that of a busy machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Self

_OWN = Path("/proc/self/schedstat")


class Fair:
    """Measures its block. seconds: without the time for which the process `server`, or this one, could have run and had
    to wait for a processor. The time for which the server ran always counts.
    """

    def __init__(self, server: int) -> None:
        self.seconds = 0.0
        self._server = Path(f"/proc/{server}/schedstat")

    def __enter__(self) -> Self:
        self._before = time.monotonic(), *_scheduled(self._server), _scheduled(_OWN)[1]
        return self

    def __exit__(self, *error: object) -> None:
        now = time.monotonic(), *_scheduled(self._server), _scheduled(_OWN)[1]
        seconds, ran, waited, own = (after - before for after, before in zip(now, self._before, strict=True))
        self.seconds = max(seconds - waited - own, ran)


def _scheduled(process: Path) -> tuple[float, float]:
    """Seconds for which a process has run, and for which it has waited for a processor; 0 if the kernel cannot tell."""
    try:
        ran, waited, _ = process.read_text().split()
    except OSError:
        return 0.0, 0.0
    return int(ran) / 1e9, int(waited) / 1e9

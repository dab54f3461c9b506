"""Faults on demand: which of the next requests go wrong, and how."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from testbed.entra.clock import Clock

__all__ = ["Cut", "Fault", "Faults", "Site"]

Site = Literal["login", "graph", "issuer", "arm", "api"]
Cut = Literal["handshake", "answer", "headers", "body", "reset"]


@dataclass(eq=False)
class Fault:
    """What happens instead of, or before, the true answer. `Entra.next` explains the fields.

    `reached` is set once a request meets the fault, and `hits` counts such requests. `release` ends their wait.
    """

    at: str = ""
    method: str = ""
    status: int | None = None
    code: int | str | None = None
    retry_after: float | str | None = None
    slow: float | None = None
    is_hanging: bool = False
    cut: Cut | None = None
    body: bytes | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    left: float = 1
    ends_at: float = math.inf
    hits: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def replaces_answer(self) -> bool:
        """Whether the fault has an answer of its own."""
        return self.status is not None or self.code is not None

    def release(self) -> None:
        """Lets requests that wait in this fault go on, now and later."""
        self.released.set()

    def wait(self) -> None:
        """Returns when the request may go on; the server calls it."""
        if self.is_hanging:
            self.released.wait()
        elif self.slow is not None:
            self.released.wait(None if math.isinf(self.slow) else self.slow)


class Faults:
    """The faults of each site, in the order in which requests meet them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[Site, list[Fault]] = {site: [] for site in get_args(Site)}
        self._all: list[tuple[Site, Fault]] = []

    def add(self, site: Site, fault: Fault) -> Fault:
        """Registers `fault` for `site`, and returns it."""
        with self._lock:
            self._waiting[site].append(fault)
            self._all.append((site, fault))
        return fault

    def take(self, site: Site, path: str, *, method: str = "", handshake: bool = False) -> Fault | None:
        """The fault that a request for `path` meets, or a new connection; None without one. Counts the hit."""
        now = self._clock()
        with self._lock:
            waiting = self._waiting[site] = [f for f in self._waiting[site] if f.left > 0 and now < f.ends_at]
            for fault in waiting:
                is_for = fault.at in path and fault.method in ("", method)
                if (fault.cut == "handshake") is handshake and is_for:
                    fault.left -= 1
                    fault.hits += 1
                    fault.reached.set()
                    return fault
        return None

    def seconds_left(self, fault: Fault) -> float:
        """How long `fault` still lasts, by the emulator's clock."""
        return fault.ends_at - self._clock()

    def clear(self, sites: Sequence[Site] = get_args(Site)) -> None:
        """Removes the faults of `sites`. Requests that wait in them go on."""
        with self._lock:
            for site in sites:
                self._waiting[site] = []
            known = list(self._all)
        for site, fault in known:
            if site in sites:
                fault.release()

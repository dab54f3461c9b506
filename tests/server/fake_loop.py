"""An event loop whose time passes only when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Timer:
    """What `call_at` returns."""

    def __init__(self, when: float, call: Callable[[], object]) -> None:
        self.when = when
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """Timers and time are its own; futures and tasks are those of the loop that the test runs on.

    It begins at 100 s.
    """

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[..., object], *arguments: Any) -> Timer:
        self.timers.append(Timer(when, lambda: call(*arguments)))
        return self.timers[-1]

    def call_later(self, seconds: float, call: Callable[..., object], *arguments: Any) -> Timer:
        return self.call_at(self.now + seconds, call, *arguments)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def create_task(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(coroutine)

    @property
    def waiting(self) -> list[float]:
        """When the timers run that have neither run nor been cancelled."""
        return sorted(timer.when for timer in self.timers if not timer.cancelled)

    def move(self, seconds: float) -> None:
        """Let time pass, and run the timers that are due, each at its own time."""
        until = self.now + seconds
        while due := [timer for timer in self.timers if not timer.cancelled and timer.when <= until]:
            timer = min(due, key=lambda each: each.when)
            self.timers.remove(timer)
            self.now = max(self.now, timer.when)
            timer.call()
        self.now = until

"""How long signing in is tried again, and the clock that it uses. Which failures are tried again: docs/helper.md."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from m365_identity.errors import M365IdentityError

__all__ = ["Clock", "OnRetry", "Retry"]

OnRetry: TypeAlias = Callable[[M365IdentityError, float], object]
"""Called before each pause, with the failure and the seconds until the next attempt."""


@dataclass(frozen=True)
class Clock:
    """Time and chance. wall: seconds since the epoch. monotonic: seconds. chance: in [0, 1).

    sleep: waits for seconds; the credential of `m365_identity.aio` awaits its result.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Any] = time.sleep
    chance: Callable[[], float] = random.random


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How long signing in is tried again, in seconds. Raises ValueError for numbers that make no sense.

    bound: from the first attempt to the last; 0 for one attempt. first: the pause after the first attempt; each further
    one is about twice as long. longest: the longest pause. silence: how long the server may be silent in an attempt.
    """

    bound: float = 30.0
    first: float = 1.0
    longest: float = 10.0
    silence: float = 10.0

    def __post_init__(self) -> None:
        if not self.bound >= 0 or not 0 < self.first <= self.longest or not self.silence > 0:
            raise ValueError("the bound must be 0 or more seconds, and pauses and silence more than 0")

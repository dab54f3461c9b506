"""Which failures heal, and when to try again: pure, with clock and chance passed in.

    failure                                                          what is done
    a credential that may be fresh (70021, 700211, 700212, 700213,   again until the bound: Entra's servers learn of a
    70025), an issuer that Entra could not read (90061, 50166,       new credential one by one
    501661)
    passing problems (90033, 90006, 90024, 90012, 50033), 5xx, 408   again until the bound
    throttling (429, 50196, 90055)                                   again until the bound, not before Retry-After
    no connection, silence, a cut, a proxy that answers 5xx or 408   again until the bound
    token out of its time (700024)                                   the file is read again, once and at once
    everything else, an untrusted certificate and a proxy that       fails at once
    refuses (403, 407) too

A wait that Retry-After makes longer than the bound is not begun. The last attempt is made when the bound is reached;
while an attempt is under way, each silence of the server is limited to what is left, at least a second.
"""

import enum
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from m365_identity._failures import Failure, Kind

__all__ = ["Clock", "Healing", "Retry", "Series", "heals", "is_throttled", "may_heal"]

FRESH_CREDENTIAL: Final = frozenset({70021, 700211, 700212, 700213, 70025, 90061, 50166, 501661})
PASSING: Final = frozenset({90033, 90006, 90024, 90012, 50033})
THROTTLED: Final = frozenset({50196, 90055})
OUT_OF_TIME: Final = frozenset({700024})

_LEAST_SILENCE: Final = 1.0  # seconds; less would fail on a slow network without cause


class Healing(enum.Enum):
    """What a failure calls for."""

    NONE = "fails at once"
    WAIT = "again after a while"
    REREAD = "again at once with what the file holds now"


@dataclass(frozen=True)
class Clock:
    """Time and chance. wall: seconds since the epoch. monotonic: seconds. chance: in [0, 1).

    sleep: waits for seconds; what it returns is awaited by the credential of `m365_identity.aio`.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Any] = time.sleep
    chance: Callable[[], float] = random.random


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How long is tried, in seconds.

    bound: from the first attempt to the last; 0 for one attempt. first, longest: the pause after the first attempt, and
    the longest; each is about twice the one before. silence: how long the server may say nothing within an attempt.
    """

    bound: float = 30.0
    first: float = 1.0
    longest: float = 10.0
    silence: float = 10.0

    def __post_init__(self) -> None:
        if not self.bound >= 0 or not 0 < self.first <= self.longest or not self.silence > 0:
            raise ValueError("the bound must be 0 or more seconds, and pauses and silence more than 0")


def is_throttled(failure: Failure) -> bool:
    """Whether the server was asked too often."""
    return failure.http_status == 429 or not THROTTLED.isdisjoint(failure.codes)


def heals(failure: Failure) -> Healing:
    """Whether a failure may heal: see the module's docstring."""
    if failure.kind in (Kind.UNREACHABLE, Kind.NO_ANSWER):
        return Healing.WAIT
    if failure.kind is Kind.UNTRUSTED:
        return Healing.NONE
    if not OUT_OF_TIME.isdisjoint(failure.codes):
        return Healing.REREAD
    if is_throttled(failure) or failure.http_status == 408 or failure.http_status >= 500:
        return Healing.WAIT
    return Healing.NONE if (FRESH_CREDENTIAL | PASSING).isdisjoint(failure.codes) else Healing.WAIT


def may_heal(failure: Failure) -> bool:
    """Whether waiting may help; what the exception of this failure says of itself."""
    return heals(failure) is Healing.WAIT


class Series:
    """The attempts of one call: `pause` tells when the next one is due, `silence` how long it may take."""

    def __init__(self, retry: Retry, clock: Clock) -> None:
        self._retry = retry
        self._clock = clock
        self._deadline = clock.monotonic() + retry.bound
        self._reread = False
        self.attempts = 1

    def pause(self, failure: Failure) -> float | None:
        """Seconds until the next attempt, after one that ended in `failure`; None if there is none."""
        healing = heals(failure)
        if healing is Healing.REREAD and not self._reread:
            self._reread = True
            self.attempts += 1
            return 0.0
        left = self._deadline - self._clock.monotonic()
        if healing is not Healing.WAIT or left <= 0:
            return None
        wanted = failure.retry_after or 0.0
        if wanted > left:
            return None
        # At most 2 to the 16th, which no bound reaches, so that the power stays a number.
        usual = min(self._retry.longest, self._retry.first * 2.0 ** min(self.attempts - 1, 16))
        self.attempts += 1
        return min(left, max(wanted, usual * (0.5 + self._clock.chance() / 2)))

    def silence(self) -> float:
        """Seconds that the server may say nothing in the attempt that comes now."""
        if self._retry.bound == 0:
            return self._retry.silence
        left = self._deadline - self._clock.monotonic()
        return min(self._retry.silence, max(left, _LEAST_SILENCE))

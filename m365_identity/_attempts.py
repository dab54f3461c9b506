"""Which failures can heal, and when the next attempt is due. Clock and chance are passed in.

    failure                                                          what is done
    a credential that may be new (70021, 700211, 700212, 700213,     again until the bound: Entra's servers learn of a
    70025), an issuer that Entra could not read (90061, 50166,       new credential one by one
    501661)
    passing problems (see PASSING), 5xx, 408                           again until the bound
    throttling (429, 50196, 90055)                                   again until the bound, not before Retry-After
    no connection, silence, a cut, a proxy that answers 5xx or 408   again until the bound
    token expired or not yet valid (700024)                          the file is read again, once and at once
    everything else, also an untrusted certificate and a proxy that  fails at once
    refuses (403, 407)

If Retry-After is beyond the bound, the call fails at once. The last attempt starts when the bound is reached. During an
attempt, each silence of the server is limited to the time that is left, but not to less than a second.
"""

import enum
from typing import Final

from m365_identity._failures import Failure, FailureKind
from m365_identity.retry import Clock, Retry

__all__ = ["Attempts", "Healing", "heals", "is_throttled", "may_heal"]

FRESH_CREDENTIAL: Final = frozenset({70021, 700211, 700212, 700213, 70025, 90061, 50166, 501661})
PASSING: Final = frozenset({90033, 90006, 90024, 90012, 50033, 90090, 90091, 501621})
THROTTLED: Final = frozenset({50196, 90055})
OUT_OF_TIME: Final = frozenset({700024})

_LEAST_SILENCE: Final = 1.0  # seconds; less would fail on a slow network without cause


class Healing(enum.Enum):
    """What to do after a failure."""

    NONE = "fails at once"
    WAIT = "again after a while"
    REREAD = "again at once with what the file holds now"


def is_throttled(failure: Failure) -> bool:
    """Whether the server says that it gets too many requests."""
    return failure.http_status == 429 or not THROTTLED.isdisjoint(failure.codes)


def heals(failure: Failure) -> Healing:
    """Whether a failure can heal: see the module's docstring."""
    if failure.kind in (FailureKind.UNREACHABLE, FailureKind.NO_ANSWER):
        return Healing.WAIT
    if failure.kind is FailureKind.UNTRUSTED:
        return Healing.NONE
    if not OUT_OF_TIME.isdisjoint(failure.codes):
        return Healing.REREAD
    if is_throttled(failure) or failure.http_status == 408 or failure.http_status >= 500:
        return Healing.WAIT
    return Healing.NONE if (FRESH_CREDENTIAL | PASSING).isdisjoint(failure.codes) else Healing.WAIT


def may_heal(failure: Failure) -> bool:
    """Whether waiting may help: `may_heal` of the exception for this failure."""
    return heals(failure) is Healing.WAIT


class Attempts:
    """The attempts of one call. count: how many were started. Made before the first attempt."""

    def __init__(self, retry: Retry, clock: Clock) -> None:
        self._retry = retry
        self._clock = clock
        self._deadline = clock.monotonic() + retry.bound
        self._reread = False
        self.count = 1

    def pause(self, failure: Failure) -> float | None:
        """Seconds until the next attempt, after one that ended in `failure`; None if this was the last."""
        healing = heals(failure)
        if healing is Healing.REREAD and not self._reread:
            self._reread = True
            self.count += 1
            return 0.0
        left = self._deadline - self._clock.monotonic()
        if healing is not Healing.WAIT or left <= 0:
            return None
        wanted = failure.retry_after or 0.0
        if wanted > left:
            return None
        # At most 2 to the 16th, which no bound reaches, so that the power stays a number.
        usual = min(self._retry.longest, self._retry.first * 2.0 ** min(self.count - 1, 16))
        self.count += 1
        return min(left, max(wanted, usual * (0.5 + self._clock.chance() / 2)))

    def silence(self) -> float:
        """Seconds for which the server may be silent in the attempt that comes now."""
        if self._retry.bound == 0:
            return self._retry.silence
        left = self._deadline - self._clock.monotonic()
        return min(self._retry.silence, max(left, _LEAST_SILENCE))

"""What is measured of an attempt to sign in, and the one rule by which it is counted.

    outcome      the attempt                                                  the exception for it
    ok           Entra gave a token                                           none
    throttled    Entra gets too many requests                                 ThrottledError
    unreachable  no answer: name, connection, proxy, certificate, silence     NetworkError
    refused      any other answer, also one that is not Entra's               ExchangeError

A label has no value that a server or a caller can choose freely: an AADSTS code counts under its number only if the
table of advice has it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from m365_identity._advice.codes import BY_CODE
from m365_identity._attempts import is_throttled
from m365_identity._failures import Failure, FailureKind

__all__ = ["NO_CODE", "OTHER", "Measured", "Observer", "Outcome", "code_of", "outcome_of"]

OTHER: Final = "other"
"""The code of what has one that the table of advice does not know."""
NO_CODE: Final = ""
"""The code of what has none."""

_UNREACHABLE: Final = (FailureKind.UNREACHABLE, FailureKind.PROXY, FailureKind.UNTRUSTED, FailureKind.NO_ANSWER)


class Outcome(enum.StrEnum):
    """How an attempt ended."""

    OK = "ok"
    REFUSED = "refused"
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One request to Entra. seconds: how long it took. Other times are seconds since the epoch, None if not known.

    issued, expires: of the ServiceAccount token that was sent. access_expires: of the access token that the caller
    gets, new or, if renewing it failed, still good. throttled_until: when Entra takes requests again.
    """

    outcome: Outcome
    code: str
    seconds: float
    issued: float | None = None
    expires: float | None = None
    access_expires: float | None = None
    throttled_until: float | None = None


class Observer(Protocol):
    """Gets each attempt: `m365_identity.metrics.SignInMetrics`. Both methods may be called in any thread."""

    def watch(self, token_file: Path) -> object:
        """A credential reads this file."""

    def observe(self, measured: Measured) -> object:
        """A request to Entra has ended."""


def outcome_of(failure: Failure | None) -> Outcome:
    """How an attempt with this failure ended; None: with a token."""
    if failure is None:
        return Outcome.OK
    if is_throttled(failure):
        return Outcome.THROTTLED
    return Outcome.UNREACHABLE if failure.kind in _UNREACHABLE else Outcome.REFUSED


def code_of(codes: Iterable[int]) -> str:
    """The label for the AADSTS codes of an answer: the first that is known, else OTHER, else NO_CODE."""
    given = tuple(codes)
    known = next((code for code in given if code in BY_CODE), None)
    return str(known) if known is not None else OTHER if given else NO_CODE

"""What a check finds."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from m365_identity._messages import Kind, Message, Severity, message
from m365_identity.errors import M365IdentityError

__all__ = ["LinkFinding", "LinkResult", "LinkStatus", "failed", "finding", "from_message"]


class LinkStatus(enum.StrEnum):
    """How a link is, by the severity of its message."""

    OK = "ok"
    WARN = "warn"
    """It works, or may work, and somebody should look at it."""
    FAIL = "fail"
    SKIP = "skip"
    """It could not be looked at, or there is nothing to look at."""


_STATUSES: Final[Mapping[Severity, LinkStatus]] = {
    Severity.OK: LinkStatus.OK,
    Severity.WARNING: LinkStatus.WARN,
    Severity.ERROR: LinkStatus.FAIL,
    Severity.SKIPPED: LinkStatus.SKIP,
}


@dataclass(frozen=True, kw_only=True)
class LinkFinding:
    """One thing that a check found. causes: the likeliest first. fix: what to do, "" if there is nothing to do."""

    status: LinkStatus
    code: str
    detail: str
    causes: tuple[str, ...] = ()
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class LinkResult(LinkFinding):
    """A finding with the check that made it. A check with several findings has several results of the same id."""

    id: str
    title: str


def from_message(found: Message) -> LinkFinding:
    """A message as a finding."""
    return LinkFinding(
        status=_STATUSES[found.kind.severity],
        code=found.code,
        detail=found.text,
        causes=found.causes,
        fix=found.fix,
    )


def finding(kind: Kind, /, **values: object) -> LinkFinding:
    """A finding of `kind`, filled in with `values`."""
    return from_message(message(kind, **values))


def failed(error: M365IdentityError, detail: str = "") -> LinkFinding:
    """The link is broken, and the library says why. detail: what to show instead of the error's summary."""
    advice = error.advice
    return LinkFinding(
        status=LinkStatus.FAIL,
        code=", ".join(error.codes),
        detail=detail or error.summary,
        causes=advice.causes if advice else (),
        fix=advice.fix if advice else "",
    )

"""What a check has to tell."""

import enum
from dataclasses import dataclass

from m365_identity.errors import Advice

__all__ = ["Finding", "Result", "Status", "advised", "fail", "ok", "skip", "warn"]


class Status(enum.StrEnum):
    """How a link is."""

    OK = "ok"
    WARN = "warn"
    """It works, or may, and somebody should look at it."""
    FAIL = "fail"
    SKIP = "skip"
    """It could not be looked at, or there is nothing to look at."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a check found. causes: the likeliest first. fix: what to do, "" where there is nothing to do."""

    status: Status
    detail: str
    causes: tuple[str, ...] = ()
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Result(Finding):
    """A finding with the check that made it. A check with several findings has several results of the same id."""

    id: str
    title: str


def ok(detail: str) -> Finding:
    """All is well."""
    return Finding(status=Status.OK, detail=detail)


def warn(detail: str, *causes: str, fix: str) -> Finding:
    """Somebody should look at it."""
    return Finding(status=Status.WARN, detail=detail, causes=causes, fix=fix)


def fail(detail: str, *causes: str, fix: str) -> Finding:
    """The link is broken."""
    return Finding(status=Status.FAIL, detail=detail, causes=causes, fix=fix)


def skip(detail: str) -> Finding:
    """There is nothing to be told, for this reason."""
    return Finding(status=Status.SKIP, detail=detail)


def advised(summary: str, advice: Advice | None) -> Finding:
    """The link is broken, and the library knows what to do."""
    return fail(summary, *(advice.causes if advice else ()), fix=advice.fix if advice else "")

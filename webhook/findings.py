"""What a check has found: one sentence, and what mends it."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Status(enum.StrEnum):
    """How something is."""

    OK = "ok"
    WARN = "warn"
    """It works, or may, and somebody should look at it."""
    FAIL = "fail"
    SKIP = "skip"
    """It could not be looked at."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    about: what was looked at, one word. detail: a sentence. fix: what to do, "" where there is nothing to do. pods: the
    names of those that it is about; of a failure, those that have to be made anew.
    """

    status: Status
    about: str
    detail: str
    fix: str = ""
    pods: tuple[str, ...] = ()


def ok(about: str, detail: str) -> Finding:
    """All is well."""
    return Finding(Status.OK, about, detail)


def warn(about: str, detail: str, *, fix: str, pods: tuple[str, ...] = ()) -> Finding:
    """Somebody should look at it."""
    return Finding(Status.WARN, about, detail, fix, pods)


def fail(about: str, detail: str, *, fix: str, pods: tuple[str, ...] = ()) -> Finding:
    """It is broken."""
    return Finding(Status.FAIL, about, detail, fix, pods)


def skip(about: str, detail: str, *, fix: str = "") -> Finding:
    """It could not be looked at, for this reason."""
    return Finding(Status.SKIP, about, detail, fix)


def broken(findings: Iterable[Finding]) -> bool:
    """Whether anything failed."""
    return any(finding.status is Status.FAIL for finding in findings)


def worst(findings: Iterable[Finding]) -> Status:
    """The gravest status; what was skipped counts for nothing."""
    statuses = {finding.status for finding in findings}
    return next((status for status in (Status.FAIL, Status.WARN) if status in statuses), Status.OK)

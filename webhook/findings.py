"""What a command finds about a cluster: messages of the table, with the pods that they are about."""

import enum
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from webhook.core.messages import NOWHERE, Kind, Message, Place, Severity, message

_FORBIDDEN: Final = re.compile(r'User "([^"]*)" cannot')


class Status(enum.StrEnum):
    """How something is, by the severity of its message."""

    OK = "ok"
    WARN = "warn"
    """It works, or may work, and somebody should look at it."""
    FAIL = "fail"
    SKIP = "skip"
    """It could not be looked at."""


_STATUSES: Final[Mapping[Severity, Status]] = {
    Severity.ERROR: Status.FAIL,
    Severity.WARNING: Status.WARN,
    Severity.NOTE: Status.OK,
    Severity.OK: Status.OK,
    Severity.SKIPPED: Status.SKIP,
}


@dataclass(frozen=True)
class Finding:
    """One thing that a command found.

    about: what was looked at, one word. pods: the names of the pods that it is about; if the status is FAIL, these pods
    must be created again. command: what to do in addition to the message's own fix, for the object that was looked at.
    """

    about: str
    message: Message
    pods: tuple[str, ...] = ()
    command: str = ""

    @property
    def status(self) -> Status:
        """How it is."""
        return _STATUSES[self.message.kind.severity]

    @property
    def detail(self) -> str:
        """What was found, one line without the code. It begins with the object, unless the text names it."""
        owner = self.message.place.object
        named = not self.message.kind.fields.isdisjoint({"object", "place"})
        return self.message.text if named or not owner else f"{owner}: {self.message.text}"

    @property
    def fix(self) -> str:
        """What to do, "" if there is nothing to do."""
        return "; ".join(filter(None, (self.message.fix, self.command)))

    def document(self) -> dict[str, Any]:
        """The finding as JSON."""
        place = self.message.place
        return {
            "status": self.status,
            "code": self.message.code,
            "about": self.about,
            "place": {"object": place.object, "annotation": place.annotation, "field": place.field},
            "detail": self.detail,
            "fix": self.fix,
            "pods": list(self.pods),
        }


def finding(
    about: str, kind: Kind, place: Place = NOWHERE, /, *, pods: tuple[str, ...] = (), **values: object
) -> Finding:
    """A finding of `kind` at `place`, filled in with `values`; `kind` says whether it is good or bad."""
    return Finding(about, message(kind, place, **values), pods)


def broken(findings: Iterable[Finding]) -> bool:
    """Whether anything failed."""
    return any(each.status is Status.FAIL for each in findings)


def worst(findings: Iterable[Finding]) -> Status:
    """The worst status. Findings that were skipped do not count."""
    statuses = {each.status for each in findings}
    return next((status for status in (Status.FAIL, Status.WARN) if status in statuses), Status.OK)


def forbidden_user(refusal: str) -> str:
    """The user that RBAC's refusal names, as an argument of a shell; YOU if it names none."""
    found = _FORBIDDEN.search(refusal)
    return shlex.quote(found[1]) if found else "YOU"

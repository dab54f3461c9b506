"""A message is data: a row of the table, and the values that fill it in.

Code decides by `message.kind`, never by its text. What people read is rendered here and nowhere else.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from m365_identity._text import one_line

__all__ = ["Kind", "Message", "Severity", "message"]


class Severity(enum.StrEnum):
    """How bad it is."""

    ERROR = "error"
    """Something is refused, or does not work."""
    WARNING = "warning"
    """It works, or may work, and somebody should look at it."""
    OK = "ok"
    """Something was looked at and is as it should be."""
    SKIPPED = "skipped"
    """Something could not be looked at."""


@dataclass(frozen=True)
class Kind:
    """A row of the table. Each text is a template, with values in braces.

    code: stable, such as WIH101; a code that is no longer used is never given to another message. text: what is wrong
    and what was expected. causes: what it is likely to come from, the likeliest first. fix: what to do, often a
    command, "" if there is nothing to do. help: a sentence or two for docs/messages.md: why it matters.
    """

    code: str
    severity: Severity
    text: str
    causes: tuple[str, ...] = ()
    fix: str = ""
    help: str = ""


@dataclass(frozen=True)
class Message:
    """A row of the table, filled in."""

    kind: Kind
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The stable code of its kind."""
        return self.kind.code

    @property
    def text(self) -> str:
        """One line, without the code."""
        return self._filled(self.kind.text)

    @property
    def causes(self) -> tuple[str, ...]:
        """One line each; a cause that is empty with these values is left out."""
        return tuple(filter(None, map(self._filled, self.kind.causes)))

    @property
    def fix(self) -> str:
        """One line; "" if there is nothing to do."""
        return self._filled(self.kind.fix)

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]"

    def _filled(self, template: str) -> str:
        # The values can hold text from elsewhere.
        return one_line(template.format_map(self.values))


def message(kind: Kind, /, **values: object) -> Message:
    """`kind`, filled in with `values`."""
    return Message(kind, {name: str(value) for name, value in values.items()})

"""A message is data: a row of the table, a place, and the values that fill the row in.

Code decides by `message.kind`, never by its text. People read `str(message)`, which is rendered here and nowhere else.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Final

from webhook.core.text import LONGEST_FIX, LONGEST_LINE, shown


class Severity(enum.StrEnum):
    """How bad it is."""

    ERROR = "error"
    """Something is refused, or does not work."""
    WARNING = "warning"
    """It works, or may work, and somebody should look at it."""
    NOTE = "note"
    """Somebody may want to know it; nothing is wrong."""
    OK = "ok"
    """Something was looked at and is as it should be."""
    SKIPPED = "skipped"
    """Something could not be looked at."""


@dataclass(frozen=True)
class Kind:
    """A row of the table.

    code: stable, such as WI101; a code that is no longer used is never given to another message. text: what is wrong
    and what was expected, with values in braces, those of the place among them: {object}, {annotation}, {field}, and
    {place}, which is the object and the field. fix: what to do, often a command, "" if there is nothing to do. help: a
    sentence or two for docs/messages.md: why it matters. edit: the fix for somebody who has the manifest at hand, and
    not the cluster, if it is another.
    """

    code: str
    severity: Severity
    text: str
    fix: str = ""
    help: str = ""
    edit: str = ""

    @property
    def fields(self) -> frozenset[str]:
        """The names of the values in the text."""
        return frozenset(name for _, name, _, _ in Formatter().parse(self.text) if name)


@dataclass(frozen=True)
class Place:
    """Where something stands, as far as it is known.

    object: such as `ServiceAccount shop/terraform`, or `pod.yaml:12`. annotation: its key. field: a path such as
    `spec.containers[0].env`.
    """

    object: str = ""
    annotation: str = ""
    field: str = ""

    @staticmethod
    def of_container(name: Any) -> "Place":
        """A container of the pod that the message is about."""
        return Place(f"container {shown(name)}")


NOWHERE: Final = Place()


@dataclass(frozen=True)
class Message:
    """A row of the table, filled in. Equal messages have equal kinds, places and values."""

    kind: Kind
    place: Place = NOWHERE
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The stable code of its kind."""
        return self.kind.code

    @property
    def text(self) -> str:
        """One line of printable ASCII, without the fix and without the code."""
        return shown(self._filled(self.kind.text), LONGEST_LINE)

    @property
    def fix(self) -> str:
        """What to do, one line of printable ASCII; "" if there is nothing to do."""
        return shown(self._filled(self.kind.fix), LONGEST_FIX)

    @property
    def edit(self) -> str:
        """What to do in the manifest; "" if there is nothing to do."""
        return shown(self._filled(self.kind.edit or self.kind.fix), LONGEST_FIX)

    def __str__(self) -> str:
        return self.text + (f" ({self.fix})" if self.kind.fix else "") + self._ending

    def shortened(self, limit: int) -> str:
        """The message in at most `limit` characters: without its fix if that is too long, then with its text cut."""
        line = str(self)
        if len(line) <= limit:
            return line
        return shown(self.text, limit - len(self._ending)) + self._ending

    @property
    def _ending(self) -> str:
        return f" [{self.kind.code}]"

    def _filled(self, template: str) -> str:
        # The place's own names come last: a value of the same name is a mistake that a test of the table finds.
        place = self.place
        return template.format_map(
            {
                **self.values,
                "object": place.object,
                "annotation": place.annotation,
                "field": place.field,
                "place": ": ".join(filter(None, (place.object, place.field))),
            }
        )


def message(kind: Kind, place: Place = NOWHERE, /, **values: object) -> Message:
    """`kind` at `place`, filled in with `values`: each as `webhook.core.text.shown` shows it."""
    return Message(kind, place, {name: shown(value, LONGEST_FIX) for name, value in values.items()})


def one_line(messages: Iterable[Message]) -> str:
    """All of them in one line, each with its fix and its code."""
    return "; ".join(map(str, messages))

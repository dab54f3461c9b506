"""One thing that is wrong with a manifest, and where."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from webhook.core.messages import Message, Severity
from webhook.documents.files import FilePlace, Manifest

_SOURCE: Final = re.compile(r"^# Source: (\S[^\r\n]*)", re.MULTILINE)
RANKS: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclass(frozen=True)
class Finding:
    """A message of the table at a place in a file.

    manifest: the object that it is about; None for a file as a whole. reason: why it is on purpose, "" if it is not.
    elsewhere: the reason stands in a file of its own, and not at the object.
    """

    message: Message
    place: FilePlace
    manifest: Manifest | None = field(default=None, repr=False, compare=False)
    title: str = ""
    reason: str = ""
    elsewhere: bool = False

    @property
    def severity(self) -> Severity:
        """That of its message's kind."""
        return self.message.kind.severity

    def is_at_least(self, severity: Severity) -> bool:
        """Whether it is as severe as `severity`, or more."""
        return RANKS[self.severity] <= RANKS[severity]

    @property
    def origin(self) -> str:
        """The template that Helm rendered the object from, "" if it does not say."""
        return _template(self.manifest) if self.manifest else ""

    @property
    def text(self) -> str:
        """What is wrong and with which object, without the place in the file and without the fix."""
        named = "/" in self.message.place.object and not {"object", "place"}.isdisjoint(self.message.kind.fields)
        return f"{self.title}: {self.message.text}" if self.title and not named else self.message.text

    @property
    def line(self) -> int:
        """From 1; of a file as a whole, its first."""
        return self.place.line or 1

    @property
    def column(self) -> int:
        """From 1."""
        return self.place.column or 1


def _template(manifest: Manifest) -> str:
    """The path in Helm's comment above the document; without one, another object of that template may stand above."""
    documents = manifest.source.places
    root = documents[manifest.document].root
    before = documents[manifest.document - 1].root if manifest.document else None
    between = manifest.source.written[before.end if before else 0 : root.start if root else 0]
    return next((match[1] for match in reversed([*_SOURCE.finditer(between)])), "")


def found(message: Message, place: FilePlace, manifest: Manifest | None = None, title: str = "") -> Finding:
    """`message` at a place. If its text would repeat the place, it names the object instead, or else the file."""
    if isinstance(message.place, FilePlace) or not message.place.object:
        message = replace(message, place=replace(message.place, object=title or place.file))
    return Finding(message, place, manifest, title)


def found_where_it_says(message: Message, manifest: Manifest, title: str) -> Finding:
    """The same for a message whose place is one in the file."""
    place = message.place
    return found(message, place if isinstance(place, FilePlace) else manifest.place(), manifest, title)


def in_order(findings: Iterable[Finding], files: Iterable[str]) -> list[Finding]:
    """By file, in the order of `files`, and by place; what is found twice at one place is one."""
    order = {name: number for number, name in enumerate(files)}
    distinct = {(each.place.file, each.line, each.column, each.message.code, each.text): each for each in findings}
    return sorted(
        distinct.values(),
        key=lambda each: (order.get(each.place.file, -1), each.line, each.column, each.message.code),
    )


def most_severe_first(findings: Iterable[Finding]) -> Iterator[Finding]:
    """For readers that take only so many."""
    yield from sorted(findings, key=lambda each: RANKS[each.severity])

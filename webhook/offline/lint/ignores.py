"""What is on purpose: said in an annotation of an object, or in a file for the whole repository.

A reason is required. What suppresses nothing is reported.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from webhook.core.messages import TABLE, Message, message
from webhook.core.messages import lint as kinds
from webhook.core.names import LINT_IGNORE
from webhook.core.text import quoted
from webhook.documents.files import BadFile, FilePlace, Manifest, read_file, source_of
from webhook.offline.lint.findings import Finding, found
from webhook.offline.lint.objects import Object

DEFAULT_FILE: Final = ".m365wi-lint.yaml"
_ENTRY: Final = re.compile(r"\s*([A-Za-z]+[0-9]+)\s*:\s*(\S.*)", re.DOTALL)
_LARGEST_FILE: Final = 1024 * 1024  # bytes
_MEMBERS: Final = ("code", "path", "object", "reason")
# About what is ignored: these stand.
_NEVER: Final = {kinds.IGNORE_UNREADABLE, kinds.IGNORE_UNUSED, kinds.CODE_UNKNOWN}


@dataclass(frozen=True)
class Ignore:
    """One thing that is on purpose. manifest: of the object with the annotation; None of an entry of the file."""

    code: str
    reason: str
    place: FilePlace
    manifest: Manifest | None = None
    title: str = ""
    path: str = "*"
    object: str = "*"

    def fits(self, finding: Finding) -> bool:
        """Whether it is about `finding`."""
        if finding.message.code != self.code or finding.message.kind in _NEVER or finding.manifest is None:
            return False
        if self.manifest is not None:
            return finding.manifest is self.manifest
        file = finding.place.file.removeprefix("./")
        return fnmatchcase(file, self.path.removeprefix("./")) and fnmatchcase(finding.title, self.object)

    def __str__(self) -> str:
        return f"{self.code} ({self.path}, {self.object})" if self.manifest is None else self.code


def of_objects(objects: Iterable[Object], findings: list[Finding]) -> Iterator[Ignore]:
    """What the annotations of objects and pod templates say. findings: grows by what is wrong with them."""
    for each in objects:
        for steps in dict.fromkeys(((), *each.pods)):
            text = each.texts(*steps, "metadata", "annotations").get(LINT_IGNORE)
            if text is None:
                continue
            place = each.place(*steps, "metadata", "annotations", LINT_IGNORE)
            for part in filter(str.strip, re.split(r"[;\n]", text)) if text.strip() else [text]:
                entry = _ENTRY.fullmatch(part)
                if not entry:
                    problem = message(kinds.IGNORE_UNREADABLE, what=f"annotation {LINT_IGNORE}", value=quoted(part))
                elif entry[1] not in TABLE:
                    problem = message(kinds.CODE_UNKNOWN, value=entry[1])
                else:
                    yield Ignore(entry[1], entry[2].strip(), place, each.manifest, each.title)
                    continue
                findings.append(found(problem, place, each.manifest, each.title))


def of_file(path: str) -> tuple[list[Ignore], list[Message]]:
    """What a file says, and what is wrong with it."""
    try:
        data = read_file(Path(path))
        if len(data) > _LARGEST_FILE:
            return [], [message(kinds.FILE_TOO_LARGE, FilePlace(path), limit=_LARGEST_FILE)]
        source = source_of(path, data)
    except BadFile as error:
        return [], [error.problem]
    value = source.documents[0].value if len(source.documents) == 1 else None
    manifest = Manifest(source, 0, (), value if isinstance(value, dict) else {})
    entries = manifest.value.get("ignore")
    if not isinstance(entries, list) or len(manifest.value) > 1:
        return [], [_problem(FilePlace(path), 'expected a list "ignore" and nothing else')]
    ignores: list[Ignore] = []
    problems: list[Message] = []
    for index, entry in enumerate(entries):
        problem = _entry_problem(entry)
        place = manifest.place("ignore", index)
        if problem:
            problems.append(_problem(place, problem))
        elif entry["code"] not in TABLE:
            problems.append(message(kinds.CODE_UNKNOWN, place, value=entry["code"]))
        else:
            ignores.append(Ignore(**{**entry, "reason": entry["reason"].strip()}, place=place, title=path))
    return ignores, problems


def suppress(findings: Sequence[Finding], ignores: Sequence[Ignore]) -> tuple[list[Finding], list[Finding]]:
    """The findings that stand, among them ignores without effect; and those that are suppressed, with their reasons."""
    standing, suppressed, used = [], [], set()
    for finding in findings:
        fitting = [number for number, each in enumerate(ignores) if each.fits(finding)]
        used.update(fitting)
        if fitting:
            first = ignores[fitting[0]]
            suppressed.append(replace(finding, reason=first.reason, elsewhere=first.manifest is None))
        else:
            standing.append(finding)
    for number, each in enumerate(ignores):
        if number not in used:
            text = message(kinds.IGNORE_UNUSED, ignored=str(each))
            standing.append(found(text, each.place, each.manifest, each.title if each.manifest else ""))
    return standing, suppressed


def _entry_problem(entry: Any) -> str:
    if not isinstance(entry, dict):
        return "expected an entry with code and reason"
    unknown = [key for key in entry if key not in _MEMBERS]
    if unknown:
        return f"unknown key {unknown[0]}, expected one of {', '.join(_MEMBERS)}"
    if not all(isinstance(value, str) and value.strip() for value in entry.values()):
        return "expected text"
    missing = [key for key in ("code", "reason") if key not in entry]
    return f"{' and '.join(missing)} missing" if missing else ""


def _problem(place: FilePlace, problem: str) -> Message:
    return message(kinds.IGNORE_FILE, place, problem=problem)

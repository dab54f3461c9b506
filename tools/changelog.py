"""Reads CHANGELOG.md: which release it describes, and what it says about one.

    python -m tools.changelog                 what is wrong with it; exit status 1 if anything is
    python -m tools.changelog --tag v1.2.3    the release notes of that tag; exit status 1 if it cannot be released
        --links https://github.com/OWNER/REPOSITORY/blob/v1.2.3/    its links to files lead there

The first section is `[Unreleased]`, and the next is that of this tree's version, with the day of its release.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from tools import version

__all__ = ["PAGE", "absolute", "main", "notes", "problems", "sections"]

PAGE: Final = Path(__file__).parent.parent / "CHANGELOG.md"
UNRELEASED: Final = "[Unreleased]"
_HEADING: Final = re.compile(r"^## (.+)$", re.MULTILINE)
_RELEASED: Final = re.compile(r"\[([^\]]+)\] - (\d{4}-\d{2}-\d{2})(?: \[YANKED\])?")


def sections(text: str) -> dict[str, str]:
    """What stands below each heading, by heading, newest first."""
    _, *parts = _HEADING.split(text)
    return {heading: body.strip() for heading, body in zip(parts[::2], parts[1::2], strict=True)}


def problems(text: str, own: str) -> list[str]:
    """One sentence for each thing that is wrong in the changelog of version `own`."""
    headings = list(sections(text))
    if headings[:1] != [UNRELEASED]:
        return [f"the first section is {headings[:1]}, expected ## {UNRELEASED}"]
    wrong = [
        f"## {heading} is not of the form ## [1.2.3] - 2027-01-15" for heading in headings[1:] if not _day(heading)
    ]
    newest = _RELEASED.match(headings[1]) if headings[1:] else None
    if newest is None or newest[1] != own:
        wrong.append(f"the section after {UNRELEASED} is not that of version {own}, which this tree has")
    return [*wrong, *_disorder(headings[1:])]


def _disorder(headings: Sequence[str]) -> Iterator[str]:
    """Newest first by version. A patch of an older minor may be younger than what stands above it."""
    released = [(_numbers(found[1]), found[2]) for each in headings if (found := _RELEASED.fullmatch(each))]
    if released != sorted(released, key=lambda each: each[0], reverse=True):
        yield "the versions of the releases do not fall"
    minors: dict[tuple[int, ...], list[str]] = {}
    for numbers, day in released:
        minors.setdefault(numbers[0][:2], []).append(day)
    for days in (*minors.values(), [days[-1] for days in minors.values()]):
        if days != sorted(days, reverse=True):
            yield "the days of the releases do not fall"
            return


def _numbers(version: str) -> tuple[tuple[int, ...], bool, tuple[int, ...]]:
    """A version, comparable: 0.10.0 comes after 0.9.1, and after its candidate 0.10.0-rc.2."""
    release, _, candidate = version.partition("-")
    first, second = (tuple(map(int, re.findall(r"\d+", each))) for each in (release, candidate))
    return first, not candidate, second


def notes(released: Mapping[str, str], wanted: str) -> str:
    """The section of version `wanted`; "" if the changelog does not have it."""
    return next((body for heading, body in released.items() if heading.startswith(f"[{wanted}] - ")), "")


def absolute(text: str, address: str) -> str:
    """`text` with its links to files of this repository below `address`: elsewhere they would lead nowhere."""
    return re.sub(r"\]\((?![a-z]+:|#)", f"]({address}", text)


def _day(heading: str) -> str | None:
    found = _RELEASED.fullmatch(heading)
    try:
        return date.fromisoformat(found[2]).isoformat() if found else None
    except ValueError:
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring. Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.changelog", description="Check the changelog, or print a part."
    )
    parser.add_argument("--tag", help="print the release notes of this tag, such as v1.2.3")
    parser.add_argument("--links", default="", help="the address of this repository's files, with a / at its end")
    options = parser.parse_args(arguments)
    text = PAGE.read_text(encoding="utf-8")
    wrong = version.differences() + [f"{PAGE.name}: {each}" for each in problems(text, version.source())]
    if options.tag not in (None, f"v{version.source()}"):
        wrong.append(f"the tag is {options.tag}, and this tree has version {version.source()}")
    if wrong:
        print(*wrong, sep="\n", file=sys.stderr)
        return 1
    if options.tag:
        print(absolute(notes(sections(text), version.source()), options.links))
    return 0


if __name__ == "__main__":
    sys.exit(main())

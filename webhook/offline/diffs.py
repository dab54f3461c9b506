"""Edits of a text as a unified diff.

The edits are known, so no lines are compared: the time grows with the length of the text, even for 2 MB of equal lines.
"""

import bisect
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_CONTEXT: Final = 3  # lines around a change
_LINE: Final = re.compile(r"[^\n]*\n")  # splitlines() takes more than line feeds for line breaks
_RED, _GREEN, _CYAN, _BOLD, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True)
class Edit:
    """`text` replaces the characters from `start` to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class _Change:
    """`lines` replace the lines from `first` up to, not including, `last`."""

    first: int
    last: int
    lines: list[str]


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """`text` after `edits`, which are in order; edits at the same place keep theirs."""
    pieces = []
    position = 0
    for edit in edits:
        pieces += [text[position : edit.start], edit.text]
        position = max(position, edit.end)
    return "".join(pieces) + text[position:]


def unified(name: str, text: str, edits: Sequence[Edit]) -> str:
    """The unified diff of `edits` in `text`, which ends with a line break; "" without edits."""
    if not edits:
        return ""
    lines = _LINE.findall(text)
    result = [f"--- {name}\n", f"+++ {name}\t(mutated)\n"]
    shift = 0
    for group in _groups(_changes(text, lines, edits)):
        first, last = max(0, group[0].first - _CONTEXT), min(len(lines), group[-1].last + _CONTEXT)
        growth = sum(len(change.lines) - (change.last - change.first) for change in group)
        old, new = _range(first, last - first), _range(first + shift, last - first + growth)
        result.append(f"@@ -{old} +{new} @@\n")
        shift += growth
        position = first
        for change in group:
            result += [f" {line}" for line in lines[position : change.first]]
            result += [f"-{line}" for line in lines[change.first : change.last]]
            result += [f"+{line}" for line in change.lines]
            position = change.last
        result += [f" {line}" for line in lines[position:last]]
    return "".join(result)


def colour(diff: str) -> str:
    """A unified diff in git's colours."""
    return "".join(_colour_line(line) for line in _LINE.findall(diff))


def _changes(text: str, lines: Sequence[str], edits: Sequence[Edit]) -> Iterator[_Change]:
    starts = [0, *itertools.accumulate(map(len, lines))]
    pending: list[Edit] = []
    first = last = -1

    def change() -> _Change:
        start, end = starts[first], starts[last]
        inner = [Edit(each.start - start, each.end - start, each.text) for each in pending]
        return _Change(first, last, _LINE.findall(apply_edits(text[start:end], inner)))

    for edit in edits:
        begin = bisect.bisect_right(starts, edit.start) - 1
        whole = edit.start == edit.end == starts[begin] and edit.text.endswith("\n")
        end = begin if whole else bisect.bisect_left(starts, edit.end, begin + 1)
        if pending and begin <= last:
            last = max(last, end)
        else:
            if pending:
                yield change()
                pending.clear()
            first, last = begin, end
        pending.append(edit)
    yield change()


def _groups(changes: Iterator[_Change]) -> Iterator[list[_Change]]:
    """Changes whose context lines touch or overlap are one group."""
    group: list[_Change] = []
    for change in changes:
        if group and change.first - group[-1].last > 2 * _CONTEXT:
            yield group
            group = []
        group.append(change)
    yield group


def _range(first: int, length: int) -> str:
    if length == 1:
        return str(first + 1)
    return f"{first + 1 if length else first},{length}"


def _colour_line(line: str) -> str:
    colours = {"---": _BOLD, "+++": _BOLD, "@@ ": _CYAN}
    colour = colours.get(line[:3]) or {"-": _RED, "+": _GREEN}.get(line[0])
    return f"{colour}{line[:-1]}{_PLAIN}\n" if colour else line

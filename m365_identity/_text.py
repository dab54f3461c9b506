"""Times, lists and text from elsewhere, for people."""

import time
from collections.abc import Sequence
from typing import Final

__all__ = ["cut", "duration", "line", "listed", "printable", "stamp", "visible"]

_LONGEST: Final = 300  # characters of a foreign text
_AGES: Final = 1e9  # seconds


def stamp(seconds: float) -> str:
    """A time as `2026-01-31 23:59:59Z`."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        return "a time that makes no sense"


def duration(seconds: float) -> str:
    """A duration in one unit, whatever its sign: `45 s`, `12 min`, `3 h`, `5 d`; `ages` for one that makes no sense."""
    size = abs(seconds)
    if not size < _AGES:
        return "ages"
    for limit, divisor, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if size < limit:
            return f"{size / divisor:.0f} {unit}"
    return f"{size / 86400:.0f} d"


def listed(values: Sequence[str], *, most: int = 12) -> str:
    """The first values, and how many more there are."""
    shown = ", ".join(values[:most])
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"


def visible(text: object) -> str:
    """Text from elsewhere with a space for each control character: it cannot write to a terminal, nor a line of its own
    into a log."""
    return "".join(character if character.isprintable() else " " for character in str(text))


def line(text: object) -> str:
    """As `visible`, with single spaces."""
    return " ".join(visible(text).split())


def cut(text: str, most: int) -> str:
    """`text` with three dots for what is beyond `most` characters."""
    return text if len(text) <= most else text[: most - 3] + "..."


def printable(text: object) -> str:
    """As `line`, cut where it is too long."""
    return cut(line(text), _LONGEST)

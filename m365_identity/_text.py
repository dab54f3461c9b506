"""Times, lists and text from elsewhere, for people.

`one_line` is what makes foreign text safe; the others are made of it.
"""

import time
from collections.abc import Sequence
from typing import Final

__all__ = ["LONGEST", "duration", "listed", "one_line", "quoted", "shown", "stamp"]

LONGEST: Final = 300
"""Characters of a foreign text in a message: a sentence of a server's, but not its whole page."""
_LONGEST_QUOTED: Final = 80  # characters of a value that people compare with another: a GUID has 36
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
    first = ", ".join(values[:most])
    return first if len(values) <= most else f"{first} and {len(values) - most} more"


def one_line(text: object) -> str:
    """Text from elsewhere with a space for each character that is not printable.

    So it cannot move a terminal's cursor or start a line of its own in a log.
    """
    return "".join(character if character.isprintable() else " " for character in str(text))


def shown(text: object, limit: int = LONGEST) -> str:
    """Text from elsewhere as one line with single spaces, at most `limit` characters; "..." stands for the rest."""
    line = " ".join(one_line(text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def quoted(text: str) -> str:
    """A value that people compare with another: at most 80 characters, with an escape for each that is not ASCII."""
    return shown(ascii(text)[1:-1].replace('"', '\\"'), _LONGEST_QUOTED)

"""Text from elsewhere, for sentences."""

from typing import Final

_LONGEST: Final = 300  # characters


def sentence(text: str) -> str:
    """`text` with a full stop, unless it ends as a sentence already."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def line(text: object) -> str:
    """`text` as one line of ASCII, cut where it is too long."""
    plain = "".join(each if each.isprintable() else " " for each in str(text))
    short = " ".join(plain.encode("ascii", "backslashreplace").decode().split())
    return short if len(short) <= _LONGEST else f"{short[: _LONGEST - 3]}..."

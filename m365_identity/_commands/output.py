"""What a command writes: all of it, or an error.

Text can come from a token or a server, so control characters are replaced. A character that the stream's encoding does
not have is written as an escape.
"""

import os
import sys
from pathlib import Path
from typing import TextIO

from m365_identity._text import one_line

__all__ = ["OutputError", "put", "tell"]


class OutputError(Exception):
    """Standard output took no more. Its text is empty if the reader has closed the pipe, as `head` does."""


def put(text: str, *, before: str = "") -> None:
    """Writes `text` and a line's end to standard output, after `before` as it is. Raises OutputError."""
    if sys.stdout is None:
        raise OutputError("standard output is closed")
    try:
        sys.stdout.write(f"{before}{_writable(text, sys.stdout)}\n")
        sys.stdout.flush()
    except OSError as error:
        _abandon(sys.stdout)
        reason = "" if isinstance(error, BrokenPipeError) else f"standard output: {error.strerror}"
        raise OutputError(reason) from None


def tell(command: str, text: str) -> None:
    """Writes a message of `command` to standard error, if it is open."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"{f'm365-identity {command}'.rstrip()}: {_writable(text, sys.stderr)}\n")
        sys.stderr.flush()
    except OSError:
        _abandon(sys.stderr)


def _writable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"  # a StringIO has none
    lines = "\n".join(one_line(line) for line in text.split("\n"))
    return lines.encode(encoding, "backslashreplace").decode(encoding)


def _abandon(stream: TextIO) -> None:
    """Discards what is left for `stream`: Python would try again at its end, and complain."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())

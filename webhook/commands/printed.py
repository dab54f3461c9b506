"""Standard output and standard error of the commands."""

import os
import sys
from collections.abc import Iterable

from webhook.core.messages import message
from webhook.core.messages import settings as kinds
from webhook.settings import SettingsError


def write_stdout(text: str) -> None:
    """Writes all of `text`. Raises SettingsError if that fails; that a reader closes the pipe early is not an error."""
    # As bytes: the line breaks stay what they are, and the encoding is UTF-8 in every locale.
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains again when it ends
        if not isinstance(error, BrokenPipeError):  # `| head` has what it wants
            raise SettingsError([message(kinds.OUTPUT_FAILED, reason=error.strerror or str(error))]) from None


def write_stderr(lines: Iterable[str]) -> None:
    """Writes each of `lines`."""
    for line in lines:
        print(line, file=sys.stderr)

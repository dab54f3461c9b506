"""What a command prints: all of it, or an error."""

import os
import sys

from webhook.settings import SettingsError


def put(text: str) -> None:
    """Writes `text` to standard output. Raises SettingsError where that takes no more; a reader may leave early."""
    # Bytes: line breaks are the text's own, and the encoding is UTF-8 wherever this runs.
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would complain once more when it ends
        if not isinstance(error, BrokenPipeError):  # `| head` has all that it wants
            raise SettingsError([f"standard output cannot be written: {error.strerror}"]) from None

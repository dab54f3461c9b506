"""The reason of a failure where the kubelet takes it from: it puts what is in that file into the pod's status.

Without it the kubelet takes the end of the log, in which the attempts before and the likely causes stand, too. The line
is `WHAT [CODE] Fix: FIX`, and `m365wi check` reads it. Only the first process of a container writes it: a
command that somebody runs in a container beside it does not say why the container ended.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

from m365_identity._text import one_line
from m365_identity.errors import M365IdentityError, SettingsError

__all__ = ["LOG", "explain"]

LOG: Final = Path("/dev/termination-log")

_LONGEST: Final = 3000  # bytes; the kubelet takes the last 4096, and less of a pod with many containers


def explain(error: M365IdentityError) -> None:
    """Writes why the container ends, if this is its first process, and the kubelet has mounted the file."""
    if os.getpid() != 1 or not LOG.is_file():
        return
    line = one_line(_line(error)).encode("ascii", "backslashreplace")
    with contextlib.suppress(OSError):  # the log has it, too
        LOG.write_bytes(line[:_LONGEST])


def _line(error: M365IdentityError) -> str:
    if isinstance(error, SettingsError):
        fixes = dict.fromkeys(each.fix for each in error._messages if each.fix)
        return f"{'; '.join(map(str, error._messages))}{' Fix: ' * bool(fixes)}{'; '.join(fixes)}"
    codes = f" [{', '.join(error.codes)}]" if error.codes else ""
    return f"{error.summary or error}{codes}{f' Fix: {error.advice.fix}' if error.advice else ''}"

"""`m365-identity COMMAND`, or `python -m m365_identity COMMAND`; `_commands.program` explains both.

It handles signals first and imports the rest of the program after that: imports take most of the start.
"""

from __future__ import annotations

import os
import sys

from m365_identity._commands.ending import end_at_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Runs the command that `arguments` name. Returns the exit code.

    Without `arguments`, it runs the process's own, and a signal ends the process from here on.
    """
    if arguments is None:
        end_at_signals()
    from m365_identity._commands.program import main as run

    return run(sys.argv[1:] if arguments is None else arguments, environ)


if __name__ == "__main__":
    sys.exit(main())

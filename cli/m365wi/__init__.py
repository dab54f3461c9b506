"""`m365wi` and `kubectl m365wi`: the program `python -m webhook`, installed.

Its packages have common names, `webhook` and `certs`, and the helper may be there in another version. So they are in a
folder of their own here, where they cannot meet another package of an environment; only this program finds them.
"""

import sys
from pathlib import Path

__all__ = ["main"]


def main() -> int:
    """Runs the command of sys.argv. Returns the exit code."""
    sys.path.insert(0, str(Path(__file__).parent / "_packages"))
    from webhook import commands

    return commands.main(sys.argv[1:], commands.program(sys.argv[0]))

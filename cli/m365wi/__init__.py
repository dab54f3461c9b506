"""`m365wi` and `kubectl m365wi`: the program `python -m webhook`, installed.

Its packages have common names, `webhook` and `certs`, and the helper may be there in another version. So they are in a
folder of their own here, where they cannot meet another package of an environment; only this program finds them.
"""

import sys
from pathlib import Path

__all__ = ["complete", "main"]


def main() -> int:
    """Runs the command of sys.argv. Returns the exit code."""
    _find_packages()
    from webhook import commands

    return commands.main(sys.argv[1:], commands.program(sys.argv[0]))


def complete() -> int:
    """Prints what kubectl offers at Tab after the words of sys.argv. Returns the exit code."""
    _find_packages()
    from webhook import commands

    return commands.complete_for_kubectl(sys.argv[1:])


def _find_packages() -> None:
    sys.path.insert(0, str(Path(__file__).parent / "_packages"))

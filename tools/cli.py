"""Writes docs/cli.md, the page of commands and flags, from the parsers of the program.

python -m tools.cli            writes the page
python -m tools.cli --check    prints what differs, with exit status 1
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from webhook import commands

__all__ = ["main", "page"]

PAGE: Final = Path(__file__).parent.parent / "docs" / "cli.md"
_PROGRAM: Final = "m365wi"
_HEAD: Final = f"""\
# The command line

[Install it](install.md#the-commands) once; `kubectl m365wi` is the same program. In the image it is `m365-webhook`, and
in a checkout `python -m webhook`. `{_PROGRAM} COMMAND --help` says the same.

<!-- `make cli` writes this page from the commands: change those. -->

| command | |
|---|---|
"""
_TAIL: Final = """\

## Which cluster

As for kubectl: `--kubeconfig`, else `$KUBECONFIG` (several files are merged), else `~/.kube/config`, else the cluster
that the pod runs in. `--context`, `--cluster` and `--user` choose in it; `-n` is the namespace of the context unless it
is given. A credential plugin (`exec`) is run as kubectl runs it. If it is missing or fails, the command stops with
exit code 2, its own words, and the `installHint` of the kubeconfig; without a terminal it has 30 s, or
`--request-timeout`. The command also stops if the kubeconfig has nothing to sign in with, and if the API server
does not accept what it has; it sends no request without a login. `as` of a user, `tls-server-name` and `proxy-url`
count; without that, `HTTPS_PROXY` and `NO_PROXY`, but not for loopback. If the API server throttles, it asks
again. What takes more than two seconds shows a line on a terminal meanwhile.

## Exit codes

| | |
|---|---|
| 0 | done; there may be warnings |
| 1 | refused, or something is wrong: standard error, or the report, has the fix |
| 2 | wrong usage, with every mistake at once; or standard output cannot be written |
| 3 | only `mutate`: an error of the program itself |
"""


def page() -> str:
    """The text of the page."""
    parts = [_HEAD, *(f"| [`{name}`](#{name}) | {summary} |\n" for name, summary in commands.COMMANDS.items())]
    parts.append(_TAIL)
    for name, summary in commands.COMMANDS.items():
        parts += [f"\n## {name}\n\n{summary[0].upper()}{summary[1:]}.\n\n| | |\n|---|---|\n", *_rows(name)]
    return "".join(parts)


def _rows(name: str) -> Iterator[str]:
    """A line of the table for each flag and argument of a command."""
    (choices,) = (
        action.choices
        for action in commands.parser([name], _PROGRAM)._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    for action in choices[name]._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        value = action.metavar or ("|".join(action.choices) if action.choices else action.dest.upper())
        named = ", ".join(action.option_strings) or str(value)
        if action.option_strings and action.nargs != 0:
            named += f" {value}"
        text = (action.help or "").replace("|", "\\|")
        yield f"| `{named.replace('|', chr(92) + '|')}` | {text} |\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.cli", description="Write docs/cli.md.")
    parser.add_argument("--check", action="store_true", help="only say what differs")
    options = parser.parse_args(arguments)
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if not options.check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    found = [
        *difflib.unified_diff(written.splitlines(), page().splitlines(), "docs/cli.md", "as it should be", lineterm="")
    ]
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

"""`m365-identity doctor`: every link from token file to Microsoft Graph, a line each, and the fix of what is broken.

Exit codes: 0 nothing failed, 1 something did, 2 wrong usage. Nothing secret is printed.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from m365_identity._checks import Found, Result, Status, walk
from m365_identity._commands import options
from m365_identity._commands.output import put
from m365_identity._text import visible

__all__ = ["add_arguments", "run"]

_SILENCE: Final = 10.0  # seconds
_LONGEST: Final = 600.0
_SETTINGS: Final = ("tenant_id", "client_id", "token_file", "cloud", "authority", "graph")
# Settings that are good in themselves, so that only flags can be wrong.
_COMPLETE: Final = {
    "M365_TENANT_ID": "any",
    "M365_CLIENT_ID": "00000000-0000-0000-0000-000000000000",
    "AZURE_FEDERATED_TOKEN_FILE": "/any",
}

_SIGNS: Final = {Status.OK: "✓", Status.WARN: "!", Status.FAIL: "✗", Status.SKIP: "-"}
_WORDS: Final = {Status.OK: "ok  ", Status.WARN: "warn", Status.FAIL: "FAIL", Status.SKIP: "skip"}
_COLOURS: Final = {Status.OK: "32", Status.WARN: "33", Status.FAIL: "31", Status.SKIP: "2"}
_TITLE: Final = 19  # characters of the longest title


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    options.add_settings(parser)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="how to show it (%(default)s)")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=_SILENCE,
        metavar="SECONDS",
        help="how long a server may say nothing (%(default)g)",
    )
    parser.epilog = "Exit codes: 0 nothing failed, 1 something did, 2 wrong usage."


def run(flags: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> int:
    """Walks the links and tells of each. Raises SettingsError for wrong flags; wrong variables are what it tells of."""
    options.settings_from(flags, _COMPLETE)
    found = Found(environ=environ, given={name: getattr(flags, name) for name in _SETTINGS}, silence=flags.timeout)
    results: list[Result] = []
    write = _Writer(sys.stdout, environ)
    for result in walk(found):
        results.append(result)
        if flags.output == "text":
            write.result(result)
    if flags.output == "json":
        put(json.dumps(_document(results), indent=2))
    else:
        write.summary(results)
    return 1 if any(result.status is Status.FAIL for result in results) else 0


class _Writer:
    """Writes results as they come: signs and colours on a terminal, words elsewhere."""

    def __init__(self, stream: TextIO | None, environ: Mapping[str, str]) -> None:
        encoding = (stream and stream.encoding) or "ascii"
        self._fixed = ""
        is_terminal = stream is not None and stream.isatty() and environ.get("TERM") != "dumb"
        self._is_coloured = is_terminal and not environ.get("NO_COLOR")
        self._signs = _SIGNS if is_terminal and encoding.lower() in ("utf-8", "utf8") else _WORDS

    def result(self, result: Result) -> None:
        sign = self._signs[result.status]
        if self._is_coloured:
            sign = f"\x1b[{_COLOURS[result.status]}m{sign}\x1b[0m"
        put(visible(f"{result.title.ljust(_TITLE)}  {result.detail}"), before=f"{sign} ")
        for number, cause in enumerate(result.causes, 1):
            put(visible(f"      {number}. {cause}"))
        self._fix(result)

    def summary(self, results: Sequence[Result]) -> None:
        counts = Counter(result.status for result in results)
        told = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
        first = _first(results)
        put("")
        self._fixed = ""
        if first is None:
            put(f"{told}. Every link holds.")
            return
        put(f"{told}. First to {'mend' if first.status is Status.FAIL else 'look at'}: {first.title}")
        put(visible(f"      {first.detail}"))
        self._fix(first)

    def _fix(self, result: Result) -> None:
        if result.fix and result.fix != self._fixed:
            put(visible(f"      fix: {result.fix}"))
        self._fixed = result.fix


def _document(results: Sequence[Result]) -> dict[str, object]:
    """What `-o json` prints: docs/doctor.md tells of it."""
    first = _first(results)
    return {
        "status": first.status if first else Status.OK,
        "first": first.id if first else None,
        "checks": [
            {
                "id": result.id,
                "title": result.title,
                "status": result.status,
                "detail": result.detail,
                "causes": list(result.causes),
                "fix": result.fix,
            }
            for result in results
        ],
    }


def _first(results: Sequence[Result]) -> Result | None:
    """What to mend first: the first that failed, since later ones may follow from it, else the first to look at."""
    for status in (Status.FAIL, Status.WARN):
        for result in results:
            if result.status is status:
                return result
    return None


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _LONGEST:
        raise argparse.ArgumentTypeError(f'"{text}" is no number of seconds above 0 and up to {_LONGEST:g}')
    return value

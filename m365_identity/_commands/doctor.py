"""`m365-identity doctor`: every link from token file to Microsoft Graph, a line each, and the fix for what is broken.

Exit codes: 0 nothing failed, 1 something did, 2 wrong usage. Nothing secret is printed.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from m365_identity._checks import Found, LinkResult, LinkStatus, walk
from m365_identity._commands import options
from m365_identity._commands.output import put

__all__ = ["add_arguments", "run"]

_SILENCE: Final = 10.0  # seconds, as for the library
_LONGEST: Final = 600.0  # seconds; a longer silence is a mistake in the flag
_SETTINGS: Final = ("tenant_id", "client_id", "token_file", "cloud", "authority", "graph")
# Settings that are good in themselves, so that only flags can be wrong.
_COMPLETE: Final = {
    "M365_TENANT_ID": "any.example",
    "M365_CLIENT_ID": "00000000-0000-0000-0000-000000000000",
    "AZURE_FEDERATED_TOKEN_FILE": "/any",
}

_SIGNS: Final = {LinkStatus.OK: "✓", LinkStatus.WARN: "!", LinkStatus.FAIL: "✗", LinkStatus.SKIP: "-"}
_WORDS: Final = {LinkStatus.OK: "ok  ", LinkStatus.WARN: "warn", LinkStatus.FAIL: "FAIL", LinkStatus.SKIP: "skip"}
_COLOURS: Final = {LinkStatus.OK: "32", LinkStatus.WARN: "33", LinkStatus.FAIL: "31", LinkStatus.SKIP: "2"}
_TITLE: Final = 19  # characters of the longest title, "renewal of the file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    options.add_settings(parser)
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="how to show it (%(default)s)")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=_SILENCE,
        metavar="SECONDS",
        help="how long a server may be silent (%(default)g)",
    )
    parser.epilog = "Exit codes: 0 nothing failed, 1 something did, 2 wrong usage."


def run(flags: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> int:
    """Checks the links and reports each. Raises SettingsError for wrong flags; wrong variables are findings."""
    options.settings_from(flags, _COMPLETE)
    found = Found(environ=environ, given={name: getattr(flags, name) for name in _SETTINGS}, silence=flags.timeout)
    results: list[LinkResult] = []
    write = _Writer(sys.stdout, environ)
    for result in walk(found):
        results.append(result)
        if flags.output == "text":
            write.result(result)
    if flags.output == "json":
        put(json.dumps(_document(results), indent=2))
    else:
        write.summary(results)
    return 1 if any(result.status is LinkStatus.FAIL for result in results) else 0


class _Writer:
    """Writes results as they come: signs and colours on a terminal, words elsewhere."""

    def __init__(self, stream: TextIO | None, environ: Mapping[str, str]) -> None:
        encoding = (stream and stream.encoding) or "ascii"
        self._fixed = ""
        is_terminal = stream is not None and stream.isatty() and environ.get("TERM") != "dumb"
        self._is_coloured = is_terminal and not environ.get("NO_COLOR")
        self._signs = _SIGNS if is_terminal and encoding.lower() in ("utf-8", "utf8") else _WORDS

    def result(self, result: LinkResult) -> None:
        sign = self._signs[result.status]
        if self._is_coloured:
            sign = f"\x1b[{_COLOURS[result.status]}m{sign}\x1b[0m"
        put(f"{result.title.ljust(_TITLE)}  {_detail(result)}", before=f"{sign} ")
        for number, cause in enumerate(result.causes, 1):
            put(f"      {number}. {cause}")
        self._fix(result)

    def summary(self, results: Sequence[LinkResult]) -> None:
        counts = Counter(result.status for result in results)
        total = ", ".join(f"{counts[status]} {status}" for status in LinkStatus if counts[status])
        first = _first(results)
        put("")
        self._fixed = ""
        if first is None:
            put(f"{total}. Every link holds.")
            return
        put(f"{total}. First to {'fix' if first.status is LinkStatus.FAIL else 'look at'}: {first.title}")
        put(f"      {_detail(first)}")
        self._fix(first)

    def _fix(self, result: LinkResult) -> None:
        if result.fix and result.fix != self._fixed:
            put(f"      fix: {result.fix}")
        self._fixed = result.fix


def _detail(result: LinkResult) -> str:
    """What was found, with the code if somebody should look it up."""
    found = result.status in (LinkStatus.FAIL, LinkStatus.WARN)
    return f"{result.detail} [{result.code}]" if found else result.detail


def _document(results: Sequence[LinkResult]) -> dict[str, object]:
    """What `-o json` prints: see docs/doctor.md."""
    first = _first(results)
    return {
        "status": first.status if first else LinkStatus.OK,
        "first": first.id if first else None,
        "checks": [
            {
                "id": result.id,
                "title": result.title,
                "status": result.status,
                "code": result.code,
                "detail": result.detail,
                "causes": list(result.causes),
                "fix": result.fix,
            }
            for result in results
        ],
    }


def _first(results: Sequence[LinkResult]) -> LinkResult | None:
    """What to fix first: the first that failed, since later ones can follow from it, else the first to look at."""
    for status in (LinkStatus.FAIL, LinkStatus.WARN):
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
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of seconds above 0 and up to {_LONGEST:g}')
    return value

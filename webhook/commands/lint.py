"""`m365wi lint`: what is wrong with manifests, before they reach a cluster.

    exit 0   nothing is as severe as --fail-on says
    exit 1   there is something to fix
    exit 2   wrong usage: a flag, a path, the ignore file, or not one object; each mistake is listed
    exit 3   our bug: the webhook would answer HTTP 500

The result goes to standard output.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from webhook.commands import reports
from webhook.commands.manifest_flags import policy_of
from webhook.commands.printed import write_stderr, write_stdout
from webhook.core.messages import Message, Place, Severity, manifests, message
from webhook.core.messages import settings as kinds
from webhook.core.mutation import UnsoundPatch
from webhook.core.names import NAMESPACE_NAME
from webhook.documents.files import STANDARD_INPUT
from webhook.offline.lint import outputs
from webhook.offline.lint.explained import explained, similar
from webhook.offline.lint.ignores import DEFAULT_FILE, Ignore, of_file
from webhook.offline.lint.junit import junit
from webhook.offline.lint.linting import Report, lint
from webhook.offline.lint.reading import read
from webhook.offline.lint.sarif import sarif
from webhook.settings import SettingsError, add_flags, bad_value

_FORMATS: Final = ("text", "json", "sarif", "junit", "github")
_SEVERITIES: Final = (Severity.ERROR, Severity.WARNING)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command; `run` checks their values."""
    what = f"manifests: a file, a folder with all that is in it, or {STANDARD_INPUT} for standard input"
    parser.add_argument(
        "-f", "--filename", metavar="PATH", action="append", default=[], help=f"{what}; may be repeated"
    )
    parser.add_argument("paths", metavar="PATH", nargs="*", help="the same without a flag")
    parser.add_argument(
        "-n", "--namespace", metavar="NAMESPACE", default="", help="of objects without one (it is not known)"
    )
    parser.add_argument("-o", "--output", metavar="FORMAT", default="text", help=f"{', '.join(_FORMATS)} (text)")
    parser.add_argument(
        "--fail-on",
        metavar="SEVERITY",
        default="error",
        help=f"the least severity that makes the exit code 1: {', '.join(_SEVERITIES)} (error)",
    )
    parser.add_argument(
        "--ignore-file", metavar="FILE", help=f"what is on purpose, with reasons ({DEFAULT_FILE}, if it exists)"
    )
    parser.add_argument(
        "--with-suppressed",
        action="store_true",
        help="in SARIF: what is on purpose, too, as `suppressions`; GitHub would show it as alerts",
    )
    parser.add_argument(
        "--stdin-name", metavar="FILE", default="<stdin>", help="the file that standard input is shown as (<stdin>)"
    )
    parser.add_argument("--explain", metavar="CODE", help="say what a code means, and read no file")
    add_flags(parser, policy_only=True)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Prints what is wrong. Raises SettingsError for wrong usage."""
    if flags.explain is not None:
        return _explain(flags.explain)
    problems = [*_problems(flags)]
    policy = policy_of(flags, environ, problems)
    ignores = _ignores(flags, problems)
    if problems:
        raise SettingsError(problems)
    paths = [*flags.filename, *flags.paths]
    reading = read(paths, namespace=flags.namespace, stdin=sys.stdin.buffer, stdin_name=flags.stdin_name)
    if reading.problems:
        raise SettingsError(reading.problems)
    try:
        report = lint(reading, policy, ignores)
    except UnsoundPatch as error:
        write_stderr([f"{flags.program}: {message(manifests.UNSOUND_PATCH, reason=str(error))}"])
        return 3
    severity = Severity(flags.fail_on)
    write_stdout(_written(report, flags, severity))
    if flags.output in ("sarif", "junit"):
        write_stderr([outputs.summary(report)])  # for the log of the job
    return 1 if report.fails(severity) else 0


def _written(report: Report, flags: argparse.Namespace, fail_on: Severity) -> str:
    if flags.output == "junit":
        return junit(report, fail_on)
    if flags.output == "sarif":
        return sarif(report, suppressed=flags.with_suppressed)
    return {"text": outputs.text, "json": outputs.document, "github": outputs.github}[flags.output](report)


def _problems(flags: argparse.Namespace) -> Iterator[Message]:
    if not flags.filename and not flags.paths:
        expected = f"a file, a folder, or {STANDARD_INPUT} for standard input"
        yield message(kinds.VALUE_MISSING, Place("-f"), expected=expected)
    yield from reports.wrong_output(flags, _FORMATS)
    if flags.fail_on not in _SEVERITIES:
        yield bad_value("--fail-on", flags.fail_on, f"one of {', '.join(_SEVERITIES)}")
    if flags.with_suppressed and flags.output != "sarif":
        yield message(kinds.FLAG_ALONE, Place("--with-suppressed"), command="lint -o sarif")
    if flags.namespace and not NAMESPACE_NAME.fullmatch(flags.namespace):
        yield bad_value("-n", flags.namespace, "a namespace's name")


def _ignores(flags: argparse.Namespace, problems: list[Message]) -> list[Ignore]:
    if flags.ignore_file is None and not Path(DEFAULT_FILE).exists():
        return []
    ignores, wrong = of_file(flags.ignore_file or DEFAULT_FILE)
    problems += wrong
    return ignores


def _explain(code: str) -> int:
    found = explained(code)
    if found is None:
        close = similar(code)
        expected = f"a code of docs/messages.md{', such as ' if close else ''}{', '.join(close)}"
        raise SettingsError([bad_value("--explain", code, expected)])
    write_stdout(found)
    return 0

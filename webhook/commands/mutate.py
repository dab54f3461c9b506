"""`m365wi mutate`: what the webhook would do with manifests, without a cluster.

    exit 0   printed: the manifests with the additions, everything else unchanged
    exit 1   refused: kube-apiserver would refuse one of the objects, so nothing is printed
    exit 2   wrong usage: a flag, a file, or its content; each mistake is listed. Also if nothing can be written
    exit 3   our bug: a patch for which the webhook would answer HTTP 500; nothing is printed

The result goes to standard output. Decisions, warnings and hints go to standard error.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from webhook.commands import reports
from webhook.commands.manifest_flags import add_manifest_flags, read_all
from webhook.commands.printed import write_stderr, write_stdout
from webhook.core.messages import Message, Place, manifests, message, one_line
from webhook.core.messages import settings as kinds
from webhook.core.mutation import UnsoundPatch
from webhook.core.names import NAMESPACE_NAME
from webhook.core.policy import Policy
from webhook.documents.files import STANDARD_INPUT, ManifestFiles
from webhook.offline.diffs import colour
from webhook.offline.outputs import FORMATS
from webhook.offline.workloads import Result, decide_all
from webhook.settings import bad_value

_COLOURS: Final = ("auto", "always", "never")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command; `run` checks their values."""
    parser.add_argument("-o", "--output", metavar="FORMAT", default="yaml", help=f"{', '.join(FORMATS)} (yaml)")
    parser.add_argument("--color", metavar="WHEN", default="auto", help=f"colour a diff: {', '.join(_COLOURS)} (auto)")
    add_manifest_flags(parser)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Prints the manifests with what the webhook would add to them. Raises SettingsError for wrong usage."""
    policy, files = read_all(flags, environ, [*_problems(flags)])
    write_stderr(f"warning: {warning}" for warning in files.warnings)
    try:
        return _print(flags, policy, files, environ)
    except UnsoundPatch as error:
        write_stderr([f"{flags.program}: {message(manifests.UNSOUND_PATCH, reason=str(error))}"])
        return 3


def _print(flags: argparse.Namespace, policy: Policy, files: ManifestFiles, environ: Mapping[str, str]) -> int:
    results = decide_all(files.manifests, policy, flags.namespace)
    for result in results:
        write_stderr(_lines(result))
    if not any(result.has_template or result.note for result in results):
        write_stderr([str(message(manifests.NO_PODS))])
    if any(result.refused for result in results):
        write_stderr([str(message(manifests.NOTHING_PRINTED))])
        return 1
    output = FORMATS[flags.output](files.sources, results)
    write_stderr(f"warning: {warning}" for warning in output.warnings)
    in_colour = flags.output == "diff" and _in_colour(flags.color, environ)
    write_stdout(colour(output.text) if in_colour else output.text)
    return 0


def _problems(flags: argparse.Namespace) -> Iterator[Message]:
    if not flags.filename:
        expected = f"a file, a folder, or {STANDARD_INPUT} for standard input"
        yield message(kinds.VALUE_MISSING, Place("-f"), expected=expected)
    yield from reports.wrong_output(flags, tuple(FORMATS))
    if flags.color not in _COLOURS:
        yield bad_value("--color", flags.color, f"one of {', '.join(_COLOURS)}")
    if not NAMESPACE_NAME.fullmatch(flags.namespace):
        yield bad_value("-n", flags.namespace, "a namespace's name")


def _lines(result: Result) -> Iterator[str]:
    """The decision about an object, then a line for each warning and each hint."""
    decision = result.decision
    if result.note:
        yield f"{result.title}: {result.note}"
    elif result.refused:
        yield f"{result.title}: refused: {one_line(decision.problems)}"
    elif decision.outcome == "injected":
        yield f"{result.title}: injected"
    else:
        yield f"{result.title}: {decision.outcome}: {decision.reason}"
    yield from (f"{result.title}: warning: {warning}" for warning in decision.warnings)
    yield from (f"{result.title}: hint: {hint}" for hint in result.hints)


def _in_colour(when: str, environ: Mapping[str, str]) -> bool:
    """Whether to use colours. For the environment, see https://no-color.org."""
    if when == "auto":
        return sys.stdout.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return when == "always"

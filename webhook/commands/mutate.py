"""`python -m webhook mutate`: what would become of manifests, without a cluster.

    exit 0   printed: what is injected, and everything else as it came
    exit 1   refused: kube-apiserver would not take one of the objects, so nothing is printed
    exit 2   wrong usage: a flag, a file, or what is in it; each mistake is listed. Also when nothing can be written
    exit 3   our bug: a patch that must not be sent, which the webhook would answer with HTTP 500; nothing is printed

The result goes to standard output; what was decided of each object, and what looks like a mistake, to standard error.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from webhook.commands.printed import put
from webhook.core.messages import one_line
from webhook.core.mutation import UnsoundPatch
from webhook.core.policy import Policy
from webhook.documents.files import STANDARD_INPUT, Reading, read
from webhook.offline.diffs import coloured
from webhook.offline.outputs import FORMATS
from webhook.offline.workloads import Result, decide_all
from webhook.settings import SettingsError, add_flags, read_settings

_COLOURS: Final = ("auto", "always", "never")
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command; `run` checks their values."""
    parser.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        action="append",
        default=[],
        help=f"manifests: a file, a folder, or {STANDARD_INPUT} for standard input; may be repeated",
    )
    parser.add_argument(
        "-n", "--namespace", metavar="NAMESPACE", default="default", help="of objects that name none (default)"
    )
    parser.add_argument("-o", "--output", metavar="FORMAT", default="yaml", help=f"{', '.join(FORMATS)} (yaml)")
    parser.add_argument("--color", metavar="WHEN", default="auto", help=f"of a diff: {', '.join(_COLOURS)} (auto)")
    add_flags(parser, policy_only=True)


def run(flags: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Prints the manifests with what the webhook would add to them. Raises SettingsError for wrong usage."""
    problems = [*_problems(flags)]
    policy = Policy()
    try:
        policy = read_settings(flags, environ).policy
    except SettingsError as error:
        problems += error.problems
    reading = read(flags.filename, sys.stdin.buffer)
    problems += reading.problems
    if problems:
        raise SettingsError(problems)
    _tell(reading.warnings)
    try:
        return _mutated(flags, policy, reading, environ)
    except UnsoundPatch as error:
        _tell([f"python -m webhook mutate: a bug of this program, so nothing is printed; please report it: {error}"])
        return 3


def _mutated(flags: argparse.Namespace, policy: Policy, reading: Reading, environ: Mapping[str, str]) -> int:
    results = decide_all(reading.manifests, policy, flags.namespace)
    for result in results:
        _tell(_account(result))
    if not any(result.has_pods for result in results):
        _tell(["no object in these files has pods"])
    if any(result.refused for result in results):
        _tell(["nothing is printed, since not all of it would be taken"])
        return 1
    output = FORMATS[flags.output](reading.sources, results)
    _tell(f"warning: {warning}" for warning in output.warnings)
    in_colour = flags.output == "diff" and _in_colour(flags.color, environ)
    put(coloured(output.text) if in_colour else output.text)
    return 0


def _problems(flags: argparse.Namespace) -> Iterator[str]:
    if not flags.filename:
        yield f"-f is missing, expected a file, a folder, or {STANDARD_INPUT} for standard input"
    if flags.output not in FORMATS:
        yield f'-o is "{flags.output}", expected one of {", ".join(FORMATS)}'
    if flags.color not in _COLOURS:
        yield f'--color is "{flags.color}", expected one of {", ".join(_COLOURS)}'
    if not _NAMESPACE.fullmatch(flags.namespace):
        yield f'-n is "{flags.namespace}", expected a namespace\'s name'


def _account(result: Result) -> Sequence[str]:
    """What was decided of an object, and each warning and each hint in a line of its own."""
    decision = result.decision
    if result.refused:
        decided = f"refused: {one_line(decision.problems)}"
    elif decision.outcome == "injected":
        decided = "injected"
    else:
        decided = f"{decision.outcome}: {decision.reason}"
    warnings = (f"{result.title}: warning: {warning}" for warning in decision.warnings)
    return [f"{result.title}: {decided}", *warnings, *(f"{result.title}: hint: {hint}" for hint in result.hints)]


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def _in_colour(when: str, environ: Mapping[str, str]) -> bool:
    """Whether to use colours; see https://no-color.org for what the environment has to say."""
    if when == "auto":
        return sys.stdout.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return when == "always"

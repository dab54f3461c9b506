"""How fast the webhook is, measured against one of the usual kind (Go, controller-runtime) in the same run.

    python -m bench                   all of it; some minutes, and some more the first time, to build what it needs
    python -m bench --quick           a second a point and one round: does it work?
    python -m bench --endpoint        the review endpoint only; --cluster: pods through kube-apiserver only
    python -m bench --before          against the commit before only; --commit COMMIT: against another one
    python -m bench --parts           the processor time of a review by part only
    python -m bench --json FILE       the report, with the values of every round, into a file as well
    python -m bench --update-docs     writes the tables in docs/performance.md
    python -m bench --python PATH     ours under another interpreter, with the packages of this one

Goals are reported, not enforced: exit status 0 when all was measured without an error, 1 when not, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench import before, cluster, endpoint, parts
from bench.endpoint import Measured, Plan
from bench.generator import BenchError
from bench.machine import busy, setup
from bench.pods import WrongAnswer
from bench.programs import PROGRAMS, binary
from bench.report import Report, as_json, as_text, update_page
from testbed.cluster.processes import ClusterError
from testbed.cluster.toolchain import BuildError

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
ALL = ("endpoint", "cluster", "before", "parts")
QUICK = Plan(rounds=1, seconds=1, starts=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    summary, _, rest = (__doc__ or "").partition("\n")
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m bench", description=summary, epilog=rest, formatter_class=raw)
    parser.add_argument("--endpoint", action="store_true", help="the review endpoint only")
    parser.add_argument("--cluster", action="store_true", help="pods through kube-apiserver only")
    parser.add_argument("--before", action="store_true", help="against the commit before only")
    parser.add_argument("--parts", action="store_true", help="processor time by part only")
    parser.add_argument("--commit", default="", help="what --before compares with (default: the commit before)")
    parser.add_argument("--quick", action="store_true", help="one round of a second a point")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report to FILE")
    parser.add_argument("--update-docs", action="store_true", help="write the tables into docs/performance.md")
    parser.add_argument("--python", metavar="PATH", default=sys.executable, help="the interpreter that ours runs under")
    options = parser.parse_args(arguments)
    plan = replace(QUICK if options.quick else Plan(), python=options.python)
    chosen = [name for name in ALL if getattr(options, name)] or list(ALL)
    if options.update_docs and (options.quick or chosen != list(ALL)):
        parser.error("--update-docs takes a whole run: without --quick or a part")
    try:
        report = _report(chosen, plan, options)
        for lines in _tables(chosen, plan, options.commit):
            print("\n".join(["", *lines]))
    except (BenchError, BuildError, ClusterError, WrongAnswer) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if report is None:
        return 0
    if report.errors:
        print(f"bench: {report.errors} of {report.requests} requests failed", file=sys.stderr)
        return 1
    if options.update_docs:
        update_page(PAGE, report)
    return 0


def _report(chosen: Sequence[str], plan: Plan, options: argparse.Namespace) -> Report | None:
    """What is measured against the reference, printed as well."""
    against_reference = [name for name in chosen if name in ("endpoint", "cluster")]
    if not against_reference:
        return None
    report = run(against_reference, plan, command=_command(options))
    print(as_text(report))
    if options.json:
        options.json.write_text(json.dumps(as_json(report), indent=2) + "\n", encoding="utf-8")
    return report


def _tables(chosen: Sequence[str], plan: Plan, commit: str) -> Iterator[list[str]]:
    """What is measured without the reference."""
    if "before" in chosen:
        yield before.lines(plan, say, commit=commit)
    if "parts" in chosen:
        yield parts.table(parts.measure())


def run(against_reference: Sequence[str], plan: Plan, *, command: str) -> Report:
    """Measures "endpoint" and "cluster". Raises BenchError, BuildError, ClusterError or WrongAnswer."""
    for program in PROGRAMS:
        binary(program, report=say)  # built before anything is measured
    if warning := busy():
        say(warning)
    machine = setup(plan.python)
    measured: list[Measured] = []
    if "endpoint" in against_reference:
        measured.append(endpoint.measure(plan, say))
    if "cluster" in against_reference:
        measured.append(cluster.measure(plan, say))
    points = [point for part in measured for point in part.points]
    return Report(
        command=command,
        setup=machine,
        rows=tuple(row for part in measured for row in part.rows),
        requests=sum(point.requests for point in points),
        errors=sum(point.errors for point in points),
        generator_busy=max(point.generator_busy for point in points),
    )


def say(line: str) -> None:
    """Progress, on stderr."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


def _command(options: argparse.Namespace) -> str:
    given = [flag for flag in ("quick", *ALL) if getattr(options, flag)]
    return " ".join(["python -m bench", *(f"--{flag}" for flag in given)])


if __name__ == "__main__":
    sys.exit(main())

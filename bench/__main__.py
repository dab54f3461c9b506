"""How fast the webhook is, measured against one of the usual kind (Go, controller-runtime) in the same run.

    python -m bench                   all of it; some minutes, and some more the first time, to build what it needs
    python -m bench --quick           a second a point and one round: does it work?
    python -m bench --endpoint        the review endpoint only; --cluster: pods through kube-apiserver only
    python -m bench --json FILE       the report, with the values of every round, into a file as well
    python -m bench --update-docs     the tables in docs/performance.md anew
    python -m bench --python PATH     ours under another interpreter, with the packages of this one

Goals are reported, not enforced: exit status 0 when all was measured without an error, 1 when not, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import cluster, endpoint
from bench.endpoint import Measured, Plan
from bench.generator import BenchError
from bench.machine import busy, setup
from bench.pods import WrongAnswer
from bench.programs import GENERATOR, REFERENCE, binary
from bench.report import Report, as_json, as_text, update_page
from testbed.cluster.processes import ClusterError
from testbed.cluster.toolchain import BuildError

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
QUICK = Plan(rounds=1, seconds=1, starts=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    summary, _, rest = (__doc__ or "").partition("\n")
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m bench", description=summary, epilog=rest, formatter_class=raw)
    parser.add_argument("--endpoint", action="store_true", help="the review endpoint only")
    parser.add_argument("--cluster", action="store_true", help="pods through kube-apiserver only")
    parser.add_argument("--quick", action="store_true", help="one round of a second a point")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report to FILE")
    parser.add_argument("--update-docs", action="store_true", help="write the tables into docs/performance.md")
    parser.add_argument("--python", metavar="PATH", default=sys.executable, help="the interpreter that ours runs under")
    options = parser.parse_args(arguments)
    plan = replace(QUICK if options.quick else Plan(), python=options.python)
    parts = [name for name in ("endpoint", "cluster") if getattr(options, name)] or ["endpoint", "cluster"]
    if options.update_docs and (options.quick or len(parts) < 2):
        parser.error("--update-docs takes a whole run: without --quick, --endpoint or --cluster")
    try:
        report = run(parts, plan, command=_command(options))
    except (BenchError, BuildError, ClusterError, WrongAnswer) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(as_text(report))
    if options.json:
        options.json.write_text(json.dumps(as_json(report), indent=2) + "\n", encoding="utf-8")
    if report.errors:
        print(f"bench: {report.errors} of {report.requests} requests failed", file=sys.stderr)
        return 1
    if options.update_docs:
        update_page(PAGE, report)
    return 0


def run(parts: Sequence[str], plan: Plan, *, command: str) -> Report:
    """Measures `parts`, "endpoint" and "cluster". Raises BenchError, BuildError, ClusterError or WrongAnswer."""
    for program in (REFERENCE, GENERATOR):
        binary(program, report=say)  # built before anything is measured
    if warning := busy():
        say(warning)
    before = setup(plan.python)
    measured: list[Measured] = []
    if "endpoint" in parts:
        measured.append(endpoint.measure(plan, say))
    if "cluster" in parts:
        measured.append(cluster.measure(plan, say))
    points = [point for part in measured for point in part.points]
    return Report(
        command=command,
        setup=before,
        rows=tuple(row for part in measured for row in part.rows),
        requests=sum(point.requests for point in points),
        errors=sum(point.errors for point in points),
        generator_busy=max(point.generator_busy for point in points),
    )


def say(line: str) -> None:
    """Progress, on stderr."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


def _command(options: argparse.Namespace) -> str:
    given = [flag for flag in ("quick", "endpoint", "cluster") if getattr(options, flag)]
    return " ".join(["python -m bench", *(f"--{flag}" for flag in given)])


if __name__ == "__main__":
    sys.exit(main())

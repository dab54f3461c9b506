"""Two versions of our webhook against each other, in the same run: `python -m bench.compare BEFORE AFTER`.

BEFORE and AFTER are checkouts, such as `git worktree add` makes; the webhook of each runs under the interpreter of its
own .venv. Both run all the time on one core, with the load generator on another; rounds alternate which comes first.
Processor time per request is the figure to trust on a machine that also does something else.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.endpoint import CONNECTIONS, MEASURES, WARM_UP, measured, target
from bench.generator import BenchError, Point, post
from bench.machine import busy, on_core, two_cores
from bench.pods import WrongAnswer
from bench.report import Row
from bench.webhooks import Webhook, ours, write_files
from testbed.cluster.processes import ClusterError, Workshop
from testbed.cluster.toolchain import BuildError

Points = dict[tuple[str, int], list[Point]]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    summary, _, rest = (__doc__ or "").partition("\n")
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare", description=summary, epilog=rest, formatter_class=raw
    )
    parser.add_argument("before", type=Path, help="a checkout")
    parser.add_argument("after", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=3, help="for each point")
    options = parser.parse_args(arguments)
    trees = {"before": options.before.resolve(), "after": options.after.resolve()}
    if warning := busy():
        print(f"bench: {warning}", file=sys.stderr)
    try:
        points = measure(trees, rounds=options.rounds, seconds=options.seconds)
    except (BenchError, BuildError, ClusterError, WrongAnswer) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("\n".join(table(points)))
    errors = sum(point.errors for seen in points.values() for point in seen)
    if errors:
        print(f"bench: {errors} requests failed", file=sys.stderr)
    return 1 if errors else 0


def measure(trees: dict[str, Path], *, rounds: int, seconds: int) -> Points:
    """The points of each version, by name and number of connections. Raises BenchError, WrongAnswer or BuildError."""
    core, other = two_cores()
    if core == other:
        raise BenchError("webhooks are measured on one core with the load generator on another: this machine has one")
    points: Points = {(name, connections): [] for name in trees for connections in CONNECTIONS}
    workshop = Workshop("m365wi-compare-")
    try:
        with on_core(other):
            files = write_files(workshop.directory)
            webhooks: dict[str, Webhook] = {}
            for name, tree in trees.items():
                python = str(tree / ".venv" / "bin" / "python")
                webhooks[name] = ours(workshop, files, core=core, python=python, root=tree)
                webhooks[name].check(files)
                post(target(webhooks[name], files), connections=WARM_UP, seconds=seconds)
            for turn in range(rounds):
                for connections in CONNECTIONS:
                    for name in trees if turn % 2 == 0 else reversed(trees):
                        webhook = webhooks[name]
                        aim = target(webhook, files)
                        point = measured(webhook, aim, connections=connections, seconds=seconds)
                        points[name, connections].append(point)
    finally:
        workshop.close()
    return points


def table(points: Points) -> list[str]:
    """A line for each measure and number of connections; the ratio is the median of the rounds' ratios."""
    lines = ["| | before | after | ratio | (rounds, middle half) |", "|---|---:|---:|---:|---:|"]
    for what, unit, value in MEASURES.values():
        for connections in CONNECTIONS:
            before, after = (tuple(map(value, points[name, connections])) for name in ("before", "after"))
            row = Row(what, unit, before, after)
            ratios = [mine / theirs for mine, theirs in zip(row.ours, row.reference, strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
            lines.append(
                f"| {what}, {connections} connections, {unit} | {row.median_reference:.4g} | {row.median_ours:.4g}"
                f" | {middle:.3f} | {low:.3f} to {high:.3f} |"
            )
    return lines


if __name__ == "__main__":
    sys.exit(main())

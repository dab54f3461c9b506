"""Do two replicas on two cores answer twice as much as one on one? `python -m bench.replicas`.

The load generator shares the two cores: how much each used is printed, and the rest is what to compare. Processor time
for a request does not depend on that.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench.endpoint import measured, target
from bench.generator import BenchError, Point
from bench.machine import two_cores
from bench.pods import WrongAnswer
from bench.webhooks import Webhook, ours, write_files
from testbed.cluster.processes import ClusterError, Workshop
from testbed.cluster.toolchain import BuildError

__all__ = ["main", "measure"]

CONNECTIONS = 8  # to each replica


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m bench.replicas", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="for each point")
    options = parser.parse_args(arguments)
    try:
        rounds = measure(options.rounds, options.seconds)
    except (BenchError, BuildError, ClusterError, WrongAnswer) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("| replicas | requests a second | µs a request | load generators, cores | the webhook, cores |")
    print("|---|---:|---:|---:|---:|")
    for count, points in ((1, [(one,) for one, _ in rounds]), (2, [both for _, both in rounds])):
        rate = statistics.median(sum(point.requests_per_second for point in each) for each in points)
        used = statistics.median(statistics.mean(point.processor for point in each) for each in points)
        generators = statistics.median(sum(point.generator_busy for point in each) for each in points)
        print(f"| {count} | {rate:,.0f} | {used:.0f} | {generators / count:.2f} | {rate * used / 1e6:.2f} |")
    return 0


def measure(rounds: int, seconds: int) -> list[tuple[Point, tuple[Point, ...]]]:
    """In each round one replica alone, then both at once, each on a core of its own."""
    cores = two_cores()
    if cores[0] == cores[1]:
        raise BenchError("two replicas need two cores: this machine has one")
    workshop = Workshop("m365wi-replicas-")
    try:
        files = write_files(workshop.directory)
        replicas = [ours(workshop, files, core=core) for core in cores]
        for replica in replicas:
            replica.check(files)

        def post(replica: Webhook) -> Point:
            return measured(replica, target(replica, files), connections=CONNECTIONS, seconds=seconds)

        found = []
        with ThreadPoolExecutor(len(replicas)) as pool:
            for _ in range(rounds):
                alone = post(replicas[0])
                found.append((alone, tuple(pool.map(partial(post), replicas))))
        return found
    finally:
        workshop.close()


if __name__ == "__main__":
    sys.exit(main())

"""Does the number of ServiceAccounts matter? `python -m bench.scale`: few and many, in the same run.

Two clusters, each with its etcd, kube-apiserver and a replica as in a pod: one has 200 ServiceAccounts, the other
50,000 in 2,000 namespaces. Each replica reviews pods of ServiceAccounts that it has not seen, so each review asks the
API server, and then, in turns with the other, pods of 200 that it has seen. The webhook reads ServiceAccounts by name
and watches none, so nothing should change. Nodes and pods are not needed: a review contains the pod, and the webhook
asks for no other object.
"""

from __future__ import annotations

import argparse
import itertools
import ssl
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.accounts import create, create_namespaces, review_of, service_account
from bench.generator import BenchError
from bench.installed import Installed, installed
from bench.posts import Posted, post_all
from bench.webhooks import Webhook
from testbed.cluster.processes import ClusterError
from testbed.cluster.toolchain import BuildError

__all__ = ["Seen", "fill", "main", "measure", "table"]

FEW = (10, 20)
MANY = (2000, 25)
CONNECTIONS = 8
FIRST_LOOKUPS = 200
ROUNDS = 10
REVIEWS = 2000


@dataclass(frozen=True)
class Seen:
    """With `accounts` in the cluster. first: reviews that asked the API server. rounds: of those that did not."""

    accounts: int
    first: Posted
    rounds: tuple[Posted, ...]
    resident: float
    microseconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--namespaces", type=int, default=MANY[0])
    parser.add_argument("--accounts", type=int, default=MANY[1], help="in each of them")
    parser.add_argument("--python", metavar="PATH", default=sys.executable, help="the interpreter of the webhook")
    options = parser.parse_args(arguments)
    try:
        with installed(python=options.python) as small, installed(python=options.python) as large:
            fill(small, *FEW)
            fill(large, options.namespaces, options.accounts)
            few, many = measure([(small, *FEW), (large, options.namespaces, options.accounts)])
    except (BenchError, BuildError, ClusterError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("\n".join(table(few, many)))
    return 0


def fill(place: Installed, namespaces: int, each: int) -> None:
    """Creates that many ServiceAccounts. Raises BenchError."""
    print(f"bench: {namespaces * each:,} ServiceAccounts", file=sys.stderr, flush=True)
    names = [f"n{number}" for number in range(namespaces)]
    create_namespaces(place.installation.cluster, names)
    create(place.installation.cluster, names, [service_account(f"a{number}") for number in range(each)])


def measure(clusters: Sequence[tuple[Installed, int, int]]) -> list[Seen]:
    """What a new replica of each cluster needs, the clusters in turns. Raises BenchError."""
    webhooks = [_fresh(place) for place, _, _ in clusters]
    first, rounds = [], [list[Posted]() for _ in clusters]
    known = [review_of(f"n{number}", f"a{account}") for number in range(FEW[0]) for account in range(FEW[1])]
    for webhook, (_, namespaces, each) in zip(webhooks, clusters, strict=True):
        # The last ones, which are new; of few ServiceAccounts these are all.
        new = [(f"n{number}", f"a{account}") for number in reversed(range(namespaces)) for account in range(each)]
        first.append(_post(webhook, [review_of(*names) for names in new[:FIRST_LOOKUPS]]))
        _post(webhook, known)
    before = [webhook.usage.seconds for webhook in webhooks]
    for turn in range(ROUNDS):
        order = list(enumerate(webhooks))
        for number, webhook in order if turn % 2 == 0 else reversed(order):
            rounds[number].append(_post(webhook, itertools.islice(itertools.cycle(known), REVIEWS)))
    found = []
    for number, (webhook, (_, namespaces, each)) in enumerate(zip(webhooks, clusters, strict=True)):
        used = (webhook.usage.seconds - before[number]) / (ROUNDS * REVIEWS) * 1e6
        found.append(Seen(namespaces * each, first[number], tuple(rounds[number]), webhook.usage.resident, used))
    return found


def _fresh(place: Installed) -> Webhook:
    place.workshop.kill(place.start().process)  # the first start writes bytecode
    return place.start()


def table(few: Seen, many: Seen) -> list[str]:
    """A line for each measure, with the ratio of many to few."""
    rows = [
        ("reviews a second, median", _rate(few), _rate(many)),
        ("p99, median, ms", _p99(few), _p99(many)),
        ("processor time a review, µs", few.microseconds, many.microseconds),
        ("memory, each page once, MiB", few.resident, many.resident),
        ("p50 of a review that asks the API server, ms", few.first.p50, many.first.p50),
        ("p99 of a review that asks the API server, ms", few.first.p99, many.first.p99),
    ]
    lines = [f"| ServiceAccounts | {few.accounts:,} | {many.accounts:,} | ratio |", "|---|---:|---:|---:|"]
    return [*lines, *(f"| {what} | {one:.4g} | {other:.4g} | {other / one:.2f} |" for what, one, other in rows)]


def _rate(seen: Seen) -> float:
    return statistics.median(posted.rate for posted in seen.rounds)


def _p99(seen: Seen) -> float:
    return statistics.median(posted.p99 for posted in seen.rounds)


def _post(webhook: Webhook, requests: Sequence[bytes] | Iterator[bytes]) -> Posted:
    posted = post_all(webhook.port, ssl._create_unverified_context(), requests, connections=CONNECTIONS)
    webhook.forget_log()
    if set(posted.statuses) != {200}:
        raise BenchError(f"answers {dict(posted.statuses)}: {webhook.process.tail(3)}")
    return posted


if __name__ == "__main__":
    sys.exit(main())

"""A long run: does memory grow with the number of reviews? `python -m bench.soak --reviews 2000000`.

One replica as in a pod, in front of a real kube-apiserver, answers a mixture: pods of 500 ServiceAccounts, of one
without a client id (looked up each time), of one whose annotation is wrong (denied), of one that does not exist; pods
without the label; a pod of 60 containers; and bodies that are not JSON. After each hundredth every connection is opened
again, and the three pages of the operations port are fetched. Memory is the median of a hundred samples in each tenth.

Exit status 1 if memory in the last tenth is higher than in the second by more than 1 %, a number of descriptors,
threads or children has grown, or an answer has another status than it should.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import ssl
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bench.accounts import create, service_account
from bench.generator import BenchError
from bench.installed import PODS, Installed, installed
from bench.machine import processes_of
from bench.posts import post_all, request
from bench.webhooks import Webhook
from testbed.cluster.pods import a_pod
from testbed.cluster.processes import ClusterError
from testbed.cluster.toolchain import BuildError
from testbed.fleet.fleet import review

__all__ = ["Sample", "counts", "main", "problems", "soak"]

ACCOUNTS = 500
PARTS = 100  # after each, connections are opened again
SLICES = 10  # of a part: after each, a sample
CONNECTIONS = 8
PATH = "/mutate-v1-pod?timeout=5s"
GROWTH = 1.01  # a page more or less, of 17,000


@dataclass(frozen=True)
class Sample:
    """After a slice. resident: MiB, each page once. counts: descriptors, threads and children of all processes."""

    reviews: int
    resident: float
    rate: float
    counts: tuple[int, int, int]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--reviews", type=int, default=2_000_000)
    parser.add_argument("--python", metavar="PATH", default=sys.executable, help="the interpreter of the webhook")
    options = parser.parse_args(arguments)
    try:
        with installed(python=options.python) as place:
            samples = soak(place, options.reviews)
    except (BenchError, BuildError, ClusterError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("\n".join(table(samples)))
    found = problems(samples)
    for problem in found:
        print(f"bench: {problem}", file=sys.stderr)
    return 1 if found else 0


def soak(place: Installed, reviews: int) -> list[Sample]:
    """A sample after each thousandth. Raises BenchError at an answer with a wrong status."""
    create(place.installation.cluster, [PODS], _documents())
    webhook = place.start()
    context = ssl._create_unverified_context()
    requests, expected, samples = mixture(random.Random(1)), Counter[int](), list[Sample]()
    size = max(reviews // (PARTS * SLICES), 1)

    def part() -> Iterator[bytes]:
        for _ in range(SLICES):
            began = time.perf_counter()
            for status, content in islice(requests, size):
                expected[status] += 1
                yield content
            rate = size / (time.perf_counter() - began)
            webhook.forget_log()
            samples.append(Sample((len(samples) + 1) * size, webhook.usage.resident, rate, counts(webhook)))

    for number in range(PARTS):
        expected.clear()
        posted = post_all(webhook.port, context, part(), connections=CONNECTIONS)
        if posted.statuses != expected:
            raise BenchError(f"answers {dict(posted.statuses)}, expected {dict(expected)}: {webhook.process.tail(3)}")
        for page in ("/livez", "/readyz", "/metrics"):
            _fetch(webhook.probes, page)
        if number % 10 == 9:
            print(f"bench: {samples[-1]}", file=sys.stderr, flush=True)
    return samples


def mixture(chance: random.Random) -> Iterator[tuple[int, bytes]]:
    """Requests without end, each with the status that it must get."""
    usual = [(200, _review(f"a{number}")) for number in range(ACCOUNTS)]
    large = a_pod(account="a0")
    large["spec"]["containers"] *= 60
    for number, container in enumerate(large["spec"]["containers"] or ()):
        large["spec"]["containers"][number] = container | {"name": f"app-{number}"}
    others = [
        (40, (200, _review("a1", labels={}))),
        (20, (200, _posted(_with_pod(large)))),
        (10, (200, _review("wrong"))),
        (10, (400, request(PATH, b"[not JSON"))),
        (5, (200, _review("plain"))),
        (1, (200, _review("missing"))),
    ]
    kinds = [each for weight, each in others for _ in range(weight)]
    while True:
        yield chance.choice(kinds) if chance.random() < len(kinds) / 1000 else chance.choice(usual)


def problems(samples: Sequence[Sample]) -> list[str]:
    """What has grown, one line for each."""
    tenth = len(samples) // 10
    second, last = samples[tenth : 2 * tenth], samples[-tenth:]
    found = []
    before, after = (statistics.median(sample.resident for sample in part) for part in (second, last))
    if after > before * GROWTH:
        found.append(f"memory grew from {before} to {after} MiB between the second and the last tenth")
    for place, what in enumerate(("descriptors", "threads", "children")):
        first, now = (max(sample.counts[place] for sample in part) for part in (second, last))
        if now > first:
            found.append(f"{what}: {first} in the second tenth, {now} in the last")
    return found


def table(samples: Sequence[Sample]) -> list[str]:
    """A line for each tenth."""
    lines = [
        "| reviews | MiB, median | from | to | descriptors | reviews a second |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    tenth = max(len(samples) // 10, 1)
    for start in range(0, len(samples), tenth):
        part = samples[start : start + tenth]
        rate = sum(sample.rate for sample in part) / len(part)
        resident = [sample.resident for sample in part]
        memory = f"{statistics.median(resident):.1f} | {min(resident):.1f} | {max(resident):.1f}"
        descriptors = max(sample.counts[0] for sample in part)
        lines.append(f"| {part[-1].reviews:,} | {memory} | {descriptors} | {rate:,.0f} |")
    return lines


def _documents() -> list[dict[str, Any]]:
    wrong = {"azure.workload.identity/client-id": "not-a-guid"}
    usual = [service_account(f"a{number}") for number in range(ACCOUNTS)]
    return [*usual, service_account("plain", {}), service_account("wrong", wrong)]


def _review(account: str, labels: dict[str, str] | None = None) -> bytes:
    return _posted(_with_pod(a_pod(account=account, labels=labels)))


def _with_pod(pod: dict[str, Any]) -> bytes:
    document = json.loads(review(PODS))
    document["request"]["object"] = pod
    return json.dumps(document).encode()


def _posted(body: bytes) -> bytes:
    return request(PATH, body)


def _fetch(port: int, page: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", page)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise BenchError(f"{page}: HTTP {answer.status}")
    finally:
        connection.close()


def counts(webhook: Webhook) -> tuple[int, int, int]:
    """Descriptors, threads and processes of a webhook."""
    processes = processes_of(webhook.process.popen.pid)
    descriptors = sum(len([*(process / "fd").iterdir()]) for process in processes)
    threads = sum(len([*(process / "task").iterdir()]) for process in processes)
    return descriptors, threads, len(processes)


if __name__ == "__main__":
    sys.exit(main())

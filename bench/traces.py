"""What traces of reviews cost: `python -m bench.traces`.

One webhook without traces and two with them run all the time on one core, with the load generator and the collector on
another; rounds go through all ways of asking in turns. Ratios are to a webhook without traces whose kube-apiserver has
none either, in the same round.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from bench.generator import BenchError
from bench.machine import busy, on_core, two_cores
from bench.pods import WrongAnswer
from bench.posts import post_all, request
from bench.webhooks import PATH, Files, Webhook, ours, write_files
from testbed.cluster.pki import trusting
from testbed.cluster.processes import ClusterError, Workshop, free_ports, wait_until
from testbed.cluster.toolchain import BuildError

__all__ = ["WAYS", "Way", "main", "measure"]

CONNECTIONS, REQUESTS = 8, 4000
# Takes everything, and says nothing about it. The argument is its port.
SINK = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@dataclass(frozen=True)
class Way:
    """How a webhook is asked. webhook: which one. flags: of the traceparent of each request; "" for none."""

    name: str
    webhook: str
    flags: str = ""


WAYS = (
    Way("off, kube-apiserver is not traced", "off"),
    Way("off, kube-apiserver is traced", "off", "00"),
    Way("on, kube-apiserver samples none", "on", "00"),
    Way("on, kube-apiserver samples all", "on", "01"),
    Way("on, it samples all, and the collector is away", "away", "01"),
)


@dataclass(frozen=True)
class Cost:
    """Of one round. microseconds: processor time a request. p99: ms."""

    microseconds: float
    p99: float


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m bench.traces", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="for each way and round")
    options = parser.parse_args(arguments)
    if warning := busy():
        print(f"bench: {warning}", file=sys.stderr)
    try:
        found = measure(options.rounds, options.requests)
    except (BenchError, BuildError, ClusterError, WrongAnswer) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("\n".join(table(found)))
    return 0


def measure(rounds: int, requests: int) -> Mapping[Way, Sequence[Cost]]:
    """The cost of each way, by round."""
    core, other = two_cores()
    if core == other:
        raise BenchError("the webhook runs on one core and the load generator on another: this machine has one")
    found: dict[Way, list[Cost]] = {way: [] for way in WAYS}
    with closing(Workshop("m365wi-traces-")) as workshop:
        files = write_files(workshop.directory)
        with on_core(other):
            port = _sink(workshop)
        away, _ = free_ports(2)
        webhooks = {"off": ours(workshop, files, core=core)}
        for name, collector in (("on", port), ("away", away)):
            variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector}"}
            webhooks[name] = ours(workshop, files, core=core, arguments=["--tracing=true"], variables=variables)
        with on_core(other):
            for number in range(rounds + 1):
                for way in WAYS if number % 2 else reversed(WAYS):
                    cost = _cost(webhooks[way.webhook], files, way, requests)
                    if number:  # the first round warms up
                        found[way].append(cost)
    return found


def _sink(workshop: Workshop) -> int:
    """Starts the collector; its port."""
    (port,) = free_ports(1)
    process = workshop.start("collector", [sys.executable, "-c", SINK, str(port)])

    def answers() -> bool:
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}", data=b"", timeout=1).close()
            return True
        return False

    wait_until(answers, "the collector answers", alive=[process])
    return port


def _cost(webhook: Webhook, files: Files, way: Way, count: int) -> Cost:
    before = webhook.usage
    posted = post_all(webhook.port, trusting(files.authority), _requests(files, way, count), connections=CONNECTIONS)
    if set(posted.statuses) != {200}:
        raise BenchError(f"{way.name}: answers {dict(posted.statuses)}, expected 200 only")
    webhook.forget_log()
    return Cost((webhook.usage.seconds - before.seconds) / count * 1e6, posted.p99)


def _requests(files: Files, way: Way, count: int) -> Iterator[bytes]:
    body, url = files.review.read_bytes(), f"{PATH}?timeout=5s"
    plain = request(url, body)
    for number in itertools.islice(itertools.count(1), count):
        parent = f"00-{number + 2**64:032x}-00f067aa0ba902b7-{way.flags}"
        yield request(url, body, {"Traceparent": parent}) if way.flags else plain


def table(found: Mapping[Way, Sequence[Cost]]) -> list[str]:
    """The ratios as Markdown: each the median of the rounds' ratios."""
    base = found[WAYS[0]]
    lines = ["| traces | processor time a request | (rounds) | p99 |", "|---|---:|---:|---:|"]
    for way, costs in found.items():
        used = [one.microseconds / first.microseconds for one, first in zip(costs, base, strict=True)]
        slow = [one.p99 / first.p99 for one, first in zip(costs, base, strict=True)]
        spread = f"{min(used):.2f} to {max(used):.2f}"
        lines.append(f"| {way.name} | {statistics.median(used):.2f} | {spread} | {statistics.median(slow):.2f} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())

"""The review endpoint, on one core: both webhooks on the first core, the load generator and this program on the last.

Both run all the time, and each is idle while the other is measured. Rounds alternate which comes first, so that other
load of the machine affects both alike.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from bench.generator import BenchError, Point, Target, post, post_at_rate
from bench.machine import on_core, two_cores
from bench.report import GOALS, Row
from bench.webhooks import Files, Webhook, ours, reference, write_files
from testbed.cluster.processes import Workshop

__all__ = [
    "CONNECTIONS",
    "MEASURES",
    "WARM_UP",
    "Measured",
    "Plan",
    "Say",
    "measure",
    "measured",
    "memory_rows",
    "target",
]

CONNECTIONS = (1, 8, 64)
RATES = (500, 1500)  # requests a second: a tenth of what the slower webhook can do, and half of it
WARM_UP = 8
NAMES = ("reference", "ours")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How long: `seconds` a point, `rounds` of all points, `starts` of each webhook. python: what ours runs under."""

    rounds: int = 5
    seconds: int = 5
    starts: int = 5
    python: str = sys.executable


@dataclass(frozen=True)
class Measured:
    """The rows of one part, and every point behind them."""

    rows: tuple[Row, ...]
    points: tuple[Point, ...]


def measure(plan: Plan, say: Say) -> Measured:
    """Measures the endpoint. Raises BenchError, WrongAnswer or BuildError."""
    core, other = two_cores()
    if core == other:
        raise BenchError("webhooks are measured on one core with the load generator on another: this machine has one")
    workshop = Workshop("m365wi-bench-")
    try:
        with on_core(other):
            files = write_files(workshop.directory)
            starts = _starts(plan, workshop, files, core)
            webhooks = {
                "reference": reference(workshop, files, core=core),
                "ours": ours(workshop, files, core=core, python=plan.python),
            }
            points = _points(plan, webhooks, files, say)
            at_rates = _points_at_rates(plan, webhooks, files, say)
            memory = memory_rows(webhooks)
    finally:
        workshop.close()
    rows = [_row(points, connections, measure) for measure in MEASURES for connections in CONNECTIONS]
    for rate in RATES:
        for what, value in (("p50", lambda point: point.p50), ("p99", lambda point: point.p99)):
            columns = [tuple(map(value, at_rates[name, rate])) for name in NAMES]
            rows.append(Row(f"latency {what} at {rate:,} requests a second", "ms", columns[0], columns[1]))
    rows += memory
    rows.append(Row("start until ready", "s", starts["reference"], starts["ours"], GOALS["start"]))
    return Measured(tuple(rows), tuple(point for seen in (points | at_rates).values() for point in seen))


Points = dict[tuple[str, int], list[Point]]
MEASURES: dict[str, tuple[str, str, Callable[[Point], float]]] = {
    "requests": ("requests a second", "1/s", lambda point: point.requests_per_second),
    "p50": ("latency p50", "ms", lambda point: point.p50),
    "p99": ("latency p99", "ms", lambda point: point.p99),
    "processor": ("processor time a request", "µs", lambda point: point.processor),
}


def memory_rows(webhooks: Mapping[str, Webhook]) -> list[Row]:
    """The memory of the webhooks after the load."""
    usage = {name: webhook.usage for name, webhook in webhooks.items()}
    of_both = [(usage[name].resident, usage[name].largest) for name in NAMES]
    (resident, largest) = zip(*of_both, strict=True)
    return [
        Row("memory, all processes, each page once", "MiB", resident[:1], resident[1:], GOALS["memory"]),
        Row("memory, the largest process at its peak", "MiB", largest[:1], largest[1:]),
    ]


def measured(webhook: Webhook | None, target: Target, *, connections: int, seconds: int) -> Point:
    """`post`, with what `webhook` used meanwhile; without a webhook it is None."""
    if webhook is None:
        return post(target, connections=connections, seconds=seconds)
    before = webhook.usage.seconds
    point = post(target, connections=connections, seconds=seconds)
    used = webhook.usage.seconds - before
    webhook.forget_log()
    return replace(point, processor=round(used / max(point.requests, 1) * 1e6, 1))


def _starts(plan: Plan, workshop: Workshop, files: Files, core: int) -> dict[str, tuple[float, ...]]:
    """The times from exec to ready. The first start of each does not count: it fills caches."""
    seen: dict[str, list[float]] = {name: [] for name in NAMES}
    for turn in range(plan.starts + 1):
        for name, start in (("reference", reference), ("ours", partial(ours, python=plan.python))):
            webhook = start(workshop, files, core=core)
            workshop.kill(webhook.process)
            if turn:
                seen[name].append(webhook.start_seconds)
    return {name: tuple(times) for name, times in seen.items()}


def _points(plan: Plan, webhooks: dict[str, Webhook], files: Files, say: Say) -> Points:
    lengths = {name: webhook.check(files) for name, webhook in webhooks.items()}
    for name, webhook in webhooks.items():
        say(f"{name} answers rightly; warming up")
        post(target(webhook, files), connections=WARM_UP, seconds=plan.seconds)
    points: Points = {(name, connections): [] for name in NAMES for connections in CONNECTIONS}
    for turn in range(plan.rounds):
        for connections in CONNECTIONS:
            for name in NAMES if turn % 2 == 0 else reversed(NAMES):
                webhook = webhooks[name]
                point = measured(webhook, target(webhook, files), connections=connections, seconds=plan.seconds)
                if point.bytes_per_answer < lengths[name]:
                    raise BenchError(f"{name}: answers of {point.bytes_per_answer} bytes, expected {lengths[name]}")
                points[name, connections].append(point)
                say(f"round {turn + 1} of {plan.rounds}, {connections} connections, {name}: {point}")
    for webhook in webhooks.values():
        webhook.check(files)
    return points


def _points_at_rates(plan: Plan, webhooks: Mapping[str, Webhook], files: Files, say: Say) -> Points:
    """Points by name and rate: an open loop."""
    points: Points = {(name, rate): [] for name in NAMES for rate in RATES}
    for turn in range(plan.rounds):
        for rate in RATES:
            for name in NAMES if turn % 2 == 0 else reversed(NAMES):
                aim = target(webhooks[name], files)
                point = post_at_rate(aim, rate=rate, connections=CONNECTIONS[-1], seconds=plan.seconds)
                webhooks[name].forget_log()
                points[name, rate].append(point)
                say(f"round {turn + 1} of {plan.rounds}, {rate} requests a second, {name}: {point}")
    return points


def target(webhook: Webhook, files: Files) -> Target:
    """URL and body of the review."""
    return Target(f"{webhook.url}?timeout=5s", files.review)


def _row(points: Points, connections: int, measure: str) -> Row:
    what, unit, value = MEASURES[measure]
    columns = [tuple(value(point) for point in points[name, connections]) for name in NAMES]
    words = f"{what}, {connections} connection{'s' if connections > 1 else ''}"
    return Row(words, unit, columns[0], columns[1], GOALS.get(f"{measure} at {connections}"))

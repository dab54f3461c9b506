"""Load, by bombardier: a fixed number of connections, each of which posts again after each answer."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.programs import GENERATOR, binary

__all__ = ["BenchError", "Point", "Target", "post"]

TIMEOUT = "10s"


class BenchError(Exception):
    """A measurement failed; the message says why."""


@dataclass(frozen=True)
class Target:
    """Where to post what. `pair` is a client certificate and its key."""

    url: str
    body: Path
    pair: tuple[Path, Path] | None = None


@dataclass(frozen=True)
class Point:
    """One measurement.

    p50, p99: latencies in ms. processor: what the webhook used of the processor for each request, in microseconds.
    generator_busy: how much of one core the load generator itself used, 0 to 1.
    """

    requests_per_second: float
    p50: float
    p99: float
    requests: int
    errors: int
    bytes_per_answer: float
    generator_busy: float
    processor: float = 0.0

    def __str__(self) -> str:
        rate, errors = f"{self.requests_per_second:.0f}/s", f"{self.errors} errors"
        return f"{rate}, p50 {self.p50:.2f} ms, p99 {self.p99:.2f} ms, {errors}"


def post(target: Target, *, connections: int, seconds: int) -> Point:
    """Posts for `seconds`; returns what was measured. Runs on the cores that the caller may use."""
    command: list[str | Path] = [binary(GENERATOR), "-o", "json", "-p", "result", "-l", "-k", "-t", TIMEOUT]
    command += ["-c", str(connections), "-d", f"{seconds}s", "-m", "POST", "-f", target.body]
    command += ["-H", "Content-Type: application/json", target.url]
    if target.pair is not None:
        command += ["--cert", target.pair[0], "--key", target.pair[1]]
    environment = os.environ | {"GOMAXPROCS": str(len(os.sched_getaffinity(0)))}
    before = _children_seconds()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"bombardier: exit status {done.returncode}: {done.stderr.strip()[-500:]}")
    return _point(json.loads(done.stdout)["result"], processor_seconds=_children_seconds() - before)


def _point(result: dict[str, Any], *, processor_seconds: float) -> Point:
    good, taken = int(result["req2xx"]), float(result["timeTakenSeconds"])
    bad = sum(int(result[kind]) for kind in ("req1xx", "req3xx", "req4xx", "req5xx", "others"))
    percentiles = result["latency"]["percentiles"]  # microseconds
    return Point(
        requests_per_second=round(good / taken, 1),
        p50=percentiles["50"] / 1000,
        p99=percentiles["99"] / 1000,
        requests=good + bad,
        errors=bad,
        bytes_per_answer=round(result["bytesRead"] / max(good + bad, 1), 1),
        generator_busy=round(processor_seconds / taken, 2),
    )


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

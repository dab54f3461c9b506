"""Load: a fixed number of connections, each of which posts again after each answer (bombardier), or a fixed rate.

At a fixed rate a request is due at its time, whether or not earlier ones have been answered, and its latency counts
from then: that is what clients see who do not wait for each other, as those of kube-apiserver.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.programs import GENERATOR, RATE, binary

__all__ = ["BenchError", "Point", "Target", "post", "post_at_rate"]

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
    before = _children_seconds()
    result = _output(command)["result"]
    return _point(result, processor_seconds=_children_seconds() - before)


def post_at_rate(target: Target, *, rate: int, connections: int, seconds: int) -> Point:
    """Posts `rate` requests a second for `seconds`, each when it is due or as soon as one of `connections` is free."""
    command: list[str | Path] = [binary(RATE), "-url", target.url, "-body", target.body, "-rate", str(rate)]
    command += ["-connections", str(connections), "-seconds", str(seconds)]
    before = _children_seconds()
    result = _output(command)
    requests, errors = int(result["requests"]), int(result["errors"])
    return Point(
        requests_per_second=round((requests - errors) / result["seconds"], 1),
        p50=round(result["p50"], 3),
        p99=round(result["p99"], 3),
        requests=requests,
        errors=errors,
        bytes_per_answer=round(result["bytes"] / max(requests, 1), 1),
        generator_busy=round((_children_seconds() - before) / result["seconds"], 2),
    )


def _output(command: list[str | Path]) -> dict[str, Any]:
    """What a load generator says, as JSON. Raises BenchError."""
    environment = os.environ | {"GOMAXPROCS": str(len(os.sched_getaffinity(0)))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        name = Path(command[0]).name
        raise BenchError(f"{name}: exit status {done.returncode}: {done.stderr.strip()[-500:]}")
    output: dict[str, Any] = json.loads(done.stdout)
    return output


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

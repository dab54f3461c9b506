"""What tests wait for, and the ports that they are given."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from testbed.cluster.processes import ClusterError, free_ports, wait_until


def said(*answers: bool | Exception) -> Callable[[], bool]:
    """A probe that gives, or raises, one after the other, and then the last again and again."""
    left = list(answers)

    def probe() -> bool:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return probe


@pytest.mark.parametrize("between", [ClusterError("HTTP 403: not yet"), ConnectionRefusedError(), TimeoutError()])
def test_what_is_refused_or_away_may_come_yet(between: Exception) -> None:
    """An answer in between does not end the wait."""
    wait_until(said(between, False, between, True), "the end", seconds=10)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which each look at it is ten seconds later."""
    times = itertools.count(0, 10)
    clock = SimpleNamespace(monotonic=lambda: next(times), sleep=lambda _: None)
    monkeypatch.setattr("testbed.cluster.processes.time", clock)


@pytest.mark.usefixtures("hurried")
def test_the_last_refusal_is_told_at_the_end() -> None:
    """So a reader of the log knows why the state was not reached."""
    with pytest.raises(ClusterError, match=r"the end: not within 15 s; ClusterError: HTTP 403: never"):
        wait_until(said(False, ClusterError("HTTP 403: never")), "the end", seconds=15)
    with pytest.raises(ClusterError, match=r"the end: not within 15 s$"):
        wait_until(said(ClusterError("HTTP 403: at first"), False), "the end", seconds=15)


def test_a_mistake_in_a_probe_is_raised_at_once() -> None:
    """So is an assertion, by which a probe ends the wait."""
    for error in (AssertionError("it failed meanwhile"), KeyError("items")):
        with pytest.raises(type(error)):
            wait_until(said(error, True), "the end", seconds=10)


@pytest.mark.usefixtures("hurried")
def test_a_machine_that_stood_still_asks_once_more() -> None:
    """What has come meanwhile counts, although the time is over."""
    wait_until(said(False, True), "the end", seconds=15)


@pytest.mark.slow
def test_no_port_is_given_twice() -> None:
    """Not to another process either, before the one that asked first has bound it."""
    code = "from testbed.cluster.processes import free_ports; print(*free_ports(40))"
    ours = free_ports(20)
    checkout = Path(__file__).parents[3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("testbed.cluster.processes._candidates", lambda _: iter([*ours, *range(31900, 32000)]))
        assert set(free_ports(4)).isdisjoint(ours)
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=True)
    assert set(map(int, done.stdout.split())).isdisjoint(ours)
    assert len({*ours}) == 20
    for port in ours:
        socket.create_server(("127.0.0.1", port)).close()

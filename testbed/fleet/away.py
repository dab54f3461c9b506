"""The API server goes away for ten minutes: what is served meanwhile, how often it is asked for, how it ends.

    python -m testbed.fleet.away [--minutes 10] [--how stop|pause] [--rate 1]

With `--rate 1` it takes as long as it says. With a higher one the clocks of replicas go faster (see `timepiece`),
and everything that they wait for, do or let expire comes sooner: that is what the test does. `stop` has connections
refused, `pause` has them accepted and never answered.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal

from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.processes import wait_until
from testbed.fleet.fleet import HEALED_SECONDS, Fleet, Replica, fleet, review
from testbed.fleet.installation import OURS, seconds
from testbed.fleet.timepiece import Timepiece

__all__ = ["How", "Outage", "outage"]

How = Literal["stop", "pause"]

REPLICAS = 2
INTERVAL, SETTLE, CALL_LIMIT, KEPT = 30.0, 120.0, 10.0, 30.0  # the defaults
LEAF_RATIO = 1.5  # renewal, at two thirds of its life and a little earlier, is due just before the outage ends
SKEW = 60.0
ANSWER_SECONDS = 2.0  # of the machine's time, for a review that is given one second
CALLS = 2  # of the API in a round that finds it away: each is counted


@dataclass
class Outage:
    """What was seen of one. Seconds are those of the replicas."""

    how: How
    length: float
    handshakes: int = 0
    injected: int = 0
    injected_until: float = 0.0
    without_lookup: int = 0
    refused: int = 0
    slowest: float = 0.0
    """Of the machine's seconds: the review that took longest."""
    rounds: list[int] = field(default_factory=list)
    """In vain, by replica."""
    healed: float = 0.0
    """The machine's seconds from the return of the API server until every leaf was replaced and a pod was admitted."""

    def __str__(self) -> str:
        return (
            f"API server away ({self.how}) for {self.length:.0f} s: {self.handshakes} fresh handshakes, 0 refused; "
            f"{self.without_lookup} reviews that ask nobody, 0 failed; {self.injected} of a known ServiceAccount until "
            f"second {self.injected_until:.0f}, then {self.refused} told 503; slowest answer {self.slowest:.2f} s; "
            f"rounds in vain {', '.join(map(str, self.rounds))}; leaves replaced and a pod admitted {self.healed:.1f} "
            f"s after its return"
        )


def outage(
    cluster: ControlPlane, installed: Fleet, timepiece: Timepiece, *, how: How, length: float, rate: float, pulse: float
) -> Outage:
    """Replicas of `installed` while the API server is away for `length` of their seconds; looked at every `pulse`.

    Raises AssertionError where serving does not go on as it should.
    """
    installation, seen = installed.installation, Outage(how, length)
    for _ in range(REPLICAS):
        flags = seconds(interval=INTERVAL, settle=SETTLE, leaf=LEAF_RATIO * length, authority=172800, skew=SKEW)
        installed.start(*flags, timepiece=timepiece)
    installed.await_ready()
    bundle = installation.bundles()[OURS[0]]
    known, unselected = review(installation.pods), review(installation.pods, labels={})
    leaves = {replica.port: replica.leaf(bundle) for replica in installed.alive}
    with ExitStack() as stack:
        kept = [stack.enter_context(Posting(replica, bundle)) for replica in installed.alive]
        for replica in installed.alive:
            assert post(replica, bundle, known) == (200, True)
        asked = [replica.events()["unavailable"] for replica in installed.alive]
        (cluster.stop_apiserver if how == "stop" else cluster.pause)()
        timepiece.run(rate)
        begin = timepiece.now()

        def passed() -> float:
            return (timepiece.now() - begin).total_seconds()

        while passed() < length:
            pulse_ends = time.monotonic() + pulse
            for replica, old in zip(installed.alive, kept, strict=True):
                before, started = passed(), time.monotonic()
                status, patched = post(replica, bundle, known)
                seen.slowest = max(seen.slowest, time.monotonic() - started)
                seen.handshakes += 1
                assert (status, patched) in ((200, True), (503, False))
                if patched:
                    seen.injected += 1
                    seen.injected_until = max(seen.injected_until, before)
                else:
                    assert before > KEPT / 2, "a ServiceAccount that is known was asked for again"
                    seen.refused += 1
                assert old(unselected) == (200, False)
                assert post(replica, bundle, unselected) == (200, False)
                seen.handshakes += 1
                seen.without_lookup += 2
                assert replica.is_ready(), replica.readyz()
                assert replica.leaf(bundle) == leaves[replica.port]
            time.sleep(max(0.0, pulse_ends - time.monotonic()))
        seen.rounds = [
            (replica.events()["unavailable"] - before) // CALLS
            for replica, before in zip(installed.alive, asked, strict=True)
        ]
        cluster.heal()
        returned = time.monotonic()

        def replaced() -> bool:
            return all(replica.leaf(bundle) != leaves[replica.port] for replica in installed.alive) and all(
                post(replica, bundle, known) == (200, True) for replica in installed.alive
            )

        wait_until(replaced, "leaves replaced", seconds=HEALED_SECONDS, alive=[one.process for one in installed.alive])
        wait_until(installed.admits, "a pod admitted", seconds=HEALED_SECONDS)
        seen.healed = time.monotonic() - returned
        timepiece.run(1)
        timepiece.jump(timedelta(0))
        assert all(old(known) == (200, True) for old in kept)
    installed.await_healed()
    check(seen, installed)
    return seen


def check(seen: Outage, installed: Fleet) -> None:
    """Asked for with pauses that grow to the interval and no further; told in one line for each object, and over."""
    longest, shortest = (INTERVAL, INTERVAL / 2)  # what the back-off grows to, by chance
    if seen.how == "pause":
        longest, shortest = longest + CALLS * CALL_LIMIT, shortest + CALLS * CALL_LIMIT
    for rounds in seen.rounds:
        assert seen.length / (longest + 5) - 1 <= rounds <= seen.length / shortest + 6, seen.rounds
    assert seen.slowest < ANSWER_SECONDS
    assert seen.injected > 0
    assert seen.refused > 0
    for replica in installed.alive:
        wait_until(partial(is_over, replica), "over", seconds=HEALED_SECONDS)
        told = [message for message in replica.messages("error") if "cannot be read" in message]
        assert len(told) == CALLS, told
        assert not any("RBAC" in message for message in replica.messages())


def is_over(replica: Replica) -> bool:
    """Whether the last word on each of the two objects is that it can be read again."""
    said = [message for message in replica.messages() if "cannot be read" in message]
    last = {message.removeprefix("over: ").partition(" ")[0]: message.startswith("over: ") for message in said}
    return all(last.values())


class Posting:
    """A context manager: a connection to one replica that stays open; called with a body it posts a review."""

    def __init__(self, replica: Replica, bundle: bytes) -> None:
        self._connection = http.client.HTTPSConnection("127.0.0.1", replica.port)
        self._connection.sock = replica.connect(bundle)
        self._connection.auto_open = 0

    def __enter__(self) -> Callable[[bytes], tuple[int, bool]]:
        return self._post

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _post(self, body: bytes) -> tuple[int, bool]:
        """Its status, and whether there is a patch."""
        self._connection.request("POST", "/mutate?timeout=1s", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        return answer.status, answer.status == 200 and bool(json.loads(content)["response"].get("patch"))


def post(replica: Replica, bundle: bytes, body: bytes) -> tuple[int, bool]:
    """A review on a fresh connection, as `Posting` has it."""
    with Posting(replica, bundle) as posted:
        return posted(body)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m testbed.fleet.away")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the replicas' time")
    parser.add_argument("--how", choices=("stop", "pause"), default="stop")
    parser.add_argument("--rate", type=float, default=1.0, help="their seconds in each of ours")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(ControlPlane())
        made = stack.enter_context(fleet(cluster))
        made.installation.grant_all()
        made.installation.register()
        seen = outage(
            cluster,
            made,
            Timepiece(folder / "clock"),
            how=options.how,
            length=options.minutes * 60,
            rate=options.rate,
            pulse=min(1.0, 5 / options.rate),
        )
        sys.stdout.write(f"{seen}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

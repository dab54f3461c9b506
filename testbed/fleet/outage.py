"""The API server goes away for ten minutes: what replicas serve meanwhile, how often they ask for it, how it ends.

    python -m testbed.fleet.outage [--minutes 10] [--how stop|pause] [--rate 1]

With `--rate 1` it takes as long as it says. With a higher rate the clocks of the replicas go faster (see `clocks`),
so that all they wait for comes sooner: the test does that. With `stop`, connections are refused; with `pause`, they are
accepted and never answered.
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

from cryptography import x509

from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.processes import wait_until
from testbed.fleet.clocks import Clocks
from testbed.fleet.fleet import Fleet, Replica, fleet, review
from testbed.fleet.installation import OURS, seconds

__all__ = ["How", "Outage", "outage"]

How = Literal["stop", "pause"]

REPLICAS = 2
INTERVAL, SETTLE, CALL_LIMIT, KEPT = 30.0, 120.0, 10.0, 30.0  # the defaults
LEAF_RATIO = 1.5  # a leaf is renewed a little before two thirds of its life: just before the outage ends
SKEW = 60.0
ANSWER_SECONDS = 5.0  # the machine's, which may be busy, for a review that asks for an answer within one second
CALLS = 2  # calls of the API in a round that does not reach it; the metric counts each


@dataclass
class Outage:
    """What was seen of one outage. Seconds are the replicas', except where a field says that they are the machine's."""

    how: How
    length: float
    handshakes: int = 0
    injected: int = 0
    injected_until: float = 0.0
    without_lookup: int = 0
    refused: int = 0
    slowest: float = 0.0
    """The machine's seconds of the review that took longest."""
    rounds: list[int] = field(default_factory=list)
    """For each replica, the rounds in which it did not reach the API server."""
    healed: float = 0.0
    """The machine's seconds from the return of the API server until every leaf was replaced and a pod was admitted."""

    def __str__(self) -> str:
        return (
            f"API server away ({self.how}) for {self.length:.0f} s: {self.handshakes} fresh handshakes, 0 refused; "
            f"{self.without_lookup} reviews that need no look-up, 0 failed; a known ServiceAccount: {self.injected} "
            f"injected until second {self.injected_until:.0f}, then {self.refused} answered 503; slowest answer "
            f"{self.slowest:.2f} s; rounds without the API server {', '.join(map(str, self.rounds))}; leaves replaced "
            f"and a pod admitted {self.healed:.1f} s after its return"
        )


@dataclass(frozen=True)
class Reviews:
    """What is posted to the replicas, and the caBundle with which they are verified."""

    bundle: bytes
    known: bytes
    """Of a pod whose ServiceAccount the replicas know: they answer without the API server for up to KEPT seconds."""
    unselected: bytes
    """Of a pod without our label: no ServiceAccount is looked up for it."""


@dataclass(frozen=True)
class Watched:
    """One replica, and how it was just before the outage."""

    replica: Replica
    kept: Callable[[bytes], tuple[int, bool]]
    """Posts on a connection that was opened before the outage and stays open."""
    leaf: x509.Certificate
    unavailable: int


def outage(
    cluster: ControlPlane, installed: Fleet, clocks: Clocks, *, how: How, length: float, rate: float, pulse: float
) -> Outage:
    """Takes the API server away for `length` of the replicas' seconds, and looks at every replica once in `pulse`.

    Raises AssertionError if the replicas of `installed` do not go on serving as they should.
    """
    reviews, seen = set_up(installed, clocks, length), Outage(how, length)
    with ExitStack() as stack:
        watched = [watch(replica, reviews, stack) for replica in installed.alive]
        (cluster.stop_apiserver if how == "stop" else cluster.pause)()
        begin = clocks.now()

        def passed() -> float:
            return (clocks.now() - begin).total_seconds()

        for each in watched:  # before time flies, since what they know is soon forgotten then
            look(each, reviews, seen, passed)
        clocks.run(rate)
        while passed() < length:
            pulse_ends = time.monotonic() + pulse
            for each in watched:
                look(each, reviews, seen, passed)
            time.sleep(max(0.0, pulse_ends - time.monotonic()))
        seen.rounds = [(each.replica.events()["unavailable"] - each.unavailable) // CALLS for each in watched]
        cluster.heal()
        seen.healed = recover(installed, watched, reviews)
        clocks.run(1)
        clocks.jump(timedelta(0))
        assert all(each.kept(reviews.known) == (200, True) for each in watched)
    installed.await_healed()
    check(seen, installed)
    return seen


def set_up(installed: Fleet, clocks: Clocks, length: float) -> Reviews:
    """Starts the replicas. Their leaves are due for renewal just before an outage of `length` seconds ends."""
    flags = seconds(interval=INTERVAL, settle=SETTLE, leaf=LEAF_RATIO * length, authority=172800, skew=SKEW)
    for _ in range(REPLICAS):
        installed.start(*flags, clocks=clocks)
    installed.await_ready()
    installation = installed.installation
    return Reviews(installation.bundles()[OURS[0]], review(installation.pods), review(installation.pods, labels={}))


def watch(replica: Replica, reviews: Reviews, stack: ExitStack) -> Watched:
    """Has the replica look up the ServiceAccount, and keeps a connection to it until `stack` closes."""
    leaf = replica.leaf(reviews.bundle)
    kept = stack.enter_context(Posting(replica, reviews.bundle))
    assert post(replica, reviews.bundle, reviews.known) == (200, True)
    return Watched(replica, kept, leaf, replica.events()["unavailable"])


def look(watched: Watched, reviews: Reviews, seen: Outage, passed: Callable[[], float]) -> None:
    """One look at a replica: it must serve all that needs no API server. passed: seconds of the outage."""
    replica, bundle, started = watched.replica, reviews.bundle, time.monotonic()
    status, patched = post(replica, bundle, reviews.known)
    seen.slowest = max(seen.slowest, time.monotonic() - started)
    assert (status, patched) in ((200, True), (503, False))
    if patched:
        seen.injected += 1
        seen.injected_until = max(seen.injected_until, passed())
    else:
        assert passed() > KEPT / 2, "the replica asked again for a ServiceAccount that it knows"
        seen.refused += 1
    assert watched.kept(reviews.unselected) == (200, False)
    assert post(replica, bundle, reviews.unselected) == (200, False)
    seen.handshakes += 2
    seen.without_lookup += 2
    assert replica.is_ready(), replica.readyz()
    assert replica.leaf(bundle) == watched.leaf


def recover(installed: Fleet, watched: Sequence[Watched], reviews: Reviews) -> float:
    """Waits until every leaf is replaced and a pod is admitted; the machine's seconds that it took."""
    returned = time.monotonic()

    def is_replaced(each: Watched) -> bool:
        is_new = each.replica.leaf(reviews.bundle) != each.leaf
        return is_new and post(each.replica, reviews.bundle, reviews.known) == (200, True)

    wait_until(
        lambda: all(map(is_replaced, watched)),
        "leaves replaced",
        alive=[one.process for one in installed.alive],
    )
    wait_until(installed.admits, "a pod admitted")
    return time.monotonic() - returned


def check(seen: Outage, installed: Fleet) -> None:
    """The rest of what must hold.

    The replicas asked for the API server with pauses that grew to the interval and no further. Each logged one error
    for each object that it could not read, and that it is over.
    """
    longest, shortest = (INTERVAL, INTERVAL / 2)  # the back-off grows to a random part of the interval in between
    if seen.how == "pause":
        longest, shortest = longest + CALLS * CALL_LIMIT, shortest + CALLS * CALL_LIMIT
    for rounds in seen.rounds:
        # On a busy machine a round takes long as well.
        assert seen.length / (2 * longest + 10) - 1 <= rounds <= seen.length / shortest + 6, seen.rounds
    assert seen.slowest < ANSWER_SECONDS
    assert seen.injected > 0
    assert seen.refused > 0
    for replica in installed.alive:
        wait_until(partial(is_over, replica), "over")
        errors = [message for message in replica.messages("error") if "cannot be read" in message]
        assert len(errors) == CALLS, errors
        assert not any("RBAC" in message for message in replica.messages())


def is_over(replica: Replica) -> bool:
    """Whether the last message about each of the two objects says that it can be read again."""
    messages = [message for message in replica.messages() if "cannot be read" in message]
    last = {message.removeprefix("over: ").partition(" ")[0]: message.startswith("over: ") for message in messages}
    return all(last.values())


class Posting:
    """A context manager: a connection to one replica that stays open. It gives a function that posts a review."""

    def __init__(self, replica: Replica, bundle: bytes) -> None:
        self._connection = http.client.HTTPSConnection("127.0.0.1", replica.port)
        self._connection.sock = replica.connect(bundle)
        self._connection.auto_open = 0

    def __enter__(self) -> Callable[[bytes], tuple[int, bool]]:
        return self._post

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _post(self, body: bytes) -> tuple[int, bool]:
        """The status of the answer, and whether it has a patch."""
        self._connection.request("POST", "/mutate?timeout=1s", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        return answer.status, answer.status == 200 and bool(json.loads(content)["response"].get("patch"))


def post(replica: Replica, bundle: bytes, body: bytes) -> tuple[int, bool]:
    """Posts a review on a fresh connection; the result is that of `Posting`."""
    with Posting(replica, bundle) as posted:
        return posted(body)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m testbed.fleet.outage", description="Takes the API server away from two replicas of the webhook."
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=10.0,
        help="how long the API server is away, in the replicas' time (%(default)s)",
    )
    parser.add_argument("--how", choices=("stop", "pause"), default="stop", help="refuse connections, or do not answer")
    parser.add_argument("--rate", type=float, default=1.0, help="the replicas' seconds in each second (%(default)s)")
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
            Clocks(folder / "clock"),
            how=options.how,
            length=options.minutes * 60,
            rate=options.rate,
            pulse=min(1.0, 5 / options.rate),
        )
        sys.stdout.write(f"{seen}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

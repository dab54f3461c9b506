"""Which connection is overdue, and which makes room, in a time that the test makes pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from tests.server.fake_loop import FakeLoop
from webhook.server.limits import Limits
from webhook.server.open_connections import OpenConnections, Waiting

LIMITS = Limits(request=10, keep_alive=120, shutdown=60, connections=3)


class Peer:
    """A connection that says what was done to it, and when."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.state: Waiting | None = None
        self.calls: list[tuple[str, float]] = []

    def _called(self, name: str) -> None:
        self.calls.append((name, self.place.loop.now))

    def enter(self, name: str) -> Peer:
        """Be in the state of this name."""
        self.state = getattr(self.place.connections, name)
        self.state.add(self)
        return self

    def leave(self) -> None:
        if self.state is not None:
            self.state.since.pop(self, None)

    def renew(self) -> None:
        self._called("renew")

    def too_slow(self) -> None:
        self._called("too_slow")

    def close(self) -> None:
        self._called("close")

    def abort(self) -> None:
        self._called("abort")

    def end(self) -> None:
        self._called("end")
        self.leave()


class Place:
    """Connections on a loop of their own."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.loop = cast("Any", FakeLoop())
        self.connections = OpenConnections(self.loop, limits)

    def enter(self, *names: str) -> list[Peer]:
        """One connection in each of these states, a second apart."""
        peers = []
        for name in names:
            peers.append(Peer(self).enter(name))
            self.loop.move(1)
        return peers


@pytest.mark.parametrize(
    ("state", "calls"),
    [
        ("opening", []),
        ("receiving", [("too_slow", 110)]),
        ("busy", []),
        ("idle", [("close", 220)]),
        ("closing", [("abort", 160)]),
    ],
)
def test_each_state_has_its_time_and_its_end(state: str, calls: list[tuple[str, float]]) -> None:
    """Once. The handshake and the application have limits of their own."""
    place = Place()
    peer = Peer(place).enter(state)
    place.loop.move(1000)
    assert peer.calls == calls


def test_a_state_without_a_limit_has_no_timer() -> None:
    """It would run for ever."""
    place = Place()
    place.enter("opening", "busy")
    assert place.loop.waiting == []


def test_one_timer_serves_all_each_at_its_own_time() -> None:
    """It is set for the one that has waited longest."""
    place = Place()
    first, second = place.enter("receiving", "receiving")
    assert place.loop.waiting == [110]
    place.loop.move(9)
    assert (first.calls, second.calls, place.loop.waiting) == ([("too_slow", 110)], [("too_slow", 111)], [])


def test_a_connection_that_has_left_is_not_overdue() -> None:
    """The timer that was set for it goes on to the next."""
    place = Place()
    first, second = place.enter("idle", "idle")
    first.leave()
    place.loop.move(1000)
    assert (first.calls, second.calls) == ([], [("close", 221)])


def test_a_connection_that_comes_when_nobody_waits_sets_a_new_timer() -> None:
    """After the last one was overdue."""
    place = Place()
    place.enter("receiving")
    place.loop.move(99)
    (peer,) = place.enter("receiving")
    place.loop.move(99)
    assert peer.calls == [("too_slow", 210)]


def test_there_is_room_up_to_the_limit() -> None:
    """Connections count in every state."""
    place = Place()
    peers = place.enter("opening", "busy")
    assert place.connections.make_room()
    assert [peer.calls for peer in peers] == [[], []]


@pytest.mark.parametrize(
    ("states", "leaves"),
    [
        (("idle", "closing", "receiving"), 2),
        (("idle", "receiving", "opening"), 1),
        (("idle", "opening", "receiving"), 1),
        (("idle", "closing", "busy"), 1),
        (("busy", "idle", "idle"), 1),
        (("busy", "busy", "closing"), 2),
        (("busy", "busy", "busy"), None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_who_makes_room(states: tuple[str, ...], leaves: int | None) -> None:
    """The longest without a complete request, then one that has its last answer, then the longest idle, or none."""
    place = Place()
    peers = place.enter(*states)
    assert place.connections.make_room() == (leaves is not None)
    assert [bool(peer.calls) for peer in peers] == [number == leaves for number in range(3)]


@pytest.mark.parametrize(
    "states", [("busy", "idle", "opening"), ("idle", "opening", "busy"), ("closing", "busy", "idle")]
)
def test_the_oldest_leaves_if_the_limits_say_so(states: tuple[str, ...]) -> None:
    """Whatever it is doing: on the operations port the newest is the kubelet's probe."""
    place = Place(replace(LIMITS, oldest_leaves=True))
    peers = place.enter(*states)
    assert place.connections.make_room()
    assert [[name for name, _ in peer.calls] for peer in peers] == [["end"], [], []]


@pytest.mark.parametrize("name", ["renew", "end"])
def test_all_are_renewed_or_ended(name: str) -> None:
    """In every state, even if each leaves its own while that goes on."""
    place = Place(Limits(connections=10))
    peers = [Peer(place).enter(state) for state in ("opening", "receiving", "busy", "idle", "closing")]
    getattr(place.connections, name)()
    assert [peer.calls for peer in peers] == [[(name, 100)]] * 5

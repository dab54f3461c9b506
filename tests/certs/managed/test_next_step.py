"""The next step, for views that are hard to reach by way of the world."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from certs.authority import make_authority
from certs.managed.ca_bundle import Published
from certs.managed.next_step import (
    MOST_PREVIOUS,
    Create,
    Date,
    Leaf,
    Phase,
    Promote,
    Publish,
    Rest,
    Retire,
    Sign,
    Stage,
    View,
    next_step,
    phase,
    settling,
)
from certs.managed.secret import Record, State
from certs.pem import bundle_pem, fingerprint, parse_bundle
from tests.certs.fakes import START, settings

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
SETTINGS = settings()
CURRENT, NEXT, OLD = (make_authority(now=START, lifetime=60 * DAY).certificate for _ in range(3))
EXPIRED = make_authority(now=START - 60 * DAY, lifetime=59 * DAY).certificate


def entry(*certificates: Any, name: str = "pods.m365") -> Published:
    return Published(name=name, bundle=parse_bundle(bundle_pem(certificates)))


def leaf(authority: Any = CURRENT, **changes: Any) -> Leaf:
    values = {"issued": START, "not_after": START + 5 * DAY, "renew_at": START + 3 * DAY}
    return Leaf(authority=authority, **(values | changes))


def record(**changes: Any) -> Record:
    return Record(expires=START + 60 * DAY, **changes)


def view(**changes: Any) -> View:
    """A replica that has nothing to do."""
    values: dict[str, Any] = {
        "asked": START + HOUR,
        "now": START + HOUR,
        "ticks": HOUR.total_seconds(),
        "state": State(current=CURRENT),
        "entries": (entry(CURRENT),),
        "leaf": leaf(),
        "seen": {fingerprint(CURRENT): 0.0},
    }
    return View(**(values | changes))


DATED = {fingerprint(OLD): record(leaves_end=START + 2 * DAY)}
ENDED = {fingerprint(OLD): record(leaves_end=START + MINUTE)}
LONG_SEEN = {fingerprint(CURRENT): 0.0, fingerprint(NEXT): 0.0}
JUST_SEEN = {fingerprint(CURRENT): 0.0, fingerprint(NEXT): (HOUR - MINUTE).total_seconds()}
JUST_NOW = HOUR.total_seconds()
ASKED = State(current=CURRENT, renew_leaves=START - MINUTE)
TOO_SHORT = make_authority(now=START, lifetime=3 * HOUR).certificate
BOTH = (entry(CURRENT, NEXT),)


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, Rest),
        # absent
        ({"state": State(present=False)}, Create),
        ({"state": State()}, Create),
        ({"state": State(current=CURRENT), "now": START + 61 * DAY}, Create),
        ({"state": State(next=NEXT), "entries": BOTH}, Promote),
        ({"state": None}, Rest),
        # created
        ({"entries": (entry(),)}, Publish),
        ({"entries": (entry(CURRENT), entry(name="second"))}, Publish),
        ({"entries": None, "leaf": None}, Rest),
        ({"state": None, "entries": (entry(),)}, Publish),
        ({"state": None, "entries": (entry(),), "leaf": None}, Rest),
        # published
        ({"leaf": None}, Sign),
        ({"leaf": leaf(), "now": START + 3 * DAY}, Sign),
        ({"leaf": leaf(), "now": START + 3 * DAY, "entries": None}, Sign),
        ({"leaf": leaf(issued=START + 3 * HOUR)}, Sign),
        ({"leaf": leaf(issued=START + 3 * HOUR), "ahead": 20 * DAY}, Rest),
        ({"leaf": leaf(issued=START + 2 * HOUR)}, Rest),
        ({"state": ASKED}, Sign),
        ({"state": ASKED, "leaf": leaf(asked_for=START - HOUR)}, Sign),
        ({"state": ASKED, "leaf": leaf(asked_for=ASKED.renew_leaves)}, Rest),
        ({"leaf": leaf(asked_for=ASKED.renew_leaves)}, Rest),
        ({"now": START + 40 * DAY, "leaf": leaf(renew_at=START + 50 * DAY, not_after=START + 55 * DAY)}, Stage),
        ({"now": START + 39 * DAY, "leaf": leaf(renew_at=START + 50 * DAY, not_after=START + 55 * DAY)}, Rest),
        ({"state": State(current=TOO_SHORT), "entries": (entry(TOO_SHORT),), "leaf": leaf(TOO_SHORT)}, Stage),
        # staged
        ({"state": State(current=CURRENT, next=NEXT)}, Publish),
        ({"state": State(current=CURRENT, next=NEXT), "entries": BOTH, "seen": LONG_SEEN}, Promote),
        ({"state": State(current=CURRENT, next=NEXT), "entries": BOTH, "seen": JUST_SEEN}, Rest),
        ({"state": State(current=CURRENT, next=NEXT), "entries": None, "seen": LONG_SEEN}, Rest),
        # promoted
        ({"state": State(current=CURRENT, previous=(OLD,)), "entries": (entry(CURRENT),)}, Publish),
        ({"state": State(current=CURRENT, previous=(OLD,)), "entries": (entry(CURRENT, OLD),)}, Date),
        ({"state": State(current=CURRENT, previous=(OLD,), records=DATED), "entries": (entry(CURRENT, OLD),)}, Rest),
        ({"leaf": leaf(OLD), "entries": (entry(CURRENT, OLD),)}, Sign),
        ({"leaf": leaf(OLD), "entries": (entry(CURRENT, OLD),), "seen": {fingerprint(CURRENT): JUST_NOW}}, Rest),
        ({"leaf": leaf(OLD), "entries": None}, Rest),
        ({"leaf": leaf(OLD, not_after=START), "seen": {fingerprint(CURRENT): JUST_NOW}}, Sign),
        # retired
        ({"state": State(current=CURRENT, previous=(OLD,), records=ENDED), "entries": (entry(CURRENT, OLD),)}, Publish),
        ({"state": State(current=CURRENT, previous=(OLD,), records=ENDED)}, Retire),
        ({"state": State(current=CURRENT, records=ENDED), "entries": (entry(CURRENT, OLD),)}, Publish),
        ({"state": State(current=CURRENT, problems=("next.crt: it is not PEM",))}, Retire),
        ({"state": State(current=CURRENT, problems=("state.json: leaf_seconds is -5",)), "leaf": None}, Retire),
        # an authority that signs again after all
        ({"state": State(current=CURRENT, records={fingerprint(CURRENT): record(leaves_end=START)})}, Date),
        (
            {
                "state": State(current=CURRENT, records={fingerprint(CURRENT): record(leaves_end=START)}),
                "entries": (entry(CURRENT, OLD),),
            },
            Date,
        ),
        # an authority from the future
        ({"now": START - 2 * HOUR, "leaf": None}, Rest),
        # a clock that cannot be trusted
        ({"state": State(present=False), "ahead": 2 * HOUR}, Rest),
        ({"entries": (entry(),), "ahead": -2 * HOUR}, Rest),
        ({"leaf": None, "ahead": 2 * HOUR}, Sign),
    ],
)
def test_the_next_step(changes: dict[str, Any], step: type) -> None:
    """One row for each rule of the table in the module."""
    assert type(next_step(view(**changes), SETTINGS)) is step


def test_what_failed_is_not_asked_for_again_but_the_rest_is() -> None:
    """RBAC that forbids the patch must not stop the leaf from being renewed."""
    stuck = view(entries=(entry(),), leaf=leaf(renew_at=START))
    assert type(next_step(stuck, SETTINGS)) is Publish
    assert type(next_step(replace(stuck, skip=frozenset({Publish})), SETTINGS)) is Sign


def test_an_end_is_reckoned_from_the_longest_life_that_any_replica_may_have_given() -> None:
    """The maker of the authority wrote it down; three clocks may be wrong."""
    records = {fingerprint(OLD): record(leaf_lifetime=9 * DAY)}
    promoted = view(state=State(current=CURRENT, previous=(OLD,), records=records), entries=(entry(CURRENT, OLD),))
    assert next_step(promoted, SETTINGS) == Date({fingerprint(OLD): START + HOUR + 9 * DAY + 3 * HOUR})


def test_a_leaf_lives_no_longer_than_was_written_down() -> None:
    """Whatever this replica's own setting is."""
    records = {fingerprint(CURRENT): record(leaf_lifetime=2 * DAY)}
    assert next_step(view(leaf=None, state=State(current=CURRENT, records=records)), SETTINGS) == Sign(CURRENT, 2 * DAY)
    assert next_step(view(leaf=None), SETTINGS) == Sign(CURRENT, 5 * DAY)


SETTLE = SETTINGS.settle
YOUNG = view(now=START + SETTLE, entries=BOTH, seen={fingerprint(CURRENT): JUST_NOW})


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        ({}, True),
        ({"leaf": None}, False),
        ({"entries": None}, True),
        ({"entries": (entry(CURRENT),)}, False),
        ({"entries": (entry(CURRENT), entry(CURRENT, NEXT, name="second"))}, True),
        ({"entries": (entry(CURRENT, EXPIRED),)}, False),
        ({"now": START + SETTLE + MINUTE}, False),
        ({"seen": {fingerprint(CURRENT): JUST_NOW - SETTLE.total_seconds()}}, False),
    ],
)
def test_a_first_leaf_of_a_new_authority_waits_where_another_is_trusted(changes: dict[str, Any], waits: bool) -> None:
    """A kube-apiserver that has not heard of it yet refuses it; meanwhile it can call one with a leaf of the other."""
    assert settling(replace(YOUNG, **changes), SETTINGS) is waits


def test_what_was_known_before_is_kept_when_the_secret_is_lost() -> None:
    """So that leaves that are served stay trusted; what has ended or expired is not brought back."""
    lost = view(state=State(present=False, records=ENDED), known=(CURRENT, OLD, EXPIRED))
    assert next_step(lost, SETTINGS) == Create((CURRENT,))


def test_rotations_that_come_too_fast_wait() -> None:
    """A caBundle of dozens would be sent to everyone who watches the configuration."""
    previous = tuple(make_authority(now=START, lifetime=60 * DAY).certificate for _ in range(MOST_PREVIOUS))
    records = {fingerprint(c): record(leaves_end=START + 50 * DAY) for c in previous}
    state = State(current=CURRENT, previous=previous, records=records)
    late = view(state=state, entries=(entry(CURRENT, *previous),), now=START + 45 * DAY, asked=START + 45 * DAY)
    late = replace(late, leaf=leaf(not_after=START + 50 * DAY, renew_at=START + 49 * DAY))
    assert type(next_step(late, SETTINGS)) is Rest
    fewer = replace(late, state=replace(state, previous=previous[1:]))
    assert type(next_step(fewer, SETTINGS)) is Stage


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": None}, Phase.ABSENT),
        ({"state": State()}, Phase.ABSENT),
        ({"now": START + 61 * DAY}, Phase.ABSENT),
        ({"entries": None}, Phase.CREATED),
        ({"entries": (entry(),)}, Phase.CREATED),
        ({}, Phase.PUBLISHED),
        ({"state": State(current=CURRENT, next=NEXT)}, Phase.STAGED),
        ({"state": State(current=CURRENT, previous=(OLD,), records=DATED)}, Phase.PROMOTED),
        ({"state": State(current=CURRENT, previous=(OLD,), records=ENDED)}, Phase.RETIRED),
        ({"state": State(current=CURRENT, records=ENDED), "entries": (entry(CURRENT, OLD),)}, Phase.RETIRED),
        ({"state": State(current=CURRENT, records=ENDED)}, Phase.PUBLISHED),
    ],
)
def test_the_phase_for_people(changes: dict[str, Any], expected: Phase) -> None:
    """The words of the table."""
    assert phase(view(**changes)) is expected

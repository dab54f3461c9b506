"""The next step, for what is hard to reach by way of the world of fakes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from certs.managed.ca_bundle import PublishedBundle
from certs.managed.next_step import MOST_PREVIOUS, Phase, next_step, phase, waits_for_slow_apiservers
from certs.managed.secret import AuthorityRecord, SecretState
from certs.managed.steps import (
    Create,
    Leaf,
    NothingToDo,
    Observation,
    Promote,
    Publish,
    RecordLeafEnd,
    Retire,
    Sign,
    Stage,
)
from certs.pem import bundle_pem, fingerprint, parse_bundle
from tests.authorities import make_authority
from tests.certs.fakes import START, settings

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
SETTINGS = settings()
CURRENT, NEXT, OLD = (make_authority(now=START, lifetime=60 * DAY).certificate for _ in range(3))
EXPIRED = make_authority(now=START - 60 * DAY, lifetime=59 * DAY).certificate


def entry(*certificates: Any, name: str = "pods.m365") -> PublishedBundle:
    return PublishedBundle(name=name, bundle=parse_bundle(bundle_pem(certificates)))


def leaf(authority: Any = CURRENT, **changes: Any) -> Leaf:
    values = {"issued": START, "not_after": START + 5 * DAY, "renew_at": START + 3 * DAY}
    return Leaf(authority=authority, **(values | changes))


def record(**changes: Any) -> AuthorityRecord:
    return AuthorityRecord(expires=START + 60 * DAY, **changes)


def observation(**changes: Any) -> Observation:
    """A replica that has nothing to do."""
    values: dict[str, Any] = {
        "requested_at": START + HOUR,
        "now": START + HOUR,
        "ticks": HOUR.total_seconds(),
        "secret": SecretState(current=CURRENT),
        "bundles": (entry(CURRENT),),
        "leaf": leaf(),
        "trusted_since": {fingerprint(CURRENT): 0.0},
    }
    return Observation(**(values | changes))


DATED = {fingerprint(OLD): record(leaves_end=START + 2 * DAY)}
ENDED = {fingerprint(OLD): record(leaves_end=START + MINUTE)}
LONG_SEEN = {fingerprint(CURRENT): 0.0, fingerprint(NEXT): 0.0}
JUST_SEEN = {fingerprint(CURRENT): 0.0, fingerprint(NEXT): (HOUR - MINUTE).total_seconds()}
JUST_NOW = HOUR.total_seconds()
ASKED = SecretState(current=CURRENT, renew_leaves=START - MINUTE)
TOO_SHORT = make_authority(now=START, lifetime=3 * HOUR).certificate
SHORTEST = make_authority(now=START, lifetime=SETTINGS.shortest_authority).certificate
OURS, OTHER = (
    make_authority(now=START, lifetime=60 * DAY, names=names).certificate
    for names in (SETTINGS.names, SETTINGS.names[1:])
)
BOTH = (entry(CURRENT, NEXT),)


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, NothingToDo),
        # absent
        ({"secret": SecretState(present=False)}, Create),
        ({"secret": SecretState()}, Create),
        ({"secret": SecretState(current=CURRENT), "now": START + 61 * DAY}, Create),
        ({"secret": SecretState(next=NEXT), "bundles": BOTH}, Promote),
        ({"secret": None}, NothingToDo),
        # created
        ({"bundles": (entry(),)}, Publish),
        ({"bundles": (entry(CURRENT), entry(name="second"))}, Publish),
        ({"bundles": None, "leaf": None}, NothingToDo),
        ({"secret": None, "bundles": (entry(),)}, Publish),
        ({"secret": None, "bundles": (entry(),), "leaf": None}, NothingToDo),
        # published
        ({"leaf": None}, Sign),
        ({"leaf": leaf(), "now": START + 3 * DAY}, Sign),
        ({"leaf": leaf(), "now": START + 3 * DAY, "bundles": None}, Sign),
        ({"leaf": leaf(issued=START + 3 * HOUR)}, Sign),
        ({"leaf": leaf(issued=START + 3 * HOUR), "clock_offset": 20 * DAY}, NothingToDo),
        ({"leaf": leaf(issued=START + 2 * HOUR)}, NothingToDo),
        ({"secret": ASKED}, Sign),
        ({"secret": ASKED, "leaf": leaf(asked_for=START - HOUR)}, Sign),
        ({"secret": ASKED, "leaf": leaf(asked_for=ASKED.renew_leaves)}, NothingToDo),
        ({"leaf": leaf(asked_for=ASKED.renew_leaves)}, NothingToDo),
        ({"now": START + 40 * DAY, "leaf": leaf(renew_at=START + 50 * DAY, not_after=START + 55 * DAY)}, Stage),
        ({"now": START + 39 * DAY, "leaf": leaf(renew_at=START + 50 * DAY, not_after=START + 55 * DAY)}, NothingToDo),
        ({"secret": SecretState(current=TOO_SHORT), "bundles": (entry(TOO_SHORT),), "leaf": leaf(TOO_SHORT)}, Stage),
        ({"secret": SecretState(current=SHORTEST), "bundles": (entry(SHORTEST),), "leaf": leaf(SHORTEST)}, NothingToDo),
        ({"secret": SecretState(current=OTHER), "bundles": (entry(OTHER),), "leaf": leaf(OTHER)}, Stage),
        ({"secret": SecretState(current=OURS), "bundles": (entry(OURS),), "leaf": leaf(OURS)}, NothingToDo),
        # staged
        ({"secret": SecretState(current=CURRENT, next=OTHER), "bundles": (entry(CURRENT, OTHER),)}, Stage),
        ({"secret": SecretState(current=CURRENT, next=OURS), "bundles": (entry(CURRENT, OURS),)}, NothingToDo),
        ({"secret": SecretState(current=CURRENT, next=NEXT)}, Publish),
        ({"secret": SecretState(current=CURRENT, next=NEXT), "bundles": BOTH, "trusted_since": LONG_SEEN}, Promote),
        ({"secret": SecretState(current=CURRENT, next=NEXT), "bundles": BOTH, "trusted_since": JUST_SEEN}, NothingToDo),
        ({"secret": SecretState(current=CURRENT, next=NEXT), "bundles": None, "trusted_since": LONG_SEEN}, NothingToDo),
        # promoted
        ({"secret": SecretState(current=CURRENT, previous=(OLD,)), "bundles": (entry(CURRENT),)}, Publish),
        ({"secret": SecretState(current=CURRENT, previous=(OLD,)), "bundles": (entry(CURRENT, OLD),)}, RecordLeafEnd),
        (
            {"secret": SecretState(current=CURRENT, previous=(OLD,), records=DATED), "bundles": (entry(CURRENT, OLD),)},
            NothingToDo,
        ),
        ({"leaf": leaf(OLD), "bundles": (entry(CURRENT, OLD),)}, Sign),
        (
            {"leaf": leaf(OLD), "bundles": (entry(CURRENT, OLD),), "trusted_since": {fingerprint(CURRENT): JUST_NOW}},
            NothingToDo,
        ),
        ({"leaf": leaf(OLD), "bundles": None}, NothingToDo),
        ({"leaf": leaf(OLD, not_after=START), "trusted_since": {fingerprint(CURRENT): JUST_NOW}}, Sign),
        # retired
        (
            {"secret": SecretState(current=CURRENT, previous=(OLD,), records=ENDED), "bundles": (entry(CURRENT, OLD),)},
            Publish,
        ),
        ({"secret": SecretState(current=CURRENT, previous=(OLD,), records=ENDED)}, Retire),
        ({"secret": SecretState(current=CURRENT, records=ENDED), "bundles": (entry(CURRENT, OLD),)}, Publish),
        ({"secret": SecretState(current=CURRENT, problems=("next.crt: it is not PEM",))}, Retire),
        ({"secret": SecretState(current=CURRENT, problems=("state.json: leaf_seconds is -5",)), "leaf": None}, Retire),
        # an authority that signs again after all
        (
            {"secret": SecretState(current=CURRENT, records={fingerprint(CURRENT): record(leaves_end=START)})},
            RecordLeafEnd,
        ),
        (
            {
                "secret": SecretState(current=CURRENT, records={fingerprint(CURRENT): record(leaves_end=START)}),
                "bundles": (entry(CURRENT, OLD),),
            },
            RecordLeafEnd,
        ),
        # an authority from the future
        ({"now": START - 2 * HOUR, "leaf": None}, NothingToDo),
        # a clock that cannot be trusted
        ({"secret": SecretState(present=False), "clock_offset": 2 * HOUR}, NothingToDo),
        ({"bundles": (entry(),), "clock_offset": -2 * HOUR}, NothingToDo),
        ({"leaf": None, "clock_offset": 2 * HOUR}, Sign),
    ],
)
def test_each_row_of_the_table_leads_to_its_step(changes: dict[str, Any], step: type) -> None:
    """One row for each rule of the table in the module."""
    assert type(next_step(observation(**changes), SETTINGS)) is step


def test_what_failed_is_not_asked_for_again_but_the_rest_is() -> None:
    """RBAC that forbids the patch must not stop the leaf from being renewed."""
    stuck = observation(bundles=(entry(),), leaf=leaf(renew_at=START))
    assert type(next_step(stuck, SETTINGS)) is Publish
    assert type(next_step(replace(stuck, failed=frozenset({Publish})), SETTINGS)) is Sign


def test_the_end_of_leaves_follows_from_the_longest_life_that_a_replica_may_have_given() -> None:
    """The maker of the authority recorded it; three clocks may be wrong."""
    records = {fingerprint(OLD): record(leaf_lifetime=9 * DAY)}
    promoted = observation(
        secret=SecretState(current=CURRENT, previous=(OLD,), records=records), bundles=(entry(CURRENT, OLD),)
    )
    assert next_step(promoted, SETTINGS) == RecordLeafEnd({fingerprint(OLD): START + HOUR + 9 * DAY + 3 * HOUR})


def test_a_leaf_lives_no_longer_than_is_recorded() -> None:
    """Whatever this replica's own setting is."""
    records = {fingerprint(CURRENT): record(leaf_lifetime=2 * DAY)}
    assert next_step(observation(leaf=None, secret=SecretState(current=CURRENT, records=records)), SETTINGS) == Sign(
        CURRENT, 2 * DAY
    )
    assert next_step(observation(leaf=None), SETTINGS) == Sign(CURRENT, 5 * DAY)


WAIT = SETTINGS.publish_wait
YOUNG = observation(now=START + WAIT, bundles=BOTH, trusted_since={fingerprint(CURRENT): JUST_NOW})


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        ({}, True),
        ({"leaf": None}, False),
        ({"bundles": None}, True),
        ({"bundles": (entry(CURRENT),)}, False),
        ({"bundles": (entry(CURRENT), entry(CURRENT, NEXT, name="second"))}, True),
        ({"bundles": (entry(CURRENT, EXPIRED),)}, False),
        ({"now": START + WAIT + MINUTE}, False),
        ({"trusted_since": {fingerprint(CURRENT): JUST_NOW - WAIT.total_seconds()}}, False),
    ],
)
def test_a_first_leaf_of_a_new_authority_waits_if_another_is_trusted(changes: dict[str, Any], waits: bool) -> None:
    """A kube-apiserver that does not know it yet refuses it; meanwhile it can call replicas with older leaves."""
    assert waits_for_slow_apiservers(replace(YOUNG, **changes), SETTINGS) is waits


def test_what_was_known_before_is_kept_when_the_secret_is_lost() -> None:
    """Leaves that are served stay trusted; an authority that has expired, or whose leaves have, does not come back."""
    lost = observation(secret=SecretState(present=False, records=ENDED), remembered=(CURRENT, OLD, EXPIRED))
    assert next_step(lost, SETTINGS) == Create((CURRENT,))


def test_rotations_that_come_too_fast_wait() -> None:
    """A caBundle of dozens would be sent to every watcher of the configuration."""
    previous = tuple(make_authority(now=START, lifetime=60 * DAY).certificate for _ in range(MOST_PREVIOUS))
    records = {fingerprint(c): record(leaves_end=START + 50 * DAY) for c in previous}
    state = SecretState(current=CURRENT, previous=previous, records=records)
    late = observation(
        secret=state, bundles=(entry(CURRENT, *previous),), now=START + 45 * DAY, requested_at=START + 45 * DAY
    )
    late = replace(late, leaf=leaf(not_after=START + 50 * DAY, renew_at=START + 49 * DAY))
    assert type(next_step(late, SETTINGS)) is NothingToDo
    fewer = replace(late, secret=replace(state, previous=previous[1:]))
    assert type(next_step(fewer, SETTINGS)) is Stage


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"secret": None}, Phase.ABSENT),
        ({"secret": SecretState()}, Phase.ABSENT),
        ({"now": START + 61 * DAY}, Phase.ABSENT),
        ({"bundles": None}, Phase.CREATED),
        ({"bundles": (entry(),)}, Phase.CREATED),
        ({}, Phase.PUBLISHED),
        ({"secret": SecretState(current=CURRENT, next=NEXT)}, Phase.STAGED),
        ({"secret": SecretState(current=CURRENT, previous=(OLD,), records=DATED)}, Phase.PROMOTED),
        ({"secret": SecretState(current=CURRENT, previous=(OLD,), records=ENDED)}, Phase.RETIRED),
        ({"secret": SecretState(current=CURRENT, records=ENDED), "bundles": (entry(CURRENT, OLD),)}, Phase.RETIRED),
        ({"secret": SecretState(current=CURRENT, records=ENDED)}, Phase.PUBLISHED),
    ],
)
def test_each_observation_has_the_phase_of_the_table(changes: dict[str, Any], expected: Phase) -> None:
    """The words of the table."""
    assert phase(observation(**changes)) is expected

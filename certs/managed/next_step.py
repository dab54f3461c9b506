"""What to do next, worked out from what was read: the life of the authority as a pure function.

    absent      no authority that can sign is stored                         -> Create
    created     it is stored; a caBundle of our webhooks does not hold it    -> Publish
    published   every caBundle holds it; leaves are signed with it           -> Sign; Stage at two thirds of its life
    staged      the next one is stored, too, and published                   -> Publish; Promote after a while
    promoted    the next one signs; the one before stays trusted             -> RecordLeafEnd
    retired     the last leaf of the one before has expired: it goes from    -> Retire, Publish
                Secret and caBundle

Any replica may do any step. A step that was done already is not asked for again, and one that was cut off is asked for
again: the replicas have no leader, and no state to resume from. resourceVersion decides who was first when a step is
performed (`certs.managed.perform`). What keeps "every leaf that is served verifies against every bundle that is
published" true:

- An authority signs a leaf only for a replica that reads it in every caBundle. If a good leaf is served already, only
  after the authority was read there for `publish_wait`: each kube-apiserver learns of a bundle in its own time.
- A leaf lives at most as long as is recorded with its authority, counted from *before* the Secret was read. So a
  replica that is suspended between reading and signing signs nothing that lives longer than is recorded.
- That an authority no longer signs is known when its successor is read in its place. Only then is the end of its last
  leaf recorded, later by what clocks may differ. Until then it stays in every caBundle. A stranger in one gets an end.
- An authority signs for the names that it was made for. If the settings have others, leaves are signed without these
  until an authority that permits them has been staged and promoted as any other.
- Every change to a caBundle is made against the version that was read, and adds to what is there.
- All times are the API server's, because it judges leaves (`certs.clock.ApiClock`). A replica whose wall clock differs
  from it by more than `skew` signs its own leaves and changes nothing else.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography import x509

from certs.authority import is_authority, renewal_time
from certs.constraints import permits
from certs.managed.ca_bundle import trusted_by_all, wanted_bundle
from certs.managed.refusal import strangers
from certs.managed.secret import SecretState
from certs.managed.settings import RotationSettings
from certs.managed.steps import (
    Create,
    NothingToDo,
    Observation,
    Promote,
    Publish,
    RecordLeafEnd,
    Retire,
    Sign,
    Stage,
    Step,
)
from certs.names import BACKDATED
from certs.pem import fingerprint

__all__ = ["MOST_PREVIOUS", "Phase", "next_step", "phase", "waits_for_slow_apiservers"]

_MOMENT = timedelta(seconds=2)  # the API server tells its time in whole seconds
MOST_PREVIOUS = 8  # a caBundle is sent to every watcher of the configuration; rotations that come faster wait


class Phase(enum.Enum):
    """Where the authority stands: the table above."""

    ABSENT = "absent"
    CREATED = "created"
    PUBLISHED = "published"
    STAGED = "staged"
    PROMOTED = "promoted"
    RETIRED = "retired"


def next_step(observed: Observation, settings: RotationSettings) -> Step:
    """The most urgent step, of those that have not failed."""
    if observed.clock_offset:
        step: Step | None = _sign(observed, settings)
        return step if step is not None and type(step) not in observed.failed else NothingToDo()
    for step in (
        _create(observed),
        _publish(observed, settings),
        _record_leaf_end(observed, settings),
        _retire(observed),
        _sign(observed, settings),
        _stage(observed, settings),
        _promote(observed, settings),
    ):
        if step is not None and type(step) not in observed.failed:
            return step
    return NothingToDo()


def waits_for_slow_apiservers(observed: Observation, settings: RotationSettings) -> bool:
    """Whether a slow kube-apiserver may refuse a replica's first leaf, while all of them trust another replica's.

    This happens only after a key was lost: a new authority was created in addition to one that is still trusted. A
    staged authority has always waited longer before it signs.
    """
    if observed.leaf is None or observed.bundles is None:
        return observed.leaf is not None
    authority = observed.leaf.authority
    age = observed.now - (authority.not_valid_before_utc + BACKDATED)
    others = {c for each in observed.bundles for c in each.bundle.certificates if is_authority(c)} - {authority}
    young = age < settings.publish_wait + _MOMENT
    another_is_trusted = any(_if_unexpired(other, observed.now) for other in others)
    return another_is_trusted and young and not _published_long_enough(authority, observed, settings)


def phase(observed: Observation) -> Phase:
    """The state of the authority, for people. What could not be read counts as absent."""
    state = observed.secret
    if state is None or _if_unexpired(state.current, observed.now) is None:
        return Phase.ABSENT
    held = trusted_by_all(observed.bundles or ())
    if fingerprint(state.authorities()[0]) not in held:
        return Phase.CREATED
    if state.next is not None:
        return Phase.STAGED
    still_there = {*map(fingerprint, state.previous)}.union(*(each.fingerprints for each in observed.bundles or ()))
    if _ended_authorities(state, observed.now) & still_there:
        return Phase.RETIRED
    return Phase.PROMOTED if state.previous else Phase.PUBLISHED


def _create(observed: Observation) -> Create | Promote | None:
    """A new authority if none can sign. A next one that is good is better: it may be trusted already."""
    state = observed.secret
    if state is None or _if_unexpired(state.current, observed.now):
        return None
    if _if_unexpired(state.next, observed.now):
        return Promote()
    ended = _ended_authorities(state, observed.now)
    return Create(
        tuple(c for c in observed.remembered if _if_unexpired(c, observed.now) and fingerprint(c) not in ended)
    )


def _publish(observed: Observation, settings: RotationSettings) -> Publish | None:
    ended = _ended_authorities(observed.secret, observed.now) if observed.secret else frozenset()
    ours = list(observed.secret.authorities()) if observed.secret else []
    if observed.leaf and observed.now <= observed.leaf.not_after:
        ours.append(observed.leaf.authority)  # what is served must verify, whatever became of the Secret
    if not ours:
        return None
    bundles = {
        each.name: wanted
        for each in observed.bundles or ()
        if (wanted := wanted_bundle(each, ours=ours, ended=ended, now=observed.now, skew=settings.skew)) is not None
    }
    return Publish(bundles) if bundles else None


def _record_leaf_end(observed: Observation, settings: RotationSettings) -> RecordLeafEnd | None:
    """The end of the leaves of each authority that was read, before `now`, as one that no longer signs."""
    # Three clocks may be wrong: of the replica that signed, the one that records the end, the one that finds it past.
    if observed.secret is None:
        return None
    ends: dict[str, datetime | None] = {
        fingerprint(authority): None
        for authority in (observed.secret.current, observed.secret.next)
        if authority is not None and observed.secret.leaves_end(authority) is not None
    }
    for authority in observed.secret.previous:
        if observed.secret.leaves_end(authority) is None:
            lifetime = observed.secret.longest_leaf(authority, setting=settings.leaf_lifetime)
            ends[fingerprint(authority)] = observed.now + lifetime + 3 * settings.skew
    end = observed.now + settings.leaf_lifetime + 3 * settings.skew
    served = observed.leaf.authority if observed.leaf else None
    foreign = strangers(observed.secret, observed.bundles or (), served=served, end=end)
    ends |= dict.fromkeys(foreign, end)
    return RecordLeafEnd(ends, tuple(foreign.values())) if ends else None


def _sign(observed: Observation, settings: RotationSettings) -> Sign | None:
    state, leaf, now = observed.secret, observed.leaf, observed.now
    if (
        state is None
        or (authority := _if_unexpired(state.current, now)) is None
        or now < authority.not_valid_before_utc
    ):
        return None
    held = trusted_by_all(observed.bundles or ())
    trusted = fingerprint(authority) in held
    if leaf is not None and leaf.authority == authority:
        # The same authority: a client that trusts the old leaf trusts the new one, even if we cannot read caBundle.
        allowed = True
        needed = (
            now >= leaf.renew_at
            # The API server's clock was ahead. If it and the one here disagree, the leaf stays: of several API servers
            # one may be wrong, and to the others a leaf dated by its time would have expired.
            or (not observed.clock_offset and now < leaf.issued - settings.skew)
            or state.renew_leaves not in (None, leaf.asked_for)
        )
    else:
        needed = True
        works = leaf is not None and now <= leaf.not_after and fingerprint(leaf.authority) in held
        allowed = trusted and (not works or _published_long_enough(authority, observed, settings))
    if not needed or not allowed:
        return None
    return Sign(authority, min(settings.leaf_lifetime, state.longest_leaf(authority, setting=settings.leaf_lifetime)))


def _retire(observed: Observation) -> Retire | None:
    if observed.secret is None:
        return None
    state, now = observed.secret, observed.now
    ended = {fingerprint(c) for c in state.previous} & _ended_authorities(state, now)
    ended |= {fingerprint(c) for c in state.previous if not _if_unexpired(c, now)}
    unreadable = (state.problems or state.refused) and state.current is not None
    return Retire(frozenset(ended)) if ended or unreadable else None


def _stage(observed: Observation, settings: RotationSettings) -> Stage | None:
    """The next authority if this one ends, or is not for all our names; in place of one that is not either."""
    state, now = observed.secret, observed.now
    if state is None or (current := _if_unexpired(state.current, now)) is None:
        return None
    if following := _if_unexpired(state.next, now):
        return None if _permits_all(following, settings.names) else Stage()
    issued = current.not_valid_before_utc + BACKDATED
    due = renewal_time(issued, current.not_valid_after_utc, jitter=observed.jitter)
    too_short = current.not_valid_after_utc - issued < settings.shortest_authority  # as after `interval` became longer
    needed = due <= now or too_short or not _permits_all(current, settings.names)
    return Stage() if needed and len(state.previous) < MOST_PREVIOUS else None


def _promote(observed: Observation, settings: RotationSettings) -> Promote | None:
    following = _if_unexpired(observed.secret.next, observed.now) if observed.secret else None
    if following is None or following.not_valid_before_utc > observed.now:
        return None
    return Promote() if _published_long_enough(following, observed, settings) else None


def _published_long_enough(authority: x509.Certificate, observed: Observation, settings: RotationSettings) -> bool:
    """Whether every reading for `publish_wait` has found `authority` in every caBundle of our webhooks."""
    since = observed.trusted_since.get(fingerprint(authority))
    if observed.bundles is None or since is None:
        return False
    return observed.ticks - since >= settings.publish_wait.total_seconds()


def _ended_authorities(state: SecretState, now: datetime) -> frozenset[str]:
    """The fingerprints of authorities whose last leaf has expired; never one that signs, or will."""
    alive = {fingerprint(c) for c in (state.current, state.next) if c is not None}
    return frozenset(
        known
        for known, record in state.records.items()
        if known not in alive and record.leaves_end is not None and record.leaves_end < now
    )


def _permits_all(authority: x509.Certificate, names: Iterable[str]) -> bool:
    return all(permits(authority, name) for name in names)


def _if_unexpired(authority: x509.Certificate | None, now: datetime) -> x509.Certificate | None:
    return authority if authority is not None and now <= authority.not_valid_after_utc else None

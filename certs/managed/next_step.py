"""What to do next, worked out from what was read: the life of the authority as a pure function.

    absent      no authority that can sign is stored                        -> Create
    created     it is stored; not every caBundle of ours holds it           -> Publish
    published   every caBundle holds it; leaves are signed with it           -> Sign; Stage at two thirds of its life
    staged      the next one is stored beside it and published              -> Publish; Promote after a while
    promoted    the next one signs; the one before stays trusted            -> Date (write down when its last leaf ends)
    retired     that time has passed: it goes from Secret and caBundle      -> Retire, Publish

Any replica may do any step, a step that was done already is not asked for again, and one that was cut off is asked for
again: there is no leader and nothing to resume. Who was first is settled by resourceVersion when a step is performed
(`certs.managed.source`). What keeps "every leaf that is served verifies against every bundle that is published" true:

- an authority signs a leaf only for a replica that reads it in every caBundle, and where a good leaf is served already,
  only after it was read there for `settle` (each kube-apiserver learns of a bundle in its own time);
- a leaf lives at most as long as is written down with its authority, counted from *before* the Secret was read, so a
  replica that is suspended between reading and signing signs nothing that outlives the reckoning;
- that an authority no longer signs is known when its successor is read in its place; only then is the end of its last
  leaf reckoned and written down, later by what clocks may differ; until then it stays in every caBundle;
- every change to a caBundle is made against the version that was read, and adds to what is there;
- all times are the API server's, which is who judges a leaf (`certs.clock.ApiClock`); a replica whose wall clock
  differs from it by more than `skew` signs its own leaves and changes nothing else.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from certs.authority import is_authority, renewal_time
from certs.managed.ca_bundle import Published, common, wanted
from certs.managed.secret import State
from certs.managed.settings import Settings
from certs.names import BACKDATED
from certs.pem import fingerprint

__all__ = [
    "MOST_PREVIOUS",
    "Create",
    "Date",
    "Leaf",
    "Phase",
    "Promote",
    "Publish",
    "Rest",
    "Retire",
    "Sign",
    "Stage",
    "Step",
    "View",
    "next_step",
    "phase",
    "settling",
]

_MOMENT = timedelta(seconds=2)  # the API server tells its time in whole seconds
MOST_PREVIOUS = 8  # a caBundle is sent to every watcher of the configuration; rotations that come faster wait


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """The leaf that this replica serves."""

    authority: x509.Certificate
    issued: datetime
    not_after: datetime
    renew_at: datetime
    asked_for: datetime | None = None
    """What the Secret had as `renew_leaves` when this one was signed."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Everything the next step depends on. Times are the API server's, as far as they are known."""

    asked: datetime
    """The time before anything was read."""
    now: datetime
    """The time after everything was read."""
    ticks: float = 0.0
    """`Clock.ticks` at `now`."""
    ahead: timedelta = timedelta(0)
    """How far the wall clock here is ahead of the API server's; 0 where no more than `skew`."""
    state: State | None
    """None if the Secret could not be read."""
    entries: tuple[Published, ...] | None
    """The webhooks of ours; None if the configuration could not be read or has none of ours."""
    leaf: Leaf | None = None
    seen: Mapping[str, float] = field(default_factory=dict)
    """`certs.managed.ca_bundle.observe`, up to this reading."""
    known: tuple[x509.Certificate, ...] = ()
    """The authorities that this replica last read: what it can bring back if the Secret is lost."""
    jitter: float = 0.0
    """In [0, 1), this replica's own: who renews first."""
    skip: frozenset[type[Step]] = frozenset()
    """What failed just now and is not to be asked for again."""


class Step:
    """One thing to do."""


@dataclass(frozen=True)
class Create(Step):
    """Store a new authority that signs from now on."""

    previous: tuple[x509.Certificate, ...]
    """Those it may come after, which stay trusted."""


@dataclass(frozen=True)
class Publish(Step):
    """Set the caBundles of these webhooks."""

    bundles: Mapping[str, tuple[x509.Certificate, ...]]


@dataclass(frozen=True)
class Date(Step):
    """Write down when the last leaf of these authorities expires; None for one that signs after all."""

    ends: Mapping[str, datetime | None]


@dataclass(frozen=True)
class Sign(Step):
    """Sign a leaf with this authority and serve it."""

    authority: x509.Certificate
    lifetime: timedelta


@dataclass(frozen=True)
class Retire(Step):
    """Take these authorities out of the Secret, and what cannot be read."""

    gone: frozenset[str]


@dataclass(frozen=True)
class Stage(Step):
    """Store the authority that comes next."""


@dataclass(frozen=True)
class Promote(Step):
    """Let the next authority sign."""


@dataclass(frozen=True)
class Rest(Step):
    """Nothing to do until the next reading."""


class Phase(enum.Enum):
    """Where the authority stands: the table above."""

    ABSENT = "absent"
    CREATED = "created"
    PUBLISHED = "published"
    STAGED = "staged"
    PROMOTED = "promoted"
    RETIRED = "retired"


def next_step(view: View, settings: Settings) -> Step:
    """The next thing to do, of those that are not to be skipped; the order is that of urgency."""
    if view.ahead:
        step: Step | None = _sign(view, settings)
        return step if step is not None and type(step) not in view.skip else Rest()
    for step in (
        _create(view),
        _publish(view, settings),
        _date(view, settings),
        _retire(view),
        _sign(view, settings),
        _stage(view, settings),
        _promote(view, settings),
    ):
        if step is not None and type(step) not in view.skip:
            return step
    return Rest()


def settling(view: View, settings: Settings) -> bool:
    """Whether a late kube-apiserver may refuse the first leaf of a replica, while another's is good for all of them.

    So it is where a key was lost: the authority was made a moment ago, beside one that is still trusted. One that was
    staged is older than that when it signs.
    """
    if view.leaf is None or view.entries is None:
        return view.leaf is not None
    authority = view.leaf.authority
    age = view.now - (authority.not_valid_before_utc + BACKDATED)
    others = {c for entry in view.entries for c in entry.bundle.certificates if is_authority(c)} - {authority}
    beside_another = any(_unexpired(other, view.now) for other in others)
    return beside_another and age < settings.settle + _MOMENT and not _settled(authority, view, settings)


def phase(view: View) -> Phase:
    """The state of the authority, for people. What could not be read counts as absent."""
    state = view.state
    if state is None or _unexpired(state.current, view.now) is None:
        return Phase.ABSENT
    held = common(view.entries or ())
    if fingerprint(state.authorities()[0]) not in held:
        return Phase.CREATED
    if state.next is not None:
        return Phase.STAGED
    if _gone(state, view.now) & {*map(fingerprint, state.previous), *(k for e in view.entries or () for k in e.known)}:
        return Phase.RETIRED
    return Phase.PROMOTED if state.previous else Phase.PUBLISHED


def _create(view: View) -> Create | Promote | None:
    """An authority where none can sign. A next one that is good is better than a new one: it may be trusted already."""
    state = view.state
    if state is None or _unexpired(state.current, view.now):
        return None
    if _unexpired(state.next, view.now):
        return Promote()
    return Create(
        tuple(c for c in view.known if _unexpired(c, view.now) and fingerprint(c) not in _gone(state, view.now))
    )


def _publish(view: View, settings: Settings) -> Publish | None:
    gone = _gone(view.state, view.now) if view.state else frozenset()
    ours = list(view.state.authorities()) if view.state else []
    if view.leaf and view.now <= view.leaf.not_after:
        ours.append(view.leaf.authority)  # what is served must verify, whatever became of the Secret
    if not ours:
        return None
    bundles = {
        entry.name: bundle
        for entry in view.entries or ()
        if (bundle := wanted(entry, ours=ours, gone=gone, now=view.now, skew=settings.skew)) is not None
    }
    return Publish(bundles) if bundles else None


def _date(view: View, settings: Settings) -> Date | None:
    """The end of an authority's leaves, for each that signs no more; it was read as such before `now`: see the module.

    Three clocks may be wrong: that of who signed, of who writes the end down, and of who finds that it has passed.
    """
    if view.state is None:
        return None
    ends: dict[str, datetime | None] = {
        fingerprint(authority): None
        for authority in (view.state.current, view.state.next)
        if authority is not None and view.state.leaves_end(authority) is not None
    }
    for authority in view.state.previous:
        if view.state.leaves_end(authority) is None:
            lifetime = view.state.longest_leaf(authority, setting=settings.leaf_lifetime)
            ends[fingerprint(authority)] = view.now + lifetime + 3 * settings.skew
    return Date(ends) if ends else None


def _sign(view: View, settings: Settings) -> Sign | None:
    state, leaf, now = view.state, view.leaf, view.now
    if state is None or (authority := _unexpired(state.current, now)) is None or now < authority.not_valid_before_utc:
        return None
    held = common(view.entries or ())
    trusted = fingerprint(authority) in held
    if leaf is not None and leaf.authority == authority:
        # The same authority: whoever trusts the old leaf trusts the new one, whether or not we can read who does.
        allowed = True
        needed = (
            now >= leaf.renew_at
            # The API server's clock was ahead. Where it and the one here disagree the leaf stays: of several API
            # servers one may be wrong, and by its time another leaf would have expired to the others.
            or (not view.ahead and now < leaf.issued - settings.skew)
            or state.renew_leaves not in (None, leaf.asked_for)
        )
    else:
        needed = True
        works = leaf is not None and now <= leaf.not_after and fingerprint(leaf.authority) in held
        allowed = trusted and (not works or _settled(authority, view, settings))
    if not needed or not allowed:
        return None
    return Sign(authority, min(settings.leaf_lifetime, state.longest_leaf(authority, setting=settings.leaf_lifetime)))


def _retire(view: View) -> Retire | None:
    if view.state is None:
        return None
    gone = {fingerprint(c) for c in view.state.previous} & _gone(view.state, view.now)
    gone |= {fingerprint(c) for c in view.state.previous if not _unexpired(c, view.now)}
    return Retire(frozenset(gone)) if gone or (view.state.problems and view.state.current is not None) else None


def _stage(view: View, settings: Settings) -> Stage | None:
    state = view.state
    if state is None or (current := _unexpired(state.current, view.now)) is None or _unexpired(state.next, view.now):
        return None
    issued = current.not_valid_before_utc + BACKDATED
    due = renewal_time(issued, current.not_valid_after_utc, jitter=view.jitter)
    too_short = current.not_valid_after_utc - issued < settings.shortest_authority  # as after a longer --interval
    return Stage() if (due <= view.now or too_short) and len(state.previous) < MOST_PREVIOUS else None


def _promote(view: View, settings: Settings) -> Promote | None:
    following = _unexpired(view.state.next, view.now) if view.state else None
    if following is None or following.not_valid_before_utc > view.now:
        return None
    return Promote() if _settled(following, view, settings) else None


def _settled(authority: x509.Certificate, view: View, settings: Settings) -> bool:
    """Whether every reading for a while has found `authority` in every caBundle of ours."""
    since = view.seen.get(fingerprint(authority))
    return view.entries is not None and since is not None and view.ticks - since >= settings.settle.total_seconds()


def _gone(state: State, now: datetime) -> frozenset[str]:
    """The fingerprints of authorities whose last leaf has expired. One that signs, or will, is never among them."""
    alive = {fingerprint(c) for c in (state.current, state.next) if c is not None}
    return frozenset(
        known
        for known, record in state.records.items()
        if known not in alive and record.leaves_end is not None and record.leaves_end < now
    )


def _unexpired(authority: x509.Certificate | None, now: datetime) -> x509.Certificate | None:
    return authority if authority is not None and now <= authority.not_valid_after_utc else None

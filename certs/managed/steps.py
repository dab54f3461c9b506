"""What the next step depends on, and the steps: the words in which `certs.managed.next_step` thinks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from certs.managed.ca_bundle import PublishedBundle
from certs.managed.secret import SecretState

__all__ = [
    "Create",
    "Leaf",
    "NothingToDo",
    "Observation",
    "Promote",
    "Publish",
    "RecordLeafEnd",
    "Retire",
    "Sign",
    "Stage",
    "Step",
]


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
class Observation:
    """Everything the next step depends on. Times are the API server's, as far as they are known."""

    requested_at: datetime
    """The time before anything was read."""
    now: datetime
    """The time after everything was read."""
    ticks: float = 0.0
    """`Clock.ticks` at `now`."""
    clock_offset: timedelta = timedelta(0)
    """How far the wall clock here is ahead of the API server's; 0 if by at most `skew`."""
    secret: SecretState | None
    """None if the Secret could not be read."""
    bundles: tuple[PublishedBundle, ...] | None
    """Those of our webhooks; None if the configuration could not be read or has no webhook that is ours."""
    leaf: Leaf | None = None
    trusted_since: Mapping[str, float] = field(default_factory=dict)
    """`certs.managed.ca_bundle.trusted_since`, up to this reading."""
    remembered: tuple[x509.Certificate, ...] = ()
    """The authorities that this replica last read: what it can bring back if the Secret is lost."""
    jitter: float = 0.0
    """In [0, 1), this replica's own: who renews first."""
    failed: frozenset[type[Step]] = frozenset()
    """Steps that failed in this round and are not to be asked for again."""


class Step:
    """One thing to do."""


@dataclass(frozen=True)
class Create(Step):
    """Store a new authority that signs from now on."""

    previous: tuple[x509.Certificate, ...]
    """Authorities that may have signed before it; they stay trusted."""


@dataclass(frozen=True)
class Publish(Step):
    """Set the caBundles of these webhooks."""

    bundles: Mapping[str, tuple[x509.Certificate, ...]]


@dataclass(frozen=True)
class RecordLeafEnd(Step):
    """Record when the last leaf of these authorities expires; None for one that signs after all."""

    ends: Mapping[str, datetime | None]
    strangers: tuple[x509.Certificate, ...] = ()  # those of `ends` that are in a caBundle and not in the Secret


@dataclass(frozen=True)
class Sign(Step):
    """Sign a leaf with this authority and serve it."""

    authority: x509.Certificate
    lifetime: timedelta


@dataclass(frozen=True)
class Retire(Step):
    """Take these authorities out of the Secret, and what cannot be read in it or is refused."""

    ended: frozenset[str]


@dataclass(frozen=True)
class Stage(Step):
    """Store the authority that comes next."""


@dataclass(frozen=True)
class Promote(Step):
    """Let the next authority sign."""


@dataclass(frozen=True)
class NothingToDo(Step):
    """Nothing to do until the next reading."""

"""Performing one step of `certs.managed.next_step`: what is written, what is logged and what is counted.

Each step makes one call of the API or none. A step that raises may have happened all the same, since an answer can be
lost. The next reading decides, so only counts are remembered here.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable
from typing import TypeVar

from certs import messages
from certs.authority import Authority, make_authority, make_leaf, renewal_time, verify
from certs.clock import Clock
from certs.constraints import permits, widened
from certs.errors import NotFound, StoreUnavailable
from certs.managed import secret, secret_changes
from certs.managed.ca_bundle import PublishedBundle, TrustStore
from certs.managed.reader import Snapshot, answer_within
from certs.managed.secret import SecretState, SecretStore, StoredSecret
from certs.managed.settings import RotationSettings
from certs.managed.steps import Create, Leaf, Promote, Publish, RecordLeafEnd, Retire, Sign, Stage, Step
from certs.messages import ProblemKind, problem
from certs.pem import bundle_pem, fingerprint
from certs.serving import Serving, check

__all__ = ["COUNTS", "Performer"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

COUNTS = {
    "conflicts": "another replica was faster",
    "unavailable": "a call of the API had no answer",
    "leaves_signed": "a leaf was signed and served",
    "authorities_created": "an authority was stored because none could sign",
    "authorities_staged": "the next authority was stored",
    "authorities_promoted": "the next authority took over",
    "authorities_retired": "an authority whose leaves have all expired was taken out of the Secret",
    "authorities_lost": "the key of an authority was lost with the Secret",
    "authorities_refused": "an authority that is retired, or unknown, was found in the Secret and taken out",
    "secret_repaired": "what could not be read in the Secret was replaced",
    "trust_published": "a caBundle was set",
    "trust_restored": "someone had taken our authority out of a caBundle, and it was put back",
    "trust_lost": "something in a caBundle was not a certificate and was dropped",
    "trust_expired": "a certificate in a caBundle that is not ours had expired and was taken out",
    "trust_stranger": "a certificate in a caBundle that is not in the Secret got the time at which it is taken out",
    "trust_refused": "a certificate in a caBundle that was retired, or a stranger whose time is over, was taken out",
    "dials_failed": "a fresh connection to ourselves failed",
    "bugs": "a round ended in an error of our own",
}
"""What is counted, with its meaning. A replica counts what it did itself."""


class Performer:
    """What performing needs, passed in once."""

    def __init__(
        self,
        *,
        secrets: SecretStore,
        trust: TrustStore,
        settings: RotationSettings,
        clock: Clock,
        serving: Serving,
        counts: Counter[str],
    ) -> None:
        self._secrets, self._trust, self._settings = secrets, trust, settings
        self._clock, self._serving, self._counts = clock, serving, counts

    async def perform(self, step: Step, snapshot: Snapshot) -> Leaf | None:
        """Do `step` on what was read; the leaf, if a new one is served now. Raises a `CertificateError`."""
        if isinstance(step, Sign):
            return self._sign(step, snapshot)
        if isinstance(step, Publish):
            await self._publish(step, snapshot)
        elif isinstance(step, Create):
            await self._create(step, snapshot)
        else:
            await self._change_secret(step, snapshot)
        return None

    def _sign(self, step: Sign, snapshot: Snapshot) -> Leaf:
        """No await in here: what was read is what is signed against, and the key is gone when it returns."""
        if snapshot.stored is None:
            raise StoreUnavailable("the Secret was not read")
        observed, settings = snapshot.observation, self._settings
        authority = secret.signer(snapshot.stored, step.authority)
        names = [name for name in settings.names if permits(step.authority, name)]
        pair = make_leaf(authority, names=names, now=observed.requested_at, lifetime=step.lifetime)
        not_after, now = pair.certificate.not_valid_after_utc, self._clock.now()
        check(pair, now=now)  # before the bundles are asked: after a suspend the leaf is at fault, not the bundles
        for published in observed.bundles or ():
            # A bundle without the authority does not trust the leaf before this one either.
            if fingerprint(step.authority) in published.fingerprints:
                verify(pair.certificate, published.bundle.certificates, name=settings.name, now=now)
        self._serving.replace(pair, names=names)
        self._counts["leaves_signed"] += 1
        _log.info("serving a leaf certificate of %s until %s", _subject(authority), not_after)
        if missing := set(settings.names).difference(names):
            _log.info("it is not for %s: its authority does not permit that, the next will", ", ".join(sorted(missing)))
        return Leaf(
            authority=step.authority,
            issued=observed.requested_at,
            not_after=not_after,
            renew_at=renewal_time(observed.requested_at, not_after, jitter=observed.jitter),
            asked_for=observed.secret.renew_leaves if observed.secret else None,
        )

    async def _publish(self, step: Publish, snapshot: Snapshot) -> None:
        if snapshot.configuration is None:
            raise StoreUnavailable("the configuration was not read")
        bundles = {name: bundle_pem(certificates) for name, certificates in step.bundles.items()}
        await self._answer(self._trust.patch(bundles, version=snapshot.configuration.version))
        self._counts["trust_published"] += 1
        wanted = {fingerprint(certificate) for bundle in step.bundles.values() for certificate in bundle}
        webhooks = ", ".join(step.bundles)
        if restored := snapshot.vanished & wanted:
            self._counts["trust_restored"] += 1
            short = ", ".join(known[:8] for known in sorted(restored))
            _warn(messages.TRUST_RESTORED, webhooks=webhooks, fingerprints=short)
        else:
            _log.info("caBundle of %s: set", webhooks)
        for published in snapshot.observation.bundles or ():
            if published.name in step.bundles:
                self._report_dropped(published, step, snapshot)

    def _report_dropped(self, published: PublishedBundle, step: Publish, snapshot: Snapshot) -> None:
        """What was in the bundle and is not a certificate, and what is not ours and has expired or is refused."""
        if published.bundle.problems:
            self._counts["trust_lost"] += len(published.bundle.problems)
            _warn(messages.BUNDLE_REPAIRED, webhook=published.name, problems="; ".join(published.bundle.problems))
        observed = snapshot.observation
        ours = {*(observed.secret.authorities() if observed.secret else ()), *observed.remembered}
        for stranger in set(published.bundle.certificates) - set(step.bundles[published.name]) - ours:
            name, end = stranger.subject.rfc4514_string(), stranger.not_valid_after_utc
            if end >= observed.now:
                self._counts["trust_refused"] += 1
                _warn(messages.TRUST_REFUSED, webhook=published.name, subject=name)
            else:
                self._counts["trust_expired"] += 1
                _log.info("caBundle of %s: took out %s, not ours, which expired on %s", published.name, name, end)

    async def _create(self, step: Create, snapshot: Snapshot) -> None:
        """Store a new authority, in the Secret that is there or in a new one."""
        state, stored, now = _state(snapshot), snapshot.stored, self._clock.now()
        authority, lifetime = self._authority(state), self._settings.leaf_lifetime
        data = secret_changes.create(stored, state, authority, previous=step.previous, leaf_lifetime=lifetime, now=now)
        if stored is None:
            await self._answer(self._secrets.create(data))
        else:
            await self._answer(self._secrets.update(stored, data))
        self._counts["authorities_created"] += 1
        if snapshot.observation.remembered and state.current is None:
            self._counts["authorities_lost"] += 1
            _warn(messages.KEY_LOST, secret=self._settings.secret, subject=_subject(authority))
        else:
            _log.info("Secret %s: created %s", self._settings.secret, _subject(authority))
        self._report_repaired(state)

    async def _change_secret(self, step: Step, snapshot: Snapshot) -> None:
        """The other steps that write the Secret. Our keys are replaced, so what could not be read goes."""
        state, stored = _state(snapshot), snapshot.stored
        if stored is None:
            raise NotFound("the Secret is absent")
        await self._answer(self._secrets.update(stored, self._data_after(step, stored, state)))
        self._report_written(step)
        self._report_repaired(state)

    def _data_after(self, step: Step, stored: StoredSecret, state: SecretState) -> dict[str, bytes]:
        """The Secret's data after `step`."""
        now, lifetime = self._clock.now(), self._settings.leaf_lifetime
        if isinstance(step, Stage):
            return secret_changes.stage(stored, state, self._authority(state), leaf_lifetime=lifetime, now=now)
        if isinstance(step, Promote):
            return secret_changes.promote(stored, state, now=now)
        if isinstance(step, RecordLeafEnd):
            return secret_changes.record_leaf_ends(stored, state, step.ends, strangers=step.strangers, now=now)
        if isinstance(step, Retire):
            return secret_changes.retire(stored, state, step.ended, leaf_lifetime=lifetime, now=now)
        raise TypeError(type(step).__name__)

    def _authority(self, state: SecretState) -> Authority:
        """A new one, for our names, and for those of the ones that it replaces because they are for others."""
        settings = self._settings
        return make_authority(
            now=self._clock.now(),
            lifetime=settings.authority_lifetime,
            common_name=settings.common_name,
            names=widened(settings.names, state.authorities()),
        )

    def _report_written(self, step: Step) -> None:
        name = self._settings.secret
        if isinstance(step, Stage):
            self._counts["authorities_staged"] += 1
            _log.info("Secret %s: the next authority is stored", name)
        elif isinstance(step, Promote):
            self._counts["authorities_promoted"] += 1
            _log.info("Secret %s: the next authority signs from now on", name)
        elif isinstance(step, RecordLeafEnd):
            _log.info("Secret %s: recorded when the last leaf certificates of earlier authorities end", name)
            for stranger in step.strangers:
                self._counts["trust_stranger"] += 1
                subject, end = stranger.subject.rfc4514_string(), str(step.ends[fingerprint(stranger)])
                _warn(messages.TRUST_STRANGER, secret=name, subject=subject, end=end)
        elif isinstance(step, Retire) and step.ended:
            self._counts["authorities_retired"] += len(step.ended)
            _log.info("Secret %s: took out %d authorities whose leaf certificates have ended", name, len(step.ended))

    def _report_repaired(self, state: SecretState) -> None:
        if state.problems:
            self._counts["secret_repaired"] += 1
            _warn(messages.SECRET_REPAIRED, secret=self._settings.secret, problems="; ".join(state.problems))
        if state.refused:
            self._counts["authorities_refused"] += len(state.refused)
            _warn(messages.AUTHORITY_REFUSED, secret=self._settings.secret, refused="; ".join(state.refused))

    async def _answer(self, call: Awaitable[_T]) -> _T:
        return await answer_within(self._settings.call_limit, call, clock=self._clock)


def _state(snapshot: Snapshot) -> SecretState:
    """Raises `StoreUnavailable` if the Secret was not read."""
    if snapshot.observation.secret is None:
        raise StoreUnavailable("the Secret was not read")
    return snapshot.observation.secret


def _warn(kind: ProblemKind, **values: str) -> None:
    _log.warning("%s", problem(kind, **values))


def _subject(authority: Authority) -> str:
    return authority.certificate.subject.rfc4514_string()

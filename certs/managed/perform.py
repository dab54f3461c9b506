"""Performing one step of `certs.managed.next_step`: what is written, what is logged and what is counted.

Each step makes one call of the API or none. A step that raises may have happened all the same, since an answer can be
lost; what is read next decides, so nothing here is remembered but counts.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from certs.authority import Authority, make_authority, make_leaf, renewal_time, verify
from certs.clock import Clock
from certs.errors import NotFound, Unavailable
from certs.managed import secret
from certs.managed.ca_bundle import Configuration, TrustStore
from certs.managed.next_step import Create, Date, Leaf, Promote, Publish, Retire, Sign, Stage, Step, View
from certs.managed.secret import SecretStore, State, Stored
from certs.managed.settings import Settings
from certs.pem import bundle_pem, fingerprint
from certs.serving import Serving, check

__all__ = ["COUNTS", "Look", "Performer", "limited"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

COUNTS = {
    "conflicts": "another replica was faster",
    "unavailable": "a call of the API had no answer",
    "leaves_signed": "a leaf was signed and served",
    "authorities_created": "an authority was stored where none could sign",
    "authorities_staged": "the next authority was stored",
    "authorities_promoted": "the next authority took over",
    "authorities_retired": "an authority without living leaves was taken out of the Secret",
    "authorities_lost": "the key of an authority was lost with the Secret",
    "secret_repaired": "what could not be read in the Secret was replaced",
    "trust_published": "a caBundle was set",
    "trust_mended": "someone had taken our authority out of a caBundle, and it was put back",
    "trust_lost": "something in a caBundle was no certificate and was dropped",
    "trust_expired": "a certificate of somebody else in a caBundle had expired and was taken out",
    "dials_failed": "a fresh connection to ourselves failed",
    "bugs": "a round ended in an error of ours",
}
"""What is counted, with its meaning. A replica counts what it did itself."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one reading found. It holds the Secret with its keys, so it is dropped when the step is done."""

    view: View
    stored: Stored | None
    """None if the Secret is absent or could not be read: `view.state` tells which."""
    configuration: Configuration | None
    vanished: frozenset[str] = frozenset()
    """Fingerprints that every caBundle held at an earlier reading and one lacks now."""


async def limited(call: Awaitable[_T], *, limit: timedelta, clock: Clock) -> _T:
    """What `call` gives. Raises `Unavailable` after `limit`, when it may have happened all the same."""
    try:
        async with clock.limit(limit.total_seconds()):
            return await call
    except TimeoutError:
        raise Unavailable(f"no answer within {limit.total_seconds():g} s") from None


class Performer:
    """What performing needs, passed in once."""

    def __init__(
        self,
        *,
        secrets: SecretStore,
        trust: TrustStore,
        settings: Settings,
        clock: Clock,
        serving: Serving,
        counts: Counter[str],
    ) -> None:
        self._secrets, self._trust, self._settings = secrets, trust, settings
        self._clock, self._serving, self._counts = clock, serving, counts

    async def perform(self, step: Step, look: Look) -> Leaf | None:
        """Do `step` on what `look` found; the leaf, if one is served now. Raises a `CertificateError`."""
        if isinstance(step, Sign):
            return self._sign(step, look)
        if isinstance(step, Publish):
            await self._publish(step, look)
        else:
            await self._write(step, look)
        return None

    def _sign(self, step: Sign, look: Look) -> Leaf:
        """No await in here: what was read is what is signed against, and the key is gone when it returns."""
        if look.stored is None:
            raise Unavailable("the Secret was not read")
        view, settings = look.view, self._settings
        authority = secret.signer(look.stored, step.authority)
        pair = make_leaf(authority, names=settings.names, now=view.asked, lifetime=step.lifetime)
        not_after, now = pair.certificate.not_valid_after_utc, self._clock.now()
        check(pair, now=now)  # before the bundles are asked: after a suspend it is the leaf that is wrong, not they
        for entry in view.entries or ():
            # A bundle that lacks the authority is one that does not trust the leaf before this one either.
            if fingerprint(step.authority) in entry.known:
                verify(pair.certificate, entry.bundle.certificates, name=settings.name, now=now)
        self._serving.replace(pair, names=settings.names)
        self._counts["leaves_signed"] += 1
        _log.info("serving a leaf of %s until %s", _subject(authority), not_after)
        return Leaf(
            authority=step.authority,
            issued=view.asked,
            not_after=not_after,
            renew_at=renewal_time(view.asked, not_after, jitter=view.jitter),
            asked_for=view.state.renew_leaves if view.state else None,
        )

    async def _publish(self, step: Publish, look: Look) -> None:
        if look.configuration is None:
            raise Unavailable("the configuration was not read")
        bundles = {name: bundle_pem(certificates) for name, certificates in step.bundles.items()}
        await self._limited(self._trust.patch(bundles, version=look.configuration.version))
        self._counts["trust_published"] += 1
        wanted = {fingerprint(certificate) for bundle in step.bundles.values() for certificate in bundle}
        if back := look.vanished & wanted:
            self._counts["trust_mended"] += 1
            _log.warning(
                "caBundle of %s: someone took out what we trust; put back %s. Let who applies the configuration ignore "
                "caBundle: docs/certificates.md",
                ", ".join(step.bundles),
                ", ".join(known[:8] for known in sorted(back)),
            )
        else:
            _log.info("caBundle of %s: set", ", ".join(step.bundles))
        for entry in look.view.entries or ():
            if entry.name not in step.bundles:
                continue
            if entry.bundle.problems:
                self._counts["trust_lost"] += len(entry.bundle.problems)
                _log.warning("caBundle of %s: could not be kept: %s", entry.name, "; ".join(entry.bundle.problems))
            ours = {*look.view.state.authorities(), *look.view.known} if look.view.state else set(look.view.known)
            for stranger in set(entry.bundle.certificates) - set(step.bundles[entry.name]) - ours:
                if stranger.not_valid_after_utc < look.view.now:
                    self._counts["trust_expired"] += 1
                    name, end = stranger.subject.rfc4514_string(), stranger.not_valid_after_utc
                    _log.info("caBundle of %s: took out %s, not ours, which expired on %s", entry.name, name, end)

    async def _write(self, step: Step, look: Look) -> None:
        """The steps that change the Secret. The layout is written anew, so what could not be read goes with it."""
        state, stored, now = look.view.state, look.stored, self._clock.now()
        if state is None:
            raise Unavailable("the Secret was not read")
        lifetime = self._settings.leaf_lifetime
        if isinstance(step, Create):
            authority = self._authority()
            data = secret.created(stored, state, authority, previous=step.previous, leaf_lifetime=lifetime, now=now)
            if stored is None:
                await self._limited(self._secrets.create(data))
            else:
                await self._limited(self._secrets.update(stored, data))
            self._say_created(authority, look)
        elif stored is None:
            raise NotFound("the Secret is absent")
        else:
            if isinstance(step, Stage):
                data = secret.staged(stored, state, self._authority(), leaf_lifetime=lifetime, now=now)
            elif isinstance(step, Promote):
                data = secret.promoted(stored, state, now=now)
            elif isinstance(step, Date):
                data = secret.dated(stored, state, step.ends, now=now)
            elif isinstance(step, Retire):
                data = secret.retired(stored, state, step.gone, leaf_lifetime=lifetime, now=now)
            else:
                raise TypeError(type(step).__name__)
            await self._limited(self._secrets.update(stored, data))
            self._say_written(step)
        self._say_repaired(state)

    def _authority(self) -> Authority:
        settings = self._settings
        return make_authority(
            now=self._clock.now(), lifetime=settings.authority_lifetime, common_name=settings.common_name
        )

    def _say_created(self, authority: Authority, look: Look) -> None:
        self._counts["authorities_created"] += 1
        state = look.view.state
        if look.view.known and state is not None and state.current is None:
            self._counts["authorities_lost"] += 1
            _log.warning(
                "Secret %s: the authority's key is lost; made %s, which signs from now on. Leaves of the one before "
                "stay trusted until they expire",
                self._settings.secret,
                _subject(authority),
            )
        else:
            _log.info("Secret %s: made %s", self._settings.secret, _subject(authority))

    def _say_written(self, step: Step) -> None:
        if isinstance(step, Stage):
            self._counts["authorities_staged"] += 1
            _log.info("Secret %s: the next authority is stored", self._settings.secret)
        elif isinstance(step, Promote):
            self._counts["authorities_promoted"] += 1
            _log.info("Secret %s: the next authority signs from now on", self._settings.secret)
        elif isinstance(step, Date):
            _log.info("Secret %s: wrote down when the last leaves of those before end", self._settings.secret)
        elif isinstance(step, Retire) and step.gone:
            self._counts["authorities_retired"] += len(step.gone)
            _log.info("Secret %s: took out %d authorities without leaves", self._settings.secret, len(step.gone))

    def _say_repaired(self, state: State) -> None:
        if state.problems:
            self._counts["secret_repaired"] += 1
            _log.warning("Secret %s: could not be kept: %s", self._settings.secret, "; ".join(state.problems))

    async def _limited(self, call: Awaitable[_T]) -> _T:
        return await limited(call, limit=self._settings.call_limit, clock=self._clock)


def _subject(authority: Authority) -> str:
    return authority.certificate.subject.rfc4514_string()

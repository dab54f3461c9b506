"""One reading of the two objects: the webhook configuration first, then the Secret.

The order matters: a caBundle is changed against a configuration that is not newer than the Secret it is derived from.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from cryptography import x509

from certs.clock import ApiClock, Clock
from certs.errors import NotFound, StoreError, StoreUnavailable
from certs.managed import secret
from certs.managed.advice import Area
from certs.managed.ca_bundle import PublishedBundle, TrustStore, WebhookConfiguration, our_bundles, trusted_since
from certs.managed.installation import Installation
from certs.managed.refusal import learn_retired, refuse
from certs.managed.report import Report
from certs.managed.secret import AuthorityRecord, SecretState, SecretStore, StoredSecret
from certs.managed.settings import RotationSettings
from certs.managed.steps import Leaf, Observation
from certs.pem import fingerprint

__all__ = ["Reader", "Snapshot", "answer_within"]

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What one reading found. It holds the Secret with its keys, so it is dropped when the step is done."""

    observation: Observation
    stored: StoredSecret | None
    """None if the Secret is absent or could not be read: `observation.secret` tells which."""
    configuration: WebhookConfiguration | None
    configuration_absent: bool = False
    vanished: frozenset[str] = frozenset()
    """Fingerprints that every caBundle held at an earlier reading and at least one does not hold now."""


async def answer_within(limit: timedelta, call: Awaitable[_T], *, clock: Clock) -> _T:
    """What `call` returns. Raises `StoreUnavailable` after `limit`; it may have happened all the same."""
    try:
        async with clock.limit(limit.total_seconds()):
            return await call
    except TimeoutError:
        raise StoreUnavailable(f"no answer within {limit.total_seconds():g} s") from None


class Reader:
    """Reads, tells `clock` the API server's time and `report` what failed. It remembers what earlier readings found."""

    def __init__(
        self,
        *,
        secrets: SecretStore,
        trust: TrustStore,
        settings: RotationSettings,
        clock: ApiClock,
        report: Report,
        jitter: float,
    ) -> None:
        self._secrets, self._trust, self._settings = secrets, trust, settings
        self._clock, self._report, self._jitter = clock, report, jitter
        self._parsed: tuple[str, SecretState] | None = None
        self._installation = Installation()
        self._remembered: tuple[x509.Certificate, ...] = ()
        self._retired: Mapping[str, AuthorityRecord] = {}
        self._trusted_since: dict[str, float] = {}
        self._vanished: frozenset[str] = frozenset()

    async def read(self, leaf: Leaf | None) -> Snapshot:
        """One reading. What fails goes into the report and is None in the snapshot.

        The leaf is None there, too, if it is of an installation that is gone.
        """
        requested_at = self._clock.ticks()
        configuration, absent = await self._read_configuration()
        stored, state = await self._read_secret()
        now, ticks = self._clock.now(), self._clock.ticks()
        bundles = self._our_bundles(configuration) if configuration is not None else None
        if (bundles is not None or absent) and state is not None:
            uids = configuration.uid if configuration else None, stored.uid if stored else None
            if self._installation.is_another(*uids, bundles=bundles or (), leaf=leaf):
                self._remembered, self._trusted_since, self._vanished, leaf = (), {}, frozenset(), None
        if bundles is not None:
            self._follow(bundles, ticks=ticks)
        if state is not None:
            state = self._recognise(state, bundles, leaf, now=now)
        observation = Observation(
            requested_at=now - timedelta(seconds=ticks - requested_at),
            now=now,
            ticks=ticks,
            clock_offset=self._clock.wall_clock_offset(),
            secret=state,
            bundles=bundles or None,
            leaf=leaf,
            trusted_since=dict(self._trusted_since),
            remembered=self._remembered,
            jitter=self._jitter,
        )
        if state is not None and state.current is not None:
            self._remembered = state.authorities()
        return Snapshot(
            observation=observation,
            stored=stored,
            configuration=configuration,
            configuration_absent=absent,
            vanished=self._vanished if configuration is not None else frozenset(),
        )

    def _our_bundles(self, configuration: WebhookConfiguration) -> tuple[PublishedBundle, ...]:
        return our_bundles(configuration, names=self._settings.webhooks, service=self._settings.service)

    async def _read_configuration(self) -> tuple[WebhookConfiguration | None, bool]:
        """The configuration, and whether it is absent."""
        requested_at = self._clock.ticks()
        try:
            configuration = await self._answer(self._trust.get())
        except StoreError as error:
            self._report.observe(Area.TRUST, error)
            if isinstance(error, NotFound):
                self._trusted_since = {}
            return None, isinstance(error, NotFound)
        self._clock.learn(configuration.date, requested_at=requested_at)
        self._report.clear(Area.TRUST)
        return configuration, False

    async def _read_secret(self) -> tuple[StoredSecret | None, SecretState | None]:
        """The Secret, None if it is absent; and its state, None if it could not be read."""
        requested_at = self._clock.ticks()
        stored = None
        try:
            stored = await self._answer(self._secrets.get())
        except NotFound:
            state = secret.read(None, name=self._settings.name)
        except StoreError as error:
            self._report.observe(Area.SECRET, error)
            return None, None
        else:
            self._clock.learn(stored.date, requested_at=requested_at)
            state = self._parse(stored)
        self._report.clear(Area.SECRET)
        return stored, state

    def _parse(self, stored: StoredSecret) -> SecretState:
        """Once for each version of the Secret: it tries the key, which costs a millisecond."""
        if self._parsed is None or self._parsed[0] != stored.version:
            settings = self._settings
            state = secret.read(stored, name=settings.name, shortest_leaf=settings.shortest_leaf)
            self._parsed = stored.version, state
        return self._parsed[1]

    def _recognise(
        self, state: SecretState, bundles: tuple[PublishedBundle, ...] | None, leaf: Leaf | None, *, now: datetime
    ) -> SecretState:
        """Without what is refused; and remember what is retired, for the day on which an older Secret is put back."""
        self._retired = learn_retired(self._retired, state, now=now)
        recognised = None
        if bundles:
            ours = {fingerprint(c) for c in (*self._remembered, *((leaf.authority,) if leaf else ()))}
            recognised = ours.union(*(each.fingerprints for each in bundles))
        return refuse(state, retired=self._retired, recognised=recognised, now=now)

    def _follow(self, bundles: tuple[PublishedBundle, ...], *, ticks: float) -> None:
        """Keep since when each certificate is in every bundle, and which were and are not now."""
        before = self._trusted_since
        self._trusted_since = trusted_since(before, bundles, ticks=ticks)
        self._vanished = (self._vanished | before.keys()) - self._trusted_since.keys()

    async def _answer(self, call: Awaitable[_T]) -> _T:
        return await answer_within(self._settings.call_limit, call, clock=self._clock)

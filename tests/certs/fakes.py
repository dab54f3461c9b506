"""A small world for the certificates: one Secret, one webhook configuration, one clock, any number of replicas.

The two objects have real resourceVersion semantics: every write takes a new number from one counter, a write against an
older one is a Conflict, an object that was deleted and made again has another number and another uid.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from certs.clock import Clock
from certs.errors import Conflict, NotFound, StoreError
from certs.managed.ca_bundle import WebhookConfiguration, WebhookEntry
from certs.managed.secret import StoredSecret
from certs.managed.settings import RotationSettings
from certs.managed.source import SelfManagedSource
from certs.names import service_names
from certs.pem import Pair, fingerprint, parse_bundle
from certs.serving import Serving, check

START = datetime(2030, 1, 1, tzinfo=UTC)
NAMES = service_names("webhook", "m365")
NAME = NAMES[2]
SERVICE = "m365/webhook"

Gate = Callable[[str], Awaitable[None]]


def settings(**changes: Any) -> RotationSettings:
    """The settings of a replica, with lives short enough to see several."""
    values: dict[str, Any] = {
        "secret": "m365/webhook-authority",
        "configuration": "m365-webhook",
        "service": SERVICE,
        "names": NAMES,
        "name": NAME,
        "authority_lifetime": timedelta(days=60),
        "leaf_lifetime": timedelta(days=5),
    }
    return RotationSettings(**(values | changes))


@dataclass(repr=False)
class FakeClock:
    """A clock whose time passes in a sleep, or if a test sets the world's time; `ahead` makes it wrong."""

    world: World
    ahead: timedelta = timedelta(0)
    _limits: list[tuple[float, asyncio.Timeout]] = field(default_factory=list)

    def now(self) -> datetime:
        return self.world.time + self.ahead

    def ticks(self) -> float:
        return self.world.time.timestamp()

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[None]:
        """By the world's time, and by the machine's for what waits for something else."""
        async with asyncio.timeout(seconds) as timeout:
            limit = self.ticks() + seconds, timeout
            self._limits.append(limit)
            try:
                yield
            finally:
                self._limits.remove(limit)

    async def sleep(self, seconds: float) -> None:
        self.world.time += timedelta(seconds=seconds)
        self.world.slept.append(seconds)
        for end, timeout in self._limits:
            if self.ticks() > end:
                timeout.reschedule(0)  # at once
        await asyncio.sleep(0)


class EndOfTest(Exception):
    """What ends a task that never ends."""


class BoundedClock(FakeClock):
    """A clock that ends the test after so many sleeps."""

    sleeps = 0

    async def sleep(self, seconds: float) -> None:
        if self.sleeps == 0:
            raise EndOfTest
        self.sleeps -= 1
        await super().sleep(seconds)


class FixedChance:
    """Chance that is always the same."""

    def __init__(self, value: float = 0.5) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


@dataclass(repr=False)
class World:
    """Everything that outlives a replica."""

    time: datetime = START
    secret: tuple[dict[str, bytes], str] | None = None
    configuration: WebhookConfiguration | None = field(
        default_factory=lambda: WebhookConfiguration(
            entries=(WebhookEntry(name="pods.m365", bundle=b"", service=SERVICE),), version="1"
        )
    )
    tells_time: bool = True
    slept: list[float] = field(default_factory=list)
    stored: set[str] = field(default_factory=set)
    """Fingerprints of every authority that was ever in ca.crt or next.crt."""
    published: set[str] = field(default_factory=set)
    """Fingerprints of every certificate that was ever in a caBundle."""
    secret_uid: str = ""
    bundles: list[tuple[datetime, tuple[WebhookEntry, ...]]] = field(default_factory=list)
    """Every configuration that was ever written, with the time."""
    calls: list[str] = field(default_factory=list)
    _version: int = 1

    def version(self) -> str:
        self._version += 1
        return str(self._version)

    def write_secret(self, data: Mapping[str, bytes] | None) -> None:
        """What a person does: replace the Secret's data, or delete it."""
        if self.secret is None:
            self.secret_uid = f"secret {self.version()}"
        self.secret = None if data is None else (dict(data), self.version())
        for key in ("ca.crt", "next.crt"):
            self.stored |= {fingerprint(c) for c in parse_bundle((data or {}).get(key, b"")).certificates}

    def write_entries(self, *entries: WebhookEntry) -> None:
        """What a person does: replace the webhooks of the configuration."""
        uid = self.configuration.uid if self.configuration else f"configuration {self.version()}"
        self.configuration = WebhookConfiguration(entries=entries, version=self.version(), uid=uid)
        for entry in entries:
            self.published |= {fingerprint(c) for c in parse_bundle(entry.bundle).certificates}
        self.bundles.append((self.time, entries))

    def uninstall(self) -> None:
        """What Helm does. The replicas live on for some seconds."""
        self.configuration = None
        self.write_secret(None)

    def install(self) -> None:
        """What Helm does: two new objects, and nothing in them."""
        self.uninstall()
        self.write_secret({})
        self.write_entries(WebhookEntry(name="pods.m365", bundle=b"", service=SERVICE))

    def entry(self, name: str = "pods.m365") -> WebhookEntry:
        assert self.configuration is not None
        return next(entry for entry in self.configuration.entries if entry.name == name)

    def set_bundle(self, bundle: bytes, name: str = "pods.m365") -> None:
        """What a person does: replace one caBundle."""
        assert self.configuration is not None
        changed = (replace(e, bundle=bundle) if e.name == name else e for e in self.configuration.entries)
        self.write_entries(*changed)

    def trusted(self, name: str = "pods.m365") -> set[str]:
        """The fingerprints in a caBundle."""
        return {fingerprint(c) for c in parse_bundle(self.entry(name).bundle).certificates}


async def _open(_call: str) -> None:
    return


class FakeSecrets:
    """The Secret, for one replica. `fails` maps `get`, `create` or `update` to the error that it raises."""

    def __init__(self, world: World, gate: Gate = _open) -> None:
        self.world, self.gate = world, gate
        self.fails: dict[str, StoreError] = {}

    async def get(self) -> StoredSecret:
        await self._enter("get")
        if self.world.secret is None:
            raise NotFound("secrets not found")
        stored = self._stored()
        await self.gate("secret got")  # a replica may be suspended with what it has read
        return stored

    async def create(self, data: Mapping[str, bytes]) -> StoredSecret:
        await self._enter("create")
        if self.world.secret is not None:
            raise Conflict("secrets already exists")
        self.world.write_secret(data)
        await self.gate("answer")
        return self._stored()

    async def update(self, stored: StoredSecret, data: Mapping[str, bytes]) -> StoredSecret:
        await self._enter("update")
        if self.world.secret is None:
            raise NotFound("secrets not found")
        if self.world.secret[1] != stored.version:
            raise Conflict("the object has been modified")
        self.world.write_secret(data)
        await self.gate("answer")
        return self._stored()

    async def _enter(self, call: str) -> None:
        self.world.calls.append(f"secret {call}")
        await self.gate(f"secret {call}")
        if call in self.fails:
            raise self.fails[call]

    def _stored(self) -> StoredSecret:
        if self.world.secret is None:
            raise NotFound("secrets not found")
        data, version = self.world.secret
        date = self.world.time if self.world.tells_time else None
        return StoredSecret(data=dict(data), version=version, uid=self.world.secret_uid, date=date)


class FakeTrust:
    """The configuration, for one replica. `fails` maps `get` or `patch` to the error that it raises."""

    def __init__(self, world: World, gate: Gate = _open) -> None:
        self.world, self.gate = world, gate
        self.fails: dict[str, StoreError] = {}

    async def get(self) -> WebhookConfiguration:
        await self._enter("get")
        return self._dated()

    async def patch(self, bundles: Mapping[str, bytes], *, version: str) -> WebhookConfiguration:
        await self._enter("patch")
        if self.world.configuration is None:
            raise NotFound("mutatingwebhookconfigurations not found")
        if self.world.configuration.version != version:
            raise Conflict("the object has been modified")
        assert bundles.keys() <= {entry.name for entry in self.world.configuration.entries}
        self.world.write_entries(
            *(replace(e, bundle=bundles.get(e.name, e.bundle)) for e in self.world.configuration.entries)
        )
        await self.gate("answer")
        return self._dated()

    def _dated(self) -> WebhookConfiguration:
        if self.world.configuration is None:
            raise NotFound("mutatingwebhookconfigurations not found")
        return replace(self.world.configuration, date=self.world.time if self.world.tells_time else None)

    async def _enter(self, call: str) -> None:
        self.world.calls.append(f"trust {call}")
        await self.gate(f"trust {call}")
        if call in self.fails:
            raise self.fails[call]


class FakeServing(Serving):
    """A `Serving` that checks a pair as the real one does, without OpenSSL: the real one costs two milliseconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pair: Pair | None = None

    def replace(self, pair: Pair, *, names: Any = ()) -> None:
        check(pair, now=self._clock.now(), names=names)
        self._pair = pair


@dataclass
class Replica:
    """One replica and its access to the world."""

    world: World
    settings: RotationSettings = field(default_factory=settings)
    ahead: timedelta = timedelta(0)
    gate: Gate = _open
    jitter: float = 0.5
    dial: Any = None

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A new process: nothing is remembered."""
        self.clock = FakeClock(self.world, self.ahead)
        self.secrets, self.trust = FakeSecrets(self.world, self.gate), FakeTrust(self.world, self.gate)
        self.source = SelfManagedSource(
            secrets=self.secrets,
            trust=self.trust,
            settings=self.settings,
            clock=self.clock,
            chance=FixedChance(self.jitter),
            dial=self.dial,
            serve=FakeServing,
        )

    async def round(self) -> None:
        await self.source.round()

    @property
    def authority(self) -> str:
        """The fingerprint of the authority of the leaf that is served."""
        assert self.source._leaf is not None
        return fingerprint(self.source._leaf.authority)

    def counts(self, *names: str) -> tuple[int, ...]:
        return tuple(self.source.describe().counts[name] for name in names)


async def live(world: World, *replicas: Replica, time: timedelta, step: timedelta = timedelta(seconds=30)) -> None:
    """Let `time` pass, each replica doing a round every `step`."""
    end = world.time + time
    while world.time < end:
        world.time = min(world.time + step, end)
        for replica in replicas:
            await replica.round()

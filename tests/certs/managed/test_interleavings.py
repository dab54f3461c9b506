"""Replicas in any order, cut off at any call, with clocks that differ and are set: every leaf verifies in every bundle.

Each replica is stopped before every call of the API, and once more after it has read the Secret or written. Hypothesis
chooses the moves (`Move`): which replica goes on, whose answer is lost, which one is killed, whose clock is set and how
much time passes. After each move `Watch` checks the invariant by the world's time, which is kube-apiserver's. A leaf
that has expired there may be served, since its replica is not ready; a replica that lives has none.

One story, as `play` tells it. Replicas 0 and 1 start in an empty world:

    (Move.STEP, 0)            0 is stopped before it reads the configuration
    (Move.STEP, 0)            ... before it reads the Secret
    (Move.STEP, 0)            the Secret is absent; 0 is stopped before it creates it, with a new authority
    (Move.LOSE_ANSWER, 0)     the call fails, and 0 cannot know whether it was made
    (Move.FINISH, 1)          1 does a whole round: it creates the Secret, publishes its authority, serves a leaf of it
    (Move.CRASH, 0)           0 is killed and starts again without any memory
    (Move.FINISH, 0)          0 reads the authority of 1 in Secret and caBundle, and serves a leaf of it
    (Move.SET_CLOCK, (1, 30 days))  1 thinks that its leaf has expired; kube-apiserver does not, and so the leaf stays
    (Move.LIVE, (0, 1))       both do a round each minute, for six minutes
    (Move.WEEKS, (0,))        0 lives through 18 days and renews its leaf; 1 is cut off, and its leaf expires

At each line every leaf that has not expired verifies against the caBundle. The story is played by a test below.
"""

from __future__ import annotations

import asyncio
import enum
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.authority import verify
from certs.errors import StoreUnavailable, UntrustedLeaf
from certs.managed.ca_bundle import WebhookEntry
from certs.managed.settings import RotationSettings
from certs.pem import fingerprint, parse_bundle
from tests.certs.fakes import NAME, SERVICE, Replica, World, settings
from tests.examples import times

pytestmark = pytest.mark.slow  # all together they take seconds

SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3600, 86400))
SETTINGS = settings()
FEWER = times(0.4)
"""Each is a whole story. After a change to `certs.managed.next_step`, `--hypothesis-profile=thorough` is worth it."""
LAG = SETTINGS.publish_wait - timedelta(seconds=1)
"""For so long a kube-apiserver may go on with a bundle that was replaced."""
ALIVE = 2 * MINUTE
"""A replica that did a whole round so short a time ago lives."""


class Stepped:
    """A replica that goes on only when `step` is called."""

    def __init__(self, world: World, settings: RotationSettings, ahead: timedelta, jitter: float) -> None:
        self.replica = Replica(world, settings, ahead, gate=self._gate, jitter=jitter)
        self.task: asyncio.Task[None] | None = None
        self.done: datetime | None = None
        self.in_vain = 0
        self.waits: asyncio.Future[None] | None = None

    async def _gate(self, _call: str) -> None:
        self.waits = asyncio.get_running_loop().create_future()
        await self.waits

    async def step(self, *, lost: bool = False) -> None:
        """Go on until the next stop. `lost`: the call that it was stopped at fails, or the answer that it waits for."""
        if self.task is None or self.task.done():
            self.in_vain = self._unavailable()
            self.task = asyncio.create_task(self.replica.round())
        elif self.waits is not None and not self.waits.done():
            if lost:
                self.waits.set_exception(StoreUnavailable("lost"))
            else:
                self.waits.set_result(None)
        await self._until_stopped()

    async def _until_stopped(self) -> None:
        assert self.task is not None
        while not self.task.done() and (self.waits is None or self.waits.done()):  # noqa: ASYNC110 - nothing else runs
            await asyncio.sleep(0)
        if self.task.done():
            self.waits = None
            self.task.result()
            answered = self._unavailable() == self.in_vain
            self.done = self.replica.world.time if answered and self.replica.source.healthy() else None

    def _unavailable(self) -> int:
        return self.replica.counts("unavailable")[0]

    def set_clock(self, ahead: timedelta) -> None:
        """Of the process that runs now, and of those that start later."""
        self.replica.ahead = self.replica.clock.ahead = ahead

    async def finish(self) -> None:
        """Go on to the end of a round."""
        await self.step()
        while self.task is not None and not self.task.done():
            await self.step()

    async def crash(self) -> None:
        """SIGKILL, and a new process."""
        await self.stop()
        self.done = None
        self.replica.start()

    async def stop(self) -> None:
        if self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self.task = self.waits = None


class Watch:
    """The invariant, as kube-apiserver lives it."""

    def __init__(self, world: World, replicas: list[Stepped]) -> None:
        self.world, self.replicas = world, replicas
        self.answers: dict[tuple[str, bytes], bool] = {}
        self.worked: dict[int, str] = {}
        self.unknown = timedelta(0) if world.tells_time else SETTINGS.skew  # no replica can know better

    def check(self, *, lagging: bool = True) -> None:
        """Every leaf that has not expired verifies against every bundle; a new one against those just replaced, too."""
        for number, stepped in enumerate(self.replicas):
            source = stepped.replica.source
            leaf = source.serving.certificate
            if leaf is None or leaf.not_valid_after_utc < self.world.time:
                self.worked.pop(number, None)
                late = leaf is not None and leaf.not_valid_after_utc + self.unknown < self.world.time
                assert not (late and source.healthy()), f"replica {number} takes calls with a leaf that has expired"
                assert leaf is None or not self._lives(stepped), f"replica {number} lives and let its leaf expire"
                continue
            known = fingerprint(leaf)
            assert self.world.configuration is not None
            for entry in self.world.configuration.entries:
                assert self._trusts(entry, leaf), f"{entry.name} does not trust the leaf of replica {number}"
            if lagging and source.healthy() and self.worked.get(number) != known:
                for bundle in self._recent():
                    assert self._trusts(bundle, leaf), (
                        f"a late kube-apiserver does not trust the leaf of replica {number}"
                    )
            if source.healthy():
                self.worked[number] = known

    def _lives(self, stepped: Stepped) -> bool:
        """Whether it had all it needs to keep its leaf. By a wrong clock it replaces no authority that ends."""
        leaf = stepped.replica.source._leaf
        assert leaf is not None
        stuck = (
            abs(stepped.replica.clock.ahead) > SETTINGS.skew and leaf.not_after == leaf.authority.not_valid_after_utc
        )
        return stepped.done is not None and self.world.time - stepped.done <= ALIVE and not stuck

    def _recent(self) -> list[WebhookEntry]:
        """What a kube-apiserver may still hold: every bundle that was current at some time in the last moments.

        Except one without a valid authority: with it, kube-apiserver trusts no webhook.
        """
        bundles = self.world.bundles
        return [
            entry
            for place, (_, entries) in enumerate(bundles)
            if place + 1 == len(bundles) or bundles[place + 1][0] > self.world.time - LAG
            for entry in entries
            if any(c.not_valid_after_utc >= self.world.time for c in parse_bundle(entry.bundle).certificates)
        ]

    def _trusts(self, entry: WebhookEntry, leaf: Any) -> bool:
        question = fingerprint(leaf), entry.bundle
        if question not in self.answers:
            try:
                verify(leaf, parse_bundle(entry.bundle).certificates, name=NAME, now=self.world.time)
                self.answers[question] = True
            except UntrustedLeaf:
                self.answers[question] = False
        return self.answers[question]


class Move(enum.Enum):
    """What can happen, with what a move of this kind carries in addition."""

    STEP = enum.auto()
    """A replica goes on to its next call. With its number."""
    LOSE_ANSWER = enum.auto()
    """The same, but the call fails with `StoreUnavailable`, whether or not it was made. With its number."""
    FINISH = enum.auto()
    """A replica goes on to the end of its round. With its number."""
    CRASH = enum.auto()
    """A replica is killed and starts again. With its number."""
    SET_CLOCK = enum.auto()
    """The wall clock of a replica is set. With its number, and how far ahead."""
    PASS = enum.auto()
    """Time passes. With how much."""
    LIVE = enum.auto()
    """Some replicas do a round a minute, six times; the others are frozen. With the numbers of those that live."""
    WEEKS = enum.auto()
    """The same every 18 hours, 24 times."""


Moves = list[tuple[Move, Any]]

WHO = st.integers(0, 2)
WHO_LIVES = st.sampled_from([(0,), (1,), (2,), (0, 1), (0, 1, 2), (1, 2)])
JUMPS = st.sampled_from([timedelta(0), -5 * DAY, -10 * DAY, -20 * DAY, 5 * DAY, 30 * DAY, 90 * DAY])
STEPS = st.tuples(st.just(Move.STEP), WHO)
MOVES = st.one_of(
    STEPS,
    STEPS,
    st.tuples(st.just(Move.FINISH), WHO),
    st.tuples(st.just(Move.LOSE_ANSWER), WHO),
    st.tuples(st.just(Move.CRASH), WHO),
    st.tuples(st.just(Move.SET_CLOCK), st.tuples(WHO, JUMPS)),
    st.tuples(st.just(Move.PASS), st.sampled_from([SECOND, 30 * SECOND, 3 * MINUTE, HOUR, DAY, 4 * DAY])),
    st.tuples(st.just(Move.LIVE), WHO_LIVES),
    st.tuples(st.just(Move.WEEKS), WHO_LIVES),
)
CLOCKS = st.lists(st.sampled_from([-30 * MINUTE, timedelta(0), 20 * MINUTE, 30 * MINUTE]), min_size=3, max_size=3)
LIVES = st.lists(st.sampled_from([timedelta(days=5), timedelta(days=2), timedelta(days=9)]), min_size=3, max_size=3)


STORY: Moves = [
    *[(Move.STEP, 0)] * 3,
    (Move.LOSE_ANSWER, 0),
    (Move.FINISH, 1),
    (Move.CRASH, 0),
    (Move.FINISH, 0),
    (Move.SET_CLOCK, (1, 30 * DAY)),
    (Move.LIVE, (0, 1)),
    (Move.WEEKS, (0,)),
]


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an example of hypothesis in an event loop of its own."""

    def run(**arguments: Any) -> None:
        asyncio.run(test(**arguments))

    run.__doc__ = test.__doc__
    run.__name__ = test.__name__
    return run


async def play(world: World, replicas: list[Stepped], watch: Watch, moves: Moves) -> None:
    """Make each move, and check the invariant after it."""
    for move, what in moves:
        if move is Move.PASS:
            world.time += what
        elif move is Move.SET_CLOCK:
            if world.tells_time:  # otherwise a replica could not know
                replicas[what[0]].set_clock(what[1])
        elif move in {Move.LIVE, Move.WEEKS}:
            rounds, pause = (6, MINUTE) if move is Move.LIVE else (24, 18 * HOUR)
            for _ in range(rounds):
                world.time += pause
                watch.check()
                for number in what:
                    await replicas[number].finish()
                    watch.check()
        elif move is Move.FINISH:
            await replicas[what].finish()
        elif move is Move.CRASH:
            await replicas[what].crash()
        else:
            await replicas[what].step(lost=move is Move.LOSE_ANSWER)
        watch.check()


def cast(world: World, clocks: list[timedelta], lives: list[timedelta]) -> list[Stepped]:
    """Three replicas whose clocks and settings differ, as in the middle of an upgrade."""
    return [
        Stepped(world, settings(leaf_lifetime=life), ahead, jitter)
        for ahead, life, jitter in zip(clocks, lives, (0.0, 0.4, 0.8), strict=True)
    ]


async def test_the_story_of_the_docstring_holds() -> None:
    """What its lines say."""
    world = World()
    zero, one = replicas = [Stepped(world, SETTINGS, timedelta(0), jitter=0.0) for _ in range(2)]
    watch = Watch(world, replicas)
    await play(world, replicas, watch, STORY[:3])
    assert world.calls == ["trust get", "secret get", "secret create"]
    await play(world, replicas, watch, STORY[3:4])
    assert world.secret is None
    await play(world, replicas, watch, STORY[4:7])
    assert zero.replica.authority == one.replica.authority
    assert len(world.stored) == 1
    leaves = [each.replica.source.serving.fingerprint for each in replicas]
    await play(world, replicas, watch, STORY[7:9])
    assert [each.replica.source.serving.fingerprint for each in replicas] == leaves
    await play(world, replicas, watch, STORY[9:])
    assert zero.replica.source.healthy()
    assert zero.replica.source.serving.fingerprint != leaves[0]
    assert not one.replica.source.healthy()
    for stepped in replicas:
        await stepped.stop()


@pytest.mark.parametrize("webhooks", [1, 2])
def test_every_leaf_verifies_against_every_bundle(webhooks: int) -> None:
    """In any order, with replicas killed, frozen, cut off, answers lost, clocks an hour apart. It ends well."""

    @FEWER
    @given(moves=st.lists(MOVES, max_size=30), clocks=CLOCKS, lives=LIVES, tells_time=st.booleans())
    @in_a_loop
    async def run(moves: Moves, clocks: list[timedelta], lives: list[timedelta], tells_time: bool) -> None:
        world = World(tells_time=tells_time)
        world.write_entries(*(WebhookEntry(name=f"{n}.m365", bundle=b"", service=SERVICE) for n in range(webhooks)))
        replicas = cast(world, clocks, lives)
        watch = Watch(world, replicas)
        await play(world, replicas, watch, moves)
        for stepped, ahead in zip(replicas, clocks, strict=True):
            stepped.set_clock(ahead)
        for _ in range(6):
            world.time += MINUTE
            for stepped in replicas:
                await stepped.finish()
                watch.check()
        assert all(stepped.replica.source.healthy() for stepped in replicas)
        for stepped in replicas:
            counts = stepped.replica.source.describe().counts
            assert (counts["bugs"], counts["authorities_lost"], counts["secret_repaired"]) == (0, 0, 0)
            await stepped.stop()

    run()


@FEWER
@given(order=st.lists(st.integers(0, 4), min_size=20, max_size=60), empty=st.booleans())
@in_a_loop
async def test_five_first_starts_publish_one_authority(order: list[int], empty: bool) -> None:
    """Whichever is first, whether the Secret is absent or empty as the chart makes it: one is stored and published."""
    world = World()
    if empty:
        world.write_secret({})
    replicas = [Stepped(world, SETTINGS, timedelta(0), jitter=n / 5) for n in range(5)]
    watch = Watch(world, replicas)
    for number in order:
        await replicas[number].step()
        watch.check()
    for stepped in replicas:
        await stepped.finish()
        await stepped.finish()
    assert len(world.stored) == len(world.published) == 1
    assert all(stepped.replica.source.healthy() for stepped in replicas)


class Damage(enum.Enum):
    """What a person or a tool does to the Secret or to the configuration."""

    SECRET_DELETED = enum.auto()
    SECRET_EMPTIED = enum.auto()
    SECRET_OVERWRITTEN = enum.auto()
    """Every key holds something that cannot be read."""
    KEY_LOST = enum.auto()
    CERTIFICATE_LOST = enum.auto()
    STATE_LOST = enum.auto()
    OLD_SECRET_BACK = enum.auto()
    """A backup from the beginning of the story."""
    BUNDLE_EMPTIED = enum.auto()
    BUNDLE_OVERWRITTEN = enum.auto()
    OLD_BUNDLE_BACK = enum.auto()
    WEBHOOK_ADDED = enum.auto()
    ORDER_TURNED = enum.auto()
    INSTALLED_AGAIN = enum.auto()
    """Both objects are deleted and made again, with nothing in them."""


RECORDED_LIVES = (-5.0, 0.0, 1.0, 600.0, 1e9)
"""Seconds that somebody writes into state.json as the longest life of leaves."""
TO_CONFIGURATION = [
    Damage.BUNDLE_EMPTIED,
    Damage.BUNDLE_OVERWRITTEN,
    Damage.OLD_BUNDLE_BACK,
    Damage.WEBHOOK_ADDED,
    Damage.ORDER_TURNED,
    Damage.INSTALLED_AGAIN,
]
TO_SECRET = [*(each for each in Damage if each not in TO_CONFIGURATION), *RECORDED_LIVES]
HARM = st.one_of(st.sampled_from(TO_SECRET), st.sampled_from(TO_CONFIGURATION))


@FEWER
@given(
    before=st.lists(MOVES, max_size=8),
    damage=st.lists(HARM, min_size=1, max_size=4),
    after=st.lists(STEPS, max_size=12),
)
@in_a_loop
async def test_damage_heals_within_a_minute(before: Moves, damage: list[Damage | float], after: Moves) -> None:
    """Whatever is done to Secret and configuration, in any state: a minute later every leaf is trusted everywhere.

    And for a week from then on. A replica that was started after the damage may wait for `publish_wait` before it is
    ready.
    """
    world = World()
    world.write_entries(
        WebhookEntry(name="0.m365", bundle=b"", service=SERVICE), WebhookEntry(name="stranger", bundle=b"theirs")
    )
    replicas = cast(world, [timedelta(0)] * 3, [SETTINGS.leaf_lifetime] * 3)
    for stepped in replicas:
        await stepped.finish()
    history = [world.secret]
    for move in before:
        await play(world, replicas, _Blind(), [move])
        history.append(world.secret)
    for stepped in replicas:
        stepped.set_clock(timedelta(0))
    ready = [stepped for stepped in replicas if stepped.replica.source.healthy()]
    for what in damage:
        _harm(world, what, history)
    for _, number in after:
        await replicas[number].step()
    for _ in range(2):
        world.time += 30 * SECOND
        for stepped in replicas:
            await stepped.finish()  # the end of the round that it was in
            await stepped.finish()
    watch = Watch(world, replicas)
    world.configuration = _only_ours(world)
    watch.check(lagging=False)
    assert all(stepped.replica.source.healthy() for stepped in ready)
    for pause in (*[MINUTE] * 3, *[6 * HOUR] * 28, *[MINUTE] * 3):
        world.time += pause
        watch.check(lagging=False)
        for stepped in replicas:
            await stepped.finish()
            watch.check(lagging=False)
        assert all(stepped.replica.source.healthy() for stepped in replicas) or pause == MINUTE
    assert all(stepped.replica.source.healthy() for stepped in replicas)
    for stepped in replicas:
        await stepped.stop()


class _Blind(Watch):
    def __init__(self) -> None:
        return

    def check(self, *, lagging: bool = True) -> None:
        return


def _only_ours(world: World) -> Any:
    assert world.configuration is not None
    assert [e.bundle for e in world.configuration.entries if e.name == "stranger"] == [b"theirs"]
    return replace(world.configuration, entries=tuple(e for e in world.configuration.entries if e.service == SERVICE))


def _harm(world: World, what: Damage | float, history: list[Any]) -> None:
    if isinstance(what, float):
        _record_life(world, what)
    elif what in {Damage.BUNDLE_EMPTIED, Damage.BUNDLE_OVERWRITTEN, Damage.OLD_BUNDLE_BACK}:
        _harm_bundle(world, what)
    elif what is Damage.INSTALLED_AGAIN:
        world.uninstall()
        world.write_secret({})
        world.write_entries(
            WebhookEntry(name="0.m365", bundle=b"", service=SERVICE), WebhookEntry(name="stranger", bundle=b"theirs")
        )
    elif what in {Damage.WEBHOOK_ADDED, Damage.ORDER_TURNED}:
        assert world.configuration is not None
        entries = world.configuration.entries
        if what is Damage.ORDER_TURNED:
            world.write_entries(*reversed(entries))
        elif all(entry.name != "late.m365" for entry in entries):
            world.write_entries(WebhookEntry(name="late.m365", bundle=b"", service=SERVICE), *entries)
    else:
        _harm_secret(world, what, history)


def _harm_secret(world: World, what: Damage, history: list[Any]) -> None:
    data = dict(world.secret[0]) if world.secret else {}
    if what is Damage.SECRET_DELETED:
        world.write_secret(None)
    elif what is Damage.SECRET_EMPTIED:
        world.write_secret({})
    elif what is Damage.SECRET_OVERWRITTEN:
        world.write_secret(dict.fromkeys(data, b"-----BEGIN CERTIFICATE-----\nrubbish"))
    elif what is Damage.KEY_LOST:
        world.write_secret({**data, "ca.key": b""})
    elif what is Damage.CERTIFICATE_LOST:
        world.write_secret({key: value for key, value in data.items() if key != "ca.crt"})
    elif what is Damage.STATE_LOST:
        world.write_secret({key: value for key, value in data.items() if key != "state.json"})
    elif what is Damage.OLD_SECRET_BACK and history[0]:
        world.write_secret(history[0][0])


def _harm_bundle(world: World, what: Damage) -> None:
    if what is Damage.BUNDLE_EMPTIED:
        world.set_bundle(b"", "0.m365")
    elif what is Damage.BUNDLE_OVERWRITTEN:
        world.set_bundle(b"rubbish", "0.m365")
    elif world.bundles:
        world.set_bundle(world.bundles[min(1, len(world.bundles) - 1)][1][0].bundle, "0.m365")


def _record_life(world: World, seconds: float) -> None:
    data = dict(world.secret[0]) if world.secret else {}
    if data.get("state.json", b"").startswith(b"{"):
        state = json.loads(data["state.json"])
        for record in state["authorities"].values():
            record["leaf_seconds"] = seconds
        world.write_secret({**data, "state.json": json.dumps(state).encode()})

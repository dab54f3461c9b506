"""Rotations that a person asks for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from certs.errors import Conflict, StoreUnavailable
from certs.managed.by_hand import NothingToRotate, PerhapsRotated, rotate_authority, rotate_leaves
from certs.managed.secret import read
from tests.certs.fakes import NAME, FakeSecrets, Replica, World, live

MINUTE = timedelta(minutes=1)


async def test_every_leaf_is_replaced_once() -> None:
    """At the next reading of each replica, and not again at the one after."""
    world = World()
    replicas = [Replica(world), Replica(world)]
    await live(world, *replicas, time=MINUTE)
    before = [replica.source.serving.fingerprint for replica in replicas]
    await rotate_leaves(FakeSecrets(world), settings=replicas[0].settings)
    await live(world, *replicas, time=5 * MINUTE)
    after = [replica.source.serving.fingerprint for replica in replicas]
    assert not set(before) & set(after)
    assert [replica.counts("leaves_signed") for replica in replicas] == [(2,), (2,)]


async def test_the_authority_is_replaced_with_the_usual_overlap() -> None:
    """The command only stages it; the replicas do the rest, as they do by themselves in due time."""
    world = World()
    replicas = [Replica(world), Replica(world)]
    await live(world, *replicas, time=MINUTE)
    first = replicas[0].authority
    await rotate_authority(FakeSecrets(world), settings=replicas[0].settings)
    with pytest.raises(NothingToRotate) as refused:
        await rotate_authority(FakeSecrets(world), settings=replicas[0].settings)
    assert "under way" in str(refused.value)
    await live(world, *replicas, time=4 * MINUTE)
    (second,) = world.stored - {first}
    assert {replica.authority for replica in replicas} == {second}
    assert world.trusted() == {first, second}


async def test_rotations_one_after_another_wait_for_the_first() -> None:
    """The number of authorities is limited until the leaves of the first have expired."""
    world = World()
    replica = Replica(world)
    await replica.round()
    for _ in range(8):
        await rotate_authority(FakeSecrets(world), settings=replica.settings)
        await live(world, replica, time=4 * MINUTE)
    with pytest.raises(NothingToRotate) as refused:
        await rotate_authority(FakeSecrets(world), settings=replica.settings)
    assert "8 authorities still have leaf certificates" in str(refused.value)
    await live(world, replica, time=timedelta(days=6), step=timedelta(hours=1))
    await rotate_authority(FakeSecrets(world), settings=replica.settings)


@pytest.mark.parametrize("minutes", [-50, -15, 15, 50])
async def test_every_leaf_is_replaced_whatever_the_clocks_say(minutes: int) -> None:
    """A replica's may differ, and it may have signed a moment ago. What counts is whether it had read the request."""
    world = World()
    replica = Replica(world, ahead=minutes * MINUTE)
    await live(world, replica, time=MINUTE)
    for asked in range(1, 4):  # within a second of each other, too
        await rotate_leaves(FakeSecrets(world), settings=replica.settings)
        await replica.round()
        assert replica.counts("leaves_signed") == (1 + asked,)
    await live(world, replica, time=5 * MINUTE)
    assert replica.counts("leaves_signed") == (4,)


async def test_the_next_authority_is_dated_by_the_api_server() -> None:
    """Not by the clock of the person who asks: here that is today's, while it is 2030 in the world."""
    world = World()
    replica = Replica(world)
    await replica.round()
    await rotate_authority(FakeSecrets(world), settings=replica.settings)
    following = read(await FakeSecrets(world).get(), name=NAME).next
    assert following is not None
    assert following.not_valid_after_utc == world.time + replica.settings.authority_lifetime


async def test_a_write_without_answer_may_have_happened() -> None:
    """So the command does not say that it failed; a reading without an answer changed nothing."""
    world = World()
    replica = Replica(world)
    await replica.round()
    secrets = FakeSecrets(world)
    secrets.fails["update"] = StoreUnavailable("no answer within 10 s")
    for rotate in (rotate_leaves, rotate_authority):
        with pytest.raises(PerhapsRotated):
            await rotate(secrets, settings=replica.settings)
    secrets.fails["get"] = StoreUnavailable("no answer within 10 s")
    with pytest.raises(StoreUnavailable):
        await rotate_leaves(secrets, settings=replica.settings)


async def test_a_conflict_is_tried_again() -> None:
    """A replica writes now and then; the request must not be lost because of that."""
    world = World()
    replica = Replica(world)
    await replica.round()
    assert world.secret is not None

    async def interfere(call: str) -> None:
        if call == "secret update" and world.calls.count("secret update") < 3:
            assert world.secret is not None
            world.write_secret(world.secret[0])

    await rotate_authority(FakeSecrets(world, interfere), settings=replica.settings)
    assert read(await FakeSecrets(world).get(), name=NAME).next is not None

    async def always(call: str) -> None:
        if call == "secret update":
            assert world.secret is not None
            world.write_secret(world.secret[0])

    with pytest.raises(Conflict):
        await rotate_leaves(FakeSecrets(world, always), settings=replica.settings)


@pytest.mark.parametrize("data", [None, {}])
async def test_without_an_authority_nothing_is_rotated(data: dict[str, bytes] | None) -> None:
    """Nothing is written either."""
    world = World()
    world.write_secret(data)
    before = world.secret
    for rotate in (rotate_leaves, rotate_authority):
        with pytest.raises(NothingToRotate):
            await rotate(FakeSecrets(world), settings=Replica(world).settings)
    assert world.secret == before

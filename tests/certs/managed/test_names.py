"""Replicas whose names change: what they serve meanwhile, and that they come to one authority."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from cryptography import x509

from certs.authority import verify
from certs.constraints import permits, permitted_names
from certs.managed import secret_changes
from certs.managed.by_hand import rotate_authority
from certs.managed.secret import SecretState, StoredSecret, read
from certs.managed.settings import RotationSettings
from certs.pem import fingerprint, parse_bundle
from tests.authorities import make_authority, unconstrained
from tests.certs.fakes import NAME, NAMES, FakeSecrets, Replica, World, live, settings

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def with_names(*names: str) -> RotationSettings:
    """The settings of a replica with --extra-names."""
    return settings(names=(*NAMES, *names))


def served(replica: Replica) -> set[str]:
    """The names of the leaf certificate that is served."""
    leaf = replica.source.serving.certificate
    assert leaf is not None
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def state(world: World) -> SecretState:
    """What the Secret says."""
    assert world.secret is not None
    return read(StoredSecret(data=world.secret[0], version="1"), name=NAME)


def current(world: World) -> x509.Certificate:
    """The authority that signs."""
    found = state(world).current
    assert found is not None
    return found


async def live_trusted(world: World, *replicas: Replica, time: timedelta, step: timedelta = MINUTE / 2) -> None:
    """Let time pass. At each reading, what every replica serves verifies against the caBundle, and all are ready."""
    end = world.time + time
    while world.time < end:
        world.time += step
        for replica in replicas:
            await replica.round()
            leaf = replica.source.serving.certificate
            assert leaf is not None
            verify(leaf, parse_bundle(world.entry().bundle).certificates, name=NAME, now=world.time)


async def test_an_authority_is_for_the_names_of_the_settings_alone() -> None:
    """From the first one on."""
    world = World()
    replica = Replica(world, settings=with_names("hook.example.com"))
    await live(world, replica, time=MINUTE)
    assert permitted_names(current(world)) == (*NAMES, "hook.example.com")
    assert served(replica) == {*NAMES, "hook.example.com"}
    assert not permits(current(world), "kubernetes.default.svc")


async def test_a_new_name_is_served_as_soon_as_the_next_authority_signs(caplog: pytest.LogCaptureFixture) -> None:
    """Until then leaves are without it: a leaf with a name that is not permitted would be refused whole."""
    world = World()
    replica = Replica(world)
    await live(world, replica, time=5 * MINUTE)
    before = current(world)
    replica.settings = with_names("hook.example.com", "10.1.2.3")
    replica.start()
    caplog.set_level(logging.INFO)
    await replica.round()
    assert served(replica) == set(NAMES)
    assert "it is not for 10.1.2.3, hook.example.com" in caplog.text
    await live_trusted(world, replica, time=5 * MINUTE)
    assert current(world) != before
    assert served(replica) == {*NAMES, "hook.example.com", "10.1.2.3"}
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
    await live_trusted(world, replica, time=7 * DAY, step=4 * HOUR)
    assert state(world).previous == ()
    assert replica.counts("authorities_staged") == (1,)


@pytest.mark.slow
async def test_replicas_with_different_names_come_to_one_authority_for_all() -> None:
    """As during a roll-out, or if it stops half-way: they do not replace each other's authority in turns."""
    world = World()
    replicas = [Replica(world, settings=with_names("a.example.com")), Replica(world, settings=with_names("10.1.2.3"))]
    for replica in replicas:
        await live(world, replica, time=MINUTE)
    await live_trusted(world, *replicas, time=15 * MINUTE)
    assert served(replicas[0]) == {*NAMES, "a.example.com"}
    assert served(replicas[1]) == {*NAMES, "10.1.2.3"}
    assert set(permitted_names(current(world))) == {*NAMES, "a.example.com", "10.1.2.3"}
    await live_trusted(world, *replicas, time=20 * DAY, step=6 * HOUR)
    assert sum(replica.counts("authorities_staged")[0] for replica in replicas) == 1


async def test_a_staged_authority_without_a_name_of_ours_is_replaced_before_it_signs() -> None:
    """It has signed nothing, so it is retired, and leaves the caBundle at once."""
    world = World()
    replica = Replica(world, settings=with_names("hook.example.com"))
    await live(world, replica, time=5 * MINUTE)
    await rotate_with(world, settings())
    unfit = state(world).next
    assert unfit is not None
    await live_trusted(world, replica, time=MINUTE)
    following = state(world).next
    assert following is not None
    assert following != unfit
    assert permits(following, "hook.example.com")
    await live_trusted(world, replica, time=5 * MINUTE)
    assert "hook.example.com" in served(replica)
    assert current(world) == following
    assert fingerprint(unfit) not in world.trusted()


async def rotate_with(world: World, chosen: RotationSettings) -> None:
    """Stage an authority for the names of `chosen`, as a replica with these settings does in due time."""
    store = FakeSecrets(world)
    stored = await store.get()
    following = make_authority(now=world.time, lifetime=chosen.authority_lifetime, names=chosen.names)
    data = secret_changes.stage(stored, state(world), following, leaf_lifetime=chosen.leaf_lifetime, now=world.time)
    await store.update(stored, data)


async def test_a_rotation_by_hand_keeps_the_names_that_the_command_does_not_know() -> None:
    """`certs rotate --ca` on a laptop has no --extra-names."""
    world = World()
    replica = Replica(world, settings=with_names("hook.example.com"))
    await live(world, replica, time=5 * MINUTE)
    before = current(world)
    await rotate_authority(FakeSecrets(world), settings=settings())
    await live_trusted(world, replica, time=5 * MINUTE)
    assert current(world) != before
    assert "hook.example.com" in served(replica)
    assert replica.counts("authorities_staged") == (0,)


async def test_an_authority_of_a_release_before_stays_until_its_time_is_over() -> None:
    """It permits every name, so nothing is missing; its successor has constraints."""
    world = World()
    replica = Replica(world, settings=with_names("hook.example.com"))
    await live(world, replica, time=MINUTE)
    stored = await FakeSecrets(world).get()
    before = unconstrained(now=world.time, lifetime=60 * DAY)
    lifetime = replica.settings.leaf_lifetime
    world.write_secret(
        secret_changes.create(
            stored, SecretState(), before, previous=state(world).authorities(), leaf_lifetime=lifetime, now=world.time
        )
    )
    await live_trusted(world, replica, time=10 * MINUTE)
    assert current(world) == before.certificate
    assert "hook.example.com" in served(replica)
    await live_trusted(world, replica, time=38 * DAY, step=12 * HOUR)
    assert current(world) == before.certificate
    await live_trusted(world, replica, time=2 * DAY, step=HOUR)
    assert permitted_names(current(world)) == (*NAMES, "hook.example.com")


async def test_a_service_with_another_name_gets_an_authority_for_both() -> None:
    """No leaf for it can be signed before: the replicas of both names come to one authority."""
    world = World()
    old = Replica(world)
    await live(world, old, time=5 * MINUTE)
    other = tuple(name.replace("webhook", "hook") for name in NAMES)
    new = Replica(world, settings=settings(names=other, name=other[2]))
    for _ in range(20):
        await live(world, old, new, time=MINUTE / 2)
    assert set(permitted_names(current(world))) == {*NAMES, *other}
    assert served(new) == set(other)
    assert served(old) == set(NAMES)
    assert new.counts("authorities_created") == (1,)
    assert old.counts("authorities_created") == (1,)

"""The webhook is uninstalled and installed again while replicas of the first installation still drain."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from certs.errors import Forbidden
from tests.certs.fakes import Replica, World, live

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("seen", ["nothing", "no configuration", "neither", "the Secret alone", "refusals"])
async def test_a_replica_of_an_uninstalled_release_brings_nothing_into_the_next(
    world: World, replica: Replica, seen: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it has seen between the two: a replica of the second is ready at once, and trusts no other authority."""
    first = replica.authority
    if seen == "no configuration":
        world.configuration = None
    elif seen == "refusals":
        replica.secrets.fails["get"] = replica.trust.fails["get"] = Forbidden("no")
    elif seen != "nothing":
        world.uninstall()
        replica.secrets.fails["create"] = Forbidden("its rights are gone, too")
        if seen == "the Secret alone":
            world.write_secret({})
    if seen != "nothing":
        await replica.round()
    for store in (replica.secrets, replica.trust):
        store.fails.clear()
    caplog.clear()
    world.install()
    await replica.round()
    fresh = Replica(world)
    await fresh.round()
    assert fresh.source.healthy()
    assert fresh.source.describe().waits is None
    assert world.trusted() == {fresh.authority} != {first}
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_replicas_that_stay_serve_a_new_installation(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """As if somebody deletes both objects and applies them again, while the Deployment runs on."""
    caplog.set_level(logging.INFO)
    replicas = [Replica(world), Replica(world)]
    for replica in replicas:
        await replica.round()
    world.install()
    await live(world, *replicas, time=MINUTE / 2)
    assert all(replica.source.healthy() for replica in replicas)
    assert {replica.authority for replica in replicas} == world.trusted()
    said = [r.message for r in caplog.records if "of another installation" in r.message]
    assert said == [
        "MutatingWebhookConfiguration m365-webhook, Secret m365/webhook-authority: of another installation; "
        "a new leaf is signed for it"
    ] * len(replicas)


async def test_a_configuration_that_is_put_back_with_its_bundle_costs_no_connection(
    world: World, replica: Replica
) -> None:
    """Both objects are new, but kube-apiserver trusts the leaf: it stays until every one knows the next authority."""
    leaf, bundle = replica.source.serving.fingerprint, world.entry().bundle
    first = replica.authority
    world.install()
    world.set_bundle(bundle)
    await live(world, replica, time=MINUTE)
    assert replica.source.healthy()
    assert replica.source.serving.fingerprint == leaf
    assert world.trusted() > {first}
    await live(world, replica, time=2 * MINUTE)
    assert replica.source.serving.fingerprint != leaf
    assert replica.source.healthy()


@pytest.mark.parametrize("what", ["secret", "secret and bundle", "configuration"])
async def test_one_object_that_was_made_again_is_repaired(world: World, replica: Replica, what: str) -> None:
    """With what is remembered: the leaf that is served stays, and is trusted within the round, as those of others."""
    leaf, first = replica.source.serving.fingerprint, replica.authority
    if what.startswith("secret"):
        world.write_secret(None)
        if what == "secret and bundle":
            world.set_bundle(b"")
        await replica.round()
    else:
        entry = world.entry()
        world.configuration = None
        await replica.round()
        world.write_entries(entry)
        world.set_bundle(b"")
        await replica.round()
    assert replica.source.serving.fingerprint == leaf
    assert first in world.trusted()
    assert replica.source.healthy()

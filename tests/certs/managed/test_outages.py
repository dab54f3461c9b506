"""The self-managed mode while its API server is away, and while clocks are wrong."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from certs import messages
from certs.errors import Forbidden, StoreUnavailable
from certs.managed.by_hand import rotate_authority
from certs.pem import bundle_pem
from tests.authorities import make_authority
from tests.certs.fakes import START, Replica, World, live, settings

pytestmark = pytest.mark.slow  # all together they take seconds

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


async def test_serving_goes_on_without_an_api_server(
    world: World, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten minutes are one line, not twenty, and the pauses grow no longer than the interval."""
    for store in (replica.secrets, replica.trust):
        store.fails["get"] = StoreUnavailable("connection refused")
    end = world.time + 10 * MINUTE
    while world.time < end:
        pause = replica.source._pause.length(replica.source._in_vain())
        assert 0 < pause <= 30
        await replica.clock.sleep(pause)
        await replica.round()
        assert replica.source.healthy()
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 2
    for store in (replica.secrets, replica.trust):
        store.fails.clear()
    await replica.round()
    assert replica.source.describe().problems == ()


async def test_a_short_outage_of_the_api_server_is_not_reported(
    world: World, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    """It restarts now and then: two rounds in vain are counted only."""
    for store in (replica.secrets, replica.trust):
        store.fails["get"] = StoreUnavailable("connection refused")
    await replica.round()
    await replica.round()
    assert replica.source.describe().problems == ()
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert replica.counts("unavailable") == (4,)


async def test_a_403_of_an_api_server_that_has_just_started_is_not_reported(
    world: World, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    """It has not read its RBAC rules yet. What was allowed before is reported only after three rounds of 403."""
    caplog.set_level(logging.INFO)
    replica.secrets.fails["get"] = replica.trust.fails["get"] = Forbidden("no")
    await replica.round()
    await replica.round()
    assert replica.source.describe().problems == ()
    assert replica.source.healthy()
    assert [r for r in caplog.records if r.levelno >= logging.INFO] == []
    assert replica.source._pause.length(replica.source._in_vain()) <= 4  # it is asked again soon
    await replica.round()
    assert all("RBAC forbids `get`" in problem.text for problem in replica.source.describe().problems)
    assert len(replica.source.describe().problems) == 2


async def test_a_403_just_after_a_long_outage_is_part_of_the_outage(
    world: World, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    """It is neither reported as another problem nor taken for the end of the first one."""
    caplog.set_level(logging.INFO)
    for error, rounds in ((StoreUnavailable("connection refused"), 5), (Forbidden("no"), 2)):
        replica.secrets.fails["get"] = replica.trust.fails["get"] = error
        for _ in range(rounds):
            await replica.round()
    assert all("connection refused" in problem.text for problem in replica.source.describe().problems)
    for store in (replica.secrets, replica.trust):
        store.fails.clear()
    await replica.round()
    logged = [r.message for r in caplog.records if r.levelno >= logging.INFO]
    assert len(logged) == 4
    assert all("cannot be read: connection refused" in message for message in logged)
    assert [message.startswith("over: ") for message in logged] == [False, False, True, True]


async def test_one_time_limit_a_round_is_enough(world: World) -> None:
    """Each reading in vain may take ten seconds. What can be done without it is done once, the rest later."""
    replica = Replica(world)
    replica.trust.fails["get"] = StoreUnavailable("no answer")
    await replica.round()
    assert world.calls == ["trust get", "secret get", "secret create"]


async def test_a_call_without_answer_ends_after_its_time(world: World) -> None:
    """An API server that accepts and never answers counts as away."""

    async def never(_call: str) -> None:
        await asyncio.Event().wait()

    replica = Replica(world, settings(call_limit=timedelta(milliseconds=5)), gate=never)
    await replica.round()
    assert replica.counts("unavailable") == (2,)
    assert not replica.source.healthy()


async def test_the_leaf_is_renewed_while_the_configuration_cannot_be_read(world: World, replica: Replica) -> None:
    """It is of the same authority, so every client that trusts the old leaf trusts the new one."""
    replica.trust.fails["get"] = Forbidden("no")
    first = replica.source.serving.fingerprint
    await live(world, replica, time=timedelta(days=4), step=timedelta(hours=1))
    assert replica.source.serving.fingerprint != first
    assert replica.source.healthy()


async def test_a_machine_that_slept_for_a_month_renews_the_leaf_at_once(world: World, replica: Replica) -> None:
    """Until then it is not ready: the leaf has expired, whatever the last round found."""
    world.time += 30 * DAY
    assert not replica.source.healthy()
    await replica.round()
    assert replica.source.healthy()
    assert replica.source.serving.not_after == world.time + replica.settings.leaf_lifetime


@pytest.mark.parametrize("days", [-800, -20, -10, -6, -5, -1, 1, 30, 90, 800])
async def test_a_clock_that_is_set_changes_neither_leaf_nor_readiness(
    world: World, replica: Replica, days: int, caplog: pytest.LogCaptureFixture
) -> None:
    """kube-apiserver's clock was not set. By that clock the leaf is as good as before, and it counts, even during an
    outage, and even if the clock here is after the end of the authority or before its beginning."""
    first = replica.source.serving.fingerprint
    replica.clock.ahead = days * DAY
    assert replica.source.healthy()
    await live(world, replica, time=5 * MINUTE)
    for store in (replica.secrets, replica.trust):
        store.fails["get"] = StoreUnavailable("connection refused")
    await live(world, replica, time=5 * MINUTE)
    assert replica.source.healthy()
    assert replica.source.serving.fingerprint == first
    assert len([r for r in caplog.records if "the clock of this node" in r.message]) == 1


@pytest.mark.parametrize("days", [-20, -6, 30, 90])
async def test_a_leaf_is_renewed_in_time_despite_a_wrong_clock(world: World, replica: Replica, days: int) -> None:
    """It is due, dated and expires by the API server's time; an authority that is not due stays."""
    replica.clock.ahead = days * DAY
    for _ in range(16 * 24):
        await live(world, replica, time=timedelta(hours=1), step=timedelta(hours=1))
        not_after = replica.source.serving.not_after
        assert not_after is not None
        assert DAY < not_after - world.time <= replica.settings.leaf_lifetime + SECOND
        assert replica.source.healthy()
    assert replica.counts("leaves_signed") == (5,)


async def test_a_first_start_with_a_wrong_clock_dates_its_leaf_right(world: World) -> None:
    """The first answer tells the time, before anything is signed."""
    await Replica(world).round()
    for ahead in (-20 * DAY, 90 * DAY):
        late = Replica(world, ahead=ahead)
        await late.round()
        not_after = late.source.serving.not_after
        assert not_after is not None
        assert timedelta(0) <= not_after - world.time - late.settings.leaf_lifetime <= SECOND
        assert late.source.healthy()


async def test_the_wait_for_kube_apiservers_is_of_time_that_has_passed(world: World) -> None:
    """Setting the clock ahead by less than `skew` does not shorten it."""
    replica, other = Replica(world), Replica(world)
    await live(world, replica, other, time=MINUTE)
    first = replica.authority
    await rotate_authority(replica.secrets, settings=replica.settings)
    await live(world, replica, other, time=MINUTE)
    for each in (replica, other):
        each.clock.ahead = 5 * MINUTE
    await live(world, replica, other, time=timedelta(seconds=30))
    assert (replica.authority, other.authority) == (first, first)
    await live(world, replica, other, time=MINUTE)
    assert first not in (replica.authority, other.authority)


@pytest.mark.parametrize("deleted", [True, False])
async def test_the_wait_begins_anew_after_a_deletion_and_not_after_an_outage(world: World, deleted: bool) -> None:
    """A kube-apiserver that saw the deletion learns it again; during an outage it keeps what it has."""
    replica = Replica(world)
    await replica.round()
    first = replica.authority
    await rotate_authority(replica.secrets, settings=replica.settings)
    await live(world, replica, time=MINUTE)
    before = world.configuration
    assert before is not None
    if deleted:
        world.configuration = None
    else:
        replica.trust.fails["get"] = StoreUnavailable("connection refused")
    await live(world, replica, time=30 * SECOND)
    replica.trust.fails.clear()
    world.write_entries(*before.entries)
    await live(world, replica, time=90 * SECOND)
    assert (replica.authority == first) is deleted
    await live(world, replica, time=2 * MINUTE)
    assert replica.authority != first


@pytest.mark.parametrize(
    ("jump", "slept"),
    [(MINUTE, 0 * SECOND), (-MINUTE, 0 * SECOND), (0 * SECOND, MINUTE)],
    ids=["on", "back", "suspend"],
)
async def test_a_clock_that_jumps_is_noticed_within_a_second(
    world: World, replica: Replica, jump: timedelta, slept: timedelta
) -> None:
    """A pause ends early if the clock was set, or if the machine was suspended."""
    before = len(world.slept)
    await replica.source._pause.wait(30)
    assert sum(world.slept[before:]) == pytest.approx(30)
    rounds = 0

    async def sleep(seconds: float) -> None:
        nonlocal rounds
        assert seconds <= 1
        rounds += 1
        if rounds == 3:
            replica.clock.ahead += jump
            world.time += slept
        world.time += timedelta(seconds=seconds)

    replica.clock.sleep = sleep  # type: ignore[method-assign]
    await replica.source._pause.wait(30)
    assert rounds == 3


@pytest.mark.parametrize("jump", [30 * DAY, -30 * DAY])
async def test_a_clock_set_in_the_middle_of_a_round_is_noticed_too(world: World, jump: timedelta) -> None:
    """The dial comes at the end of a round, after the reading that would have shown it."""

    async def dial(**_: object) -> None:
        replica.clock.ahead = jump

    replica = Replica(world, dial=dial)
    await replica.round()
    await replica.source.dial()
    before = len(world.slept)
    await replica.source._pause.wait(30)
    assert replica.clock.ahead == jump
    assert len(world.slept) == before + 1


async def test_a_clock_that_goes_back_changes_nothing_for_half_an_hour(world: World, replica: Replica) -> None:
    """The leaf is valid from long before, so nothing has to be done."""
    first = replica.source.serving.fingerprint
    replica.clock.ahead = -30 * MINUTE
    await live(world, replica, time=5 * MINUTE)
    assert replica.source.healthy()
    assert replica.source.serving.fingerprint == first


async def test_a_leaf_signed_by_an_api_servers_clock_that_was_ahead_is_replaced(world: World, replica: Replica) -> None:
    """Its life would exceed what is recorded with the authority; the new one is valid by the right time."""
    world.time += 30 * DAY
    await replica.round()
    world.time -= 30 * DAY
    await replica.round()
    not_after = replica.source.serving.not_after
    assert not_after is not None
    assert not_after <= world.time + replica.settings.leaf_lifetime


@pytest.mark.parametrize("ahead", [timedelta(days=3 * 365), -timedelta(days=3 * 365), timedelta(hours=2)])
async def test_a_replica_with_a_wrong_clock_changes_nothing_shared(world: World, ahead: timedelta) -> None:
    """It knows by the API server's clock, writes nothing and logs one line; the others go on."""
    good = Replica(world)
    await good.round()
    secret, configuration = world.secret, world.configuration
    wrong = Replica(world, ahead=ahead)
    await live(world, wrong, good, time=5 * MINUTE)
    assert (world.secret, world.configuration) == (secret, configuration)
    assert [p.kind for p in wrong.source.describe().problems] == [messages.CLOCK_DIFFERS]
    assert good.source.healthy()
    assert good.source.describe().problems == ()


async def test_an_authority_from_the_future_is_left_alone(world: World) -> None:
    """One of two clocks is wrong, and no replica can know which. It is reported; the leaf that is served stays."""
    early = make_authority(now=START + 2 * DAY, lifetime=60 * DAY)
    world.write_secret({"ca.crt": bundle_pem([early.certificate]), "ca.key": early.private_pem()})
    replica = Replica(world)
    await live(world, replica, time=5 * MINUTE)
    assert [p.text for p in replica.source.describe().problems] == [
        "the authority in Secret m365/webhook-authority is not valid before 2030-01-02 23:00:00Z"
    ]
    assert replica.counts("authorities_created", "leaves_signed") == (0, 0)
    world.time += 2 * DAY
    await replica.round()
    assert replica.source.healthy()

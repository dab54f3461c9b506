"""`Clock`: the machine's, the API server's, the one of `tests.certs.fakes` and the one of a fleet's replicas."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from certs.clock import ApiClock, Clock, SystemClock
from testbed.fleet.clocks import Clocks, TurnedClock
from tests.certs.fakes import FakeClock, World

NAP = 0.05  # seconds
LONG = 20 * NAP
COARSE = 0.002  # seconds by which a wall clock and a monotonic clock may be read apart


def system(_folder: Path) -> Clock:
    return SystemClock()


def api(_folder: Path) -> Clock:
    return ApiClock(SystemClock(), skew=timedelta(hours=1))


def api_that_was_heard(_folder: Path) -> Clock:
    """By an API server whose time is that of the machine, in whole seconds."""
    clock = ApiClock(SystemClock(), skew=timedelta(hours=1))
    clock.learn(clock.now().replace(microsecond=0), requested_at=clock.ticks())
    return clock


def fake(_folder: Path) -> Clock:
    return FakeClock(World())


def turned(folder: Path) -> Clock:
    """The one that `testbed.fleet.clocks` puts in the place of the machine's."""
    TurnedClock.path = Clocks(folder / "clock").path
    return TurnedClock()


@pytest.fixture(params=[system, api, api_that_was_heard, fake, turned], ids=lambda make: make.__name__)
def clock(request: pytest.FixtureRequest, tmp_path: Path) -> Clock:
    make: Callable[[Path], Clock] = request.param
    return make(tmp_path)


def test_the_time_is_aware_and_in_utc(clock: Clock) -> None:
    assert clock.now().utcoffset() == timedelta(0)


async def test_ticks_and_time_pass_in_a_sleep(clock: Clock) -> None:
    """By as much as was asked for, at least."""
    now, ticks = clock.now(), clock.ticks()
    await clock.sleep(NAP)
    assert clock.ticks() - ticks >= NAP - COARSE
    assert (clock.now() - now).total_seconds() >= NAP - COARSE


async def test_a_sleep_lets_others_run(clock: Clock) -> None:
    """Even one of no time."""
    ran = asyncio.Event()
    asyncio.get_running_loop().call_soon(ran.set)
    await clock.sleep(0)
    assert ran.is_set()


async def test_what_takes_longer_than_its_limit_is_ended(clock: Clock) -> None:
    ticks = clock.ticks()
    with pytest.raises(TimeoutError):
        async with clock.limit(NAP):
            await clock.sleep(LONG)
    assert clock.ticks() - ticks >= NAP - COARSE


async def test_what_never_ends_is_ended_too(clock: Clock) -> None:
    with pytest.raises(TimeoutError):
        async with clock.limit(NAP):
            await asyncio.Event().wait()


@pytest.mark.slow
async def test_what_ends_in_time_is_left_alone(clock: Clock) -> None:
    """Then and later: a limit ends with its block."""
    async with clock.limit(LONG):
        await clock.sleep(NAP)
    await clock.sleep(LONG)


async def test_of_two_limits_the_shorter_counts(clock: Clock) -> None:
    async with clock.limit(2 * LONG):
        with pytest.raises(TimeoutError):
            async with clock.limit(NAP):
                await clock.sleep(LONG)
    with pytest.raises(TimeoutError):
        async with clock.limit(NAP), clock.limit(2 * LONG):
            await clock.sleep(LONG)


async def test_an_error_within_a_limit_is_itself(clock: Clock) -> None:
    with pytest.raises(KeyError):
        async with clock.limit(LONG):
            raise KeyError

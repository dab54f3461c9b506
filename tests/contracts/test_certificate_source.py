"""`CertificateSource`: the three that the product has. Tests of the server pretend with less than a whole one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from certs.authority import make_leaf
from certs.development import DevelopmentSource
from certs.errors import StoreUnavailable
from certs.files import FilesSource
from certs.managed.source import SelfManagedSource
from certs.messages import TABLE
from certs.source import CertificateSource
from tests.authorities import make_authority
from tests.certs.fakes import NAMES, START, FakeClock, FakeSecrets, FakeTrust, FixedChance, World, settings

YEARS = timedelta(days=1000)

Make = Callable[[World, Path], CertificateSource]


def development(world: World, _folder: Path) -> CertificateSource:
    return DevelopmentSource(clock=FakeClock(world))


def files(world: World, folder: Path) -> CertificateSource:
    pair = make_leaf(make_authority(now=START, lifetime=YEARS), names=NAMES, now=START, lifetime=timedelta(days=14))
    (folder / "pair.pem").write_bytes(pair.private_pem())
    return FilesSource(certificate=folder / "pair.pem", clock=FakeClock(world))


def self_managed(world: World, _folder: Path) -> CertificateSource:
    return SelfManagedSource(
        secrets=FakeSecrets(world),
        trust=FakeTrust(world),
        settings=settings(),
        clock=FakeClock(world),
        chance=FixedChance(),
    )


def missing_files(world: World, folder: Path) -> CertificateSource:
    return FilesSource(certificate=folder / "absent.pem", clock=FakeClock(world))


def api_server_away(world: World, _folder: Path) -> CertificateSource:
    secrets, trust = FakeSecrets(world), FakeTrust(world)
    secrets.fails["get"] = trust.fails["get"] = StoreUnavailable("no answer")
    return SelfManagedSource(secrets=secrets, trust=trust, settings=settings(), clock=FakeClock(world))


@pytest.fixture(params=[development, files, self_managed], ids=lambda make: make.__name__)
def source(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> CertificateSource:
    """One that has everything it needs, and is not started."""
    make: Make = request.param
    return make(world, tmp_path)


@pytest.fixture(params=[missing_files, api_server_away], ids=lambda make: make.__name__)
def poor_source(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> CertificateSource:
    """One whose certificate cannot be had."""
    make: Make = request.param
    return make(world, tmp_path)


@pytest.fixture
def world() -> World:
    return World()


async def test_what_to_listen_with_is_there_before_the_start_and_stays(source: CertificateSource) -> None:
    """A certificate that comes later is handed out by it."""
    before = source.serving.listening_context
    assert before.minimum_version >= ssl.TLSVersion.TLSv1_2
    await source.start()
    assert source.serving.listening_context is before


async def test_a_start_makes_it_healthy(source: CertificateSource) -> None:
    """The description says the same, and tells of the leaf that is served."""
    await source.start()
    assert source.healthy()
    described = source.describe()
    assert described.healthy
    assert described.problems == ()
    assert described.mode in {"development", "files", "self-managed"}
    assert described.fingerprint == source.serving.fingerprint is not None
    assert described.not_after == source.serving.not_after is not None


async def test_an_expired_leaf_is_not_healthy(source: CertificateSource, world: World) -> None:
    """Without another reading: time alone is enough."""
    await source.start()
    world.time += YEARS
    assert not source.healthy()
    assert not source.describe().healthy


async def test_a_start_in_vain_does_not_raise(poor_source: CertificateSource) -> None:
    """The server starts all the same, and is not ready."""
    await poor_source.start()
    assert not poor_source.healthy()
    assert not poor_source.describe().healthy
    assert poor_source.describe().fingerprint is None
    assert all(problem.code in TABLE for problem in poor_source.describe().problems)


async def test_counts_never_fall(source: CertificateSource) -> None:
    before = source.describe().counts
    await source.start()
    after = source.describe().counts
    assert all(after[event] >= count for event, count in before.items())


async def test_run_goes_on_until_it_is_cancelled(source: CertificateSource) -> None:
    await source.start()
    task = asyncio.ensure_future(source.run())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

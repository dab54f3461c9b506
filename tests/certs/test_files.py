"""A certificate that somebody else keeps in files."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import pytest

from certs.authority import make_leaf
from certs.files import FilesSource
from certs.pem import Pair, bundle_pem, fingerprint, private_pem
from tests.authorities import make_authority
from tests.certs.fakes import NAME, NAMES, START, BoundedClock, EndOfTest, FakeClock, World
from tests.certs.mount import Mount

DAY = timedelta(days=1)
AUTHORITY = make_authority(now=START, lifetime=365 * DAY)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(World())


def leaf(lifetime: timedelta = 14 * DAY, now: timedelta = timedelta(0)) -> Pair:
    return make_leaf(AUTHORITY, names=NAMES, now=START + now, lifetime=lifetime)


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path)


@pytest.fixture
def source(mount: Mount, clock: FakeClock) -> FilesSource:
    return FilesSource(certificate=mount.certificate, key=mount.key, names=[NAME], clock=clock)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


async def test_files_are_served(mount: Mount, source: FilesSource) -> None:
    """As cert-manager mounts them."""
    pair = leaf()
    mount.put_pair(pair)
    await source.start()
    assert source.healthy()
    assert source.serving.fingerprint == fingerprint(pair.certificate)
    assert source.describe().problems == ()


async def test_a_swapped_mount_is_taken_within_an_interval(mount: Mount, source: FilesSource) -> None:
    """The links stay, the folder behind them is another; the content decides."""
    mount.put_pair(leaf())
    await source.start()
    renewed = leaf()
    mount.put_pair(renewed)
    source.reload()
    assert source.serving.fingerprint == fingerprint(renewed.certificate)
    source.reload()
    assert source.describe().counts == {"replaced": 2}


async def test_files_are_read_at_each_interval(mount: Mount) -> None:
    """Ten seconds by default."""
    clock = BoundedClock(World())
    source = FilesSource(certificate=mount.certificate, key=mount.key, clock=clock)
    await source.start()
    assert not source.healthy()
    mount.put_pair(leaf())
    clock.sleeps = 1
    with pytest.raises(EndOfTest):
        await source.run()
    assert source.healthy()
    assert clock.world.slept == [10.0]


async def test_one_file_may_hold_everything(tmp_path: Path, clock: FakeClock) -> None:
    """Key, leaf and chain, as a PodCertificate volume writes them."""
    path, pair = tmp_path / "bundle.pem", leaf()
    path.write_bytes(private_pem(pair.key) + bundle_pem([pair.certificate, AUTHORITY.certificate]))
    source = FilesSource(certificate=path, clock=clock)
    await source.start()
    assert source.serving.fingerprint == fingerprint(pair.certificate)


PAIR, OTHER = leaf(), leaf()
EXPIRED = leaf(now=-DAY, lifetime=DAY - timedelta(minutes=1))
STRANGER = make_leaf(AUTHORITY, names=["other.m365.svc"], now=START, lifetime=DAY)


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        (bundle_pem([OTHER.certificate])[:400], private_pem(OTHER.key), "a certificate is cut off"),
        (bundle_pem([OTHER.certificate]), private_pem(OTHER.key)[:60], "the private key is missing"),
        (bundle_pem([OTHER.certificate]), b"", "the private key is empty"),
        (b"", private_pem(OTHER.key), "the certificate is empty"),
        (bundle_pem([OTHER.certificate]), private_pem(PAIR.key), "the private key belongs to another certificate"),
        (
            bundle_pem([EXPIRED.certificate]),
            private_pem(EXPIRED.key),
            "the certificate expired on 2029-12-31 23:59:00Z",
        ),
        (bundle_pem([STRANGER.certificate]), private_pem(STRANGER.key), f"is not for {NAME}, only for other.m365.svc"),
        (b"x" * ((1 << 20) + 1), private_pem(OTHER.key), "tls.crt is larger than 1 MiB"),
    ],
    ids=["half certificate", "half key", "no key", "no certificate", "mismatch", "expired", "name", "huge"],
)
async def test_a_bad_pair_changes_nothing_and_is_reported_once(
    mount: Mount, source: FilesSource, caplog: pytest.LogCaptureFixture, certificate: bytes, key: bytes, words: str
) -> None:
    """The old one is still served, one line says so however long it lasts, and a good pair is served at once."""
    mount.put_pair(PAIR)
    await source.start()
    mount.put(certificate, key)
    for _ in range(5):
        source.reload()
    assert source.healthy()
    assert source.serving.fingerprint == fingerprint(PAIR.certificate)
    (line,) = errors(caplog)
    assert words in line
    assert "the one that expires on 2030-01-15 is still served" in line
    assert [str(problem) for problem in source.describe().problems] == [line]
    mount.put_pair(OTHER)
    source.reload()
    assert source.serving.fingerprint == fingerprint(OTHER.certificate)
    assert source.describe().problems == ()


async def test_absent_files_are_waited_for(mount: Mount, source: FilesSource, caplog: pytest.LogCaptureFixture) -> None:
    """cert-manager may be slower: the replica is not ready, logs one line, and is ready when the files are there."""
    await source.start()
    source.reload()
    assert not source.healthy()
    (line,) = errors(caplog)
    assert "tls.crt cannot be read (No such file or directory); no certificate that a client trusts is served" in line
    mount.put_pair(PAIR)
    source.reload()
    assert source.healthy()


async def test_a_pair_read_while_it_is_swapped_is_read_again(
    mount: Mount, source: FilesSource, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kubelet may swap the mount between the reading of the certificate and of the key: nothing is logged."""
    mount.put_pair(PAIR)
    await source.start()
    opened = Path.open
    swaps = [OTHER]

    def swap_before_the_key(path: Path, *arguments: object, **keywords: object) -> object:
        if path.name == "tls.key" and swaps:
            mount.put_pair(swaps.pop())
        return opened(path, *arguments, **keywords)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", swap_before_the_key)
    source.reload()
    assert source.serving.fingerprint == fingerprint(OTHER.certificate)
    assert errors(caplog) == []


async def test_a_pair_that_expires_in_its_file_is_reported(
    mount: Mount, source: FilesSource, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing changed but the time: not healthy any more, and one line says where to look."""
    mount.put_pair(PAIR)
    await source.start()
    clock.world.time += 15 * DAY
    source.reload()
    source.reload()
    assert not source.healthy()
    (line,) = errors(caplog)
    assert "the certificate expired on 2030-01-15 00:00:00Z" in line
    assert "kubectl describe certificate" in line


async def test_a_pair_for_tomorrow_is_taken_tomorrow(mount: Mount, source: FilesSource, clock: FakeClock) -> None:
    """It need not change for that: what was refused is tried again at each reading."""
    later = make_authority(now=START + DAY, lifetime=30 * DAY)
    mount.put_pair(PAIR)
    await source.start()
    pair = make_leaf(later, names=NAMES, now=START + DAY, lifetime=14 * DAY)
    mount.put_pair(pair)
    source.reload()
    assert source.serving.fingerprint == fingerprint(PAIR.certificate)
    clock.world.time += DAY
    source.reload()
    assert source.serving.fingerprint == fingerprint(pair.certificate)


async def test_a_bug_while_reading_does_not_end_the_task(
    mount: Mount, source: FilesSource, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported without the text of the error, which may quote what was read."""
    mount.put_pair(PAIR)
    await source.start()

    def broken(*_: object) -> object:
        raise RuntimeError("-----BEGIN PRIVATE KEY-----")

    monkeypatch.setattr("certs.files.parse_pair", broken)
    mount.put_pair(OTHER)
    source.reload()
    assert source.healthy()
    (line,) = errors(caplog)
    assert "RuntimeError" in line
    assert "BEGIN" not in line


async def test_run_ends_when_it_is_cancelled(mount: Mount) -> None:
    """The server stops it on SIGTERM."""
    task = asyncio.create_task(FilesSource(certificate=mount.certificate, key=mount.key).run())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

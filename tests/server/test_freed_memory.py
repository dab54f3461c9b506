"""Memory that is free goes back to the system."""

import asyncio
import contextlib
import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from webhook.server.freed_memory import _resident, _trim, give_back

MIB = 1024 * 1024


async def trims(*sizes: int) -> list[int]:
    """What is resident, in MiB, whenever memory is given back; `sizes` are what is resident at each look."""
    given: list[int] = []
    looks: Iterator[int] = iter(sizes)
    now, done = 0, asyncio.Event()

    def resident() -> int:
        nonlocal now
        now = next(looks, -1)
        if now < 0:
            done.set()
            return 0
        return now * MIB

    work = asyncio.create_task(give_back(pause=0, resident=resident, trim=lambda _: given.append(now)))
    async with asyncio.timeout(60):
        await done.wait()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return given


@pytest.mark.parametrize(
    ("sizes", "given"),
    [
        ((80, 88, 88, 88, 88), []),
        ((80, 89, 80, 89, 81, 80, 80), [89, 89]),
        ((80, 120, 110, 110, 110), [120, 110]),  # it is in use, and may be free the next time
        ((80, 60, 60, 69, 60), [69]),  # compared with the least, not with the first
    ],
)
async def test_memory_is_given_back_if_it_is_more_than_at_the_least(sizes: tuple[int, ...], given: list[int]) -> None:
    """By 8 MiB. The looks are: one at the start, then two each time, before and after."""
    assert await trims(*sizes) == given


async def test_memory_is_given_back_beyond_8_mib_to_the_byte() -> None:
    """glibc is told to keep nothing at the top of its heap."""
    kept: list[int] = []
    looks = iter([0, 8 * MIB, 8 * MIB, 8 * MIB + 1, 8 * MIB + 1])
    work = asyncio.create_task(give_back(pause=0, resident=looks.__next__, trim=kept.append))
    await asyncio.wait([work], timeout=60)
    assert isinstance(work.exception(), RuntimeError)  # after the last look
    assert kept == [0]


def test_this_process_knows_what_it_has() -> None:
    """As the kernel says elsewhere, but for what it gets meanwhile."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    said = int(status.partition("VmRSS:")[2].split()[0]) * 1024
    assert said * 0.9 < _resident() < said * 1.1


def test_without_glibc_nothing_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another libc has no malloc_trim; with glibc it says whether there was something to give back."""
    assert _trim()(0) in (0, 1)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert _trim()(0) is None


async def test_this_process_gives_back_what_glibc_has() -> None:
    """It does not fail, and goes on."""
    work = asyncio.create_task(give_back(pause=0, resident=iter(range(0, 10**12, 10**9)).__next__))
    await asyncio.sleep(0.01)
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError, RuntimeError):
        await work

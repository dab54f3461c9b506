"""Memory that is free goes back to the system."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from webhook.server.freed_memory import give_back

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
    async with asyncio.timeout(5):
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


async def test_this_process_gives_back_what_glibc_has() -> None:
    """It does not fail, and goes on."""
    work = asyncio.create_task(give_back(pause=0, resident=iter(range(0, 10**12, 10**9)).__next__))
    await asyncio.sleep(0.01)
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError, RuntimeError):
        await work

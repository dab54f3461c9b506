"""What goes on in the background of a worker."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from webhook.server.background import Background, running


async def test_background_work_starts_in_order_and_ends_in_reverse() -> None:
    """Each may rely on those before it, from its start to its end."""
    events: list[str] = []

    @asynccontextmanager
    async def work(name: str) -> AsyncIterator[None]:
        events.append(f"+{name}")
        yield
        events.append(f"-{name}")

    background = Background([work("a"), work("b")])
    await background.start()
    assert events == ["+a", "+b"]
    await background.stop(seconds=60)
    assert events == ["+a", "+b", "-b", "-a"]


async def test_work_that_cannot_start_ends_what_has_started() -> None:
    """And the reason is raised."""
    events: list[str] = []

    @asynccontextmanager
    async def good() -> AsyncIterator[None]:
        yield
        events.append("-good")

    @asynccontextmanager
    async def bad() -> AsyncIterator[None]:
        if not events:
            raise OSError("no route")
        yield

    with pytest.raises(OSError, match="no route"):
        await Background([good(), bad()]).start()
    assert events == ["-good"]


async def test_a_start_that_is_cancelled_is_given_up() -> None:
    """A start that hangs does not outlive the process's end."""
    gone = asyncio.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[None]:
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        yield

    starting = asyncio.create_task(Background([slow()]).start())
    await asyncio.sleep(0.01)
    starting.cancel()
    async with asyncio.timeout(60):
        await gone.wait()


async def test_an_end_that_takes_too_long_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """And logged, as is one that fails."""

    @asynccontextmanager
    async def stuck() -> AsyncIterator[None]:
        yield
        await asyncio.Event().wait()

    @asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        yield
        raise OSError("no route")

    for work, seconds in ((stuck(), 0.01), (broken(), 60)):
        background = Background([work])
        await background.start()
        await background.stop(seconds=seconds)
    assert caplog.messages == [
        "the background work did not end in time",
        "the background work failed at its end",
    ]
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.ERROR]


async def test_a_task_that_ends_is_started_again_after_a_growing_rest(caplog: pytest.LogCaptureFixture) -> None:
    """Whether it raises or returns; and it ends with the block."""
    runs, fourth = 0, asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise RuntimeError("first")
        if runs == 4:
            fourth.set()
            await asyncio.Event().wait()

    async with running("the work", work, pause=0.01, longest_pause=0.02), asyncio.timeout(60):
        await fourth.wait()
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "the work failed; it starts again in 0.01 s",
        "the work ended; it starts again in 0.02 s",
        "the work ended; it starts again in 0.02 s",
    ]
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "the work"]


async def test_a_failure_after_a_long_time_is_not_in_a_row(caplog: pytest.LogCaptureFixture) -> None:
    """The rest doubles up to the longest, and is the first again after work that went on for longer than that."""
    now, done = 0.0, asyncio.Event()
    took = iter([0.0, 0.0, 0.0, 0.004, 0.005])

    async def work() -> None:
        nonlocal now
        seconds = next(took, None)
        if seconds is None:
            done.set()
            await asyncio.Event().wait()
            return
        now += seconds

    async with running("it", work, pause=0.001, longest_pause=0.004, clock=lambda: now), asyncio.timeout(60):
        await done.wait()
    rests = ["0.001", "0.002", "0.004", "0.004", "0.001"]
    assert caplog.messages == [f"it ended; it starts again in {rest} s" for rest in rests]

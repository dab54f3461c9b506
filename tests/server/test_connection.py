"""One connection, without a socket: what only its transport sees."""

import asyncio
import traceback
from dataclasses import replace
from typing import Any

from webhook.core.decision import Decision
from webhook.logs import Log
from webhook.reviewer import Answer
from webhook.server.application import Application, Review
from webhook.server.connection import Connection
from webhook.server.lifecycle import Lifecycle
from webhook.server.shared import Shared


class StuckTransport:
    """One whose client does not read, so that closing it waits for ever."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.aborted = asyncio.Event()

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name != "ssl_object" else None

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.aborted.set()


async def test_a_connection_that_cannot_close_is_aborted(shared: Shared) -> None:
    """What a client does not read is dropped some time after the connection was closed."""
    connection, transport = Connection(shared), StuckTransport()
    connection.connection_made(transport)
    connection.close()
    assert transport.calls == ["close"]
    async with asyncio.timeout(60):
        await transport.aborted.wait()


class RecordingTransport(StuckTransport):
    """One whose client reads everything."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.news = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.written += data
        self.news.set()

    async def answers(self, count: int) -> None:
        """Wait until so many answers have been written."""
        async with asyncio.timeout(60):
            while self.written.count(b"HTTP/1.1 200 OK") < count:
                self.news.clear()
                await self.news.wait()


REVIEW = b"POST /mutate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


def opened(shared: Shared, review: Review) -> tuple[Connection, RecordingTransport]:
    """An open connection to the review endpoint."""
    application = Application(
        review, metrics=shared.metrics, log=Log(write=lambda _: None), lifecycle=Lifecycle(started=True)
    )
    shared = replace(shared, application=application, needs_no_task=application.needs_no_task)
    connection, transport = Connection(shared), RecordingTransport()
    connection.connection_made(transport)
    return connection, transport


def at_once(body: bytes | bytearray, *, timeout: float) -> Answer:
    return Answer(200, b"{}", Decision("unchanged", "opted-out"))


async def test_a_review_that_waits_for_nothing_is_answered_before_the_event_loop_goes_on(shared: Shared) -> None:
    """It has no task, and its connection waits for the next one."""
    connection, transport = opened(shared, at_once)
    before = asyncio.all_tasks()
    connection.data_received(REVIEW)
    assert transport.written.endswith(b"\r\n\r\n{}")
    assert connection.state is shared.connections.idle
    assert asyncio.all_tasks() == before


async def test_requests_that_come_together_are_answered_one_after_the_other(shared: Shared) -> None:
    """In their order, and without a recursion: each answer would add to the stack."""
    depths: set[int] = set()

    def review(body: bytes | bytearray, *, timeout: float) -> Answer:
        depths.add(sum(1 for _ in traceback.walk_stack(None)))
        return at_once(body, timeout=timeout)

    connection, transport = opened(shared, review)
    connection.data_received(REVIEW * 500)
    await transport.answers(500)
    assert len(depths) == 2  # within data_received, and in a task


async def test_a_review_that_waits_goes_on_as_a_task(shared: Shared) -> None:
    """The look-up has deadlines, which only a task can have. Meanwhile the connection is busy."""
    known = asyncio.Event()

    async def review(body: bytes | bytearray, *, timeout: float) -> Answer:
        async with asyncio.timeout(timeout):
            await known.wait()
        return at_once(body, timeout=timeout)

    connection, transport = opened(shared, review)
    connection.data_received(REVIEW)
    await asyncio.sleep(0)
    assert (transport.written, connection.state) == (b"", shared.connections.busy)
    known.set()
    await transport.answers(1)
    assert connection.state is shared.connections.idle


async def test_an_answer_that_is_not_read_keeps_its_connection_busy(shared: Shared) -> None:
    """The time for the next request does not begin yet."""
    connection, transport = opened(shared, at_once)
    transport.write = lambda data: connection.pause_writing()  # type: ignore[method-assign]
    connection.data_received(REVIEW)
    assert connection.state is shared.connections.busy
    connection.resume_writing()
    assert connection.state is shared.connections.idle

"""`ExchangeTransport`: the fake of the tests of exchanges, and a real connection on a transport that records."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from testbed.recorder import Recorder
from tests.server.test_exchange import Wire
from webhook.metrics import Metrics
from webhook.server.asgi import ASGIApplication, Receive, Scope, Send
from webhook.server.connection import Connection
from webhook.server.exchange import Exchange, ExchangeTransport
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Limits
from webhook.server.open_connections import OpenConnections
from webhook.server.request_parser import RequestParser
from webhook.server.shared import Shared

REQUEST = b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}"


@dataclass
class Subject:
    """A transport with a request on it, and what the outside sees and does."""

    transport: ExchangeTransport
    exchange: Exchange
    sent: Callable[[], bytes]
    reads: Callable[[], bool]
    client_reads: Callable[[bool], None]
    drain: Callable[[], None]


def fake() -> Subject:
    wire, parser = Wire(), RequestParser()
    parser.feed(REQUEST)
    exchange = Exchange(wire, parser, {"scheme": "https"})
    exchange.finish()

    def client_reads(reads: bool) -> None:
        (wire.readable.set if reads else wire.readable.clear)()

    def drain() -> None:
        wire.ending = True

    return Subject(wire, exchange, lambda: wire.sent, lambda: wire.reading, client_reads, drain)


def shared(application: ASGIApplication) -> Shared:
    loop, limits = asyncio.get_running_loop(), Limits()
    return Shared(
        loop=loop,
        application=application,
        lifecycle=Lifecycle(started=True),
        metrics=Metrics(version="1"),
        limits=limits,
        connections=OpenConnections(loop, limits),
    )


def real() -> Subject:
    async def idle(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    common, recorder = shared(idle), Recorder()
    connection = Connection(common)
    connection.connection_made(recorder)
    connection.data_received(REQUEST)
    exchange = connection._exchange
    assert exchange is not None

    def client_reads(reads: bool) -> None:
        (connection.resume_writing if reads else connection.pause_writing)()

    def drain() -> None:
        common.lifecycle.draining = True

    return Subject(connection, exchange, lambda: bytes(recorder.sent), lambda: recorder.reading, client_reads, drain)


@pytest.fixture(params=[fake, real])
async def subject(request: pytest.FixtureRequest) -> Subject:
    made: Subject = request.param()
    return made


async def answer(subject: Subject, *headers: tuple[bytes, bytes]) -> None:
    await subject.exchange.send({"type": "http.response.start", "status": 200, "headers": list(headers)})
    await subject.exchange.send({"type": "http.response.body", "body": b"ok"})


async def test_what_is_written_is_sent_in_order(subject: Subject) -> None:
    """Each piece once."""
    subject.transport.write(b"a")
    subject.transport.write(b"b")
    assert subject.sent() == b"ab"


async def test_reading_stops_and_goes_on(subject: Subject) -> None:
    """As an exchange asks for it."""
    assert subject.reads()
    subject.transport.hold(reading=False)
    assert not subject.reads()
    subject.transport.hold(reading=True)
    assert subject.reads()


async def test_drained_waits_for_a_client_that_does_not_read(subject: Subject) -> None:
    """And for no other."""
    async with asyncio.timeout(60):
        await subject.transport.drained()
    subject.client_reads(False)
    waiting: asyncio.Future[None] = asyncio.ensure_future(_drained(subject.transport.drained))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    subject.client_reads(True)
    async with asyncio.timeout(60):
        await waiting


async def _drained(drained: Callable[[], Awaitable[None]]) -> None:
    await drained()


async def test_an_answer_goes_out_with_its_head(subject: Subject) -> None:
    """The connection goes on, so nothing says that it closes."""
    assert not subject.transport.ending
    await answer(subject, (b"content-length", b"2"))
    assert subject.sent().startswith(b"HTTP/1.1 200 OK\r\n")
    assert subject.sent().endswith(b"\r\n\r\nok")
    assert b"connection: close" not in subject.sent()


async def test_while_draining_the_answer_is_the_last(subject: Subject) -> None:
    """The client learns it from the answer."""
    subject.drain()
    assert subject.transport.ending
    await answer(subject, (b"content-length", b"2"))
    assert b"connection: close\r\n" in subject.sent()

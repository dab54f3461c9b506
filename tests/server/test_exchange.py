"""One request and its answer, without a socket: what an application can do right and wrong."""

import asyncio

import pytest

from webhook.server.asgi import CLOSE
from webhook.server.exchange import Exchange, date, refusal, success
from webhook.server.request_parser import RequestParser

LENGTH = (b"content-length", b"2")


class Wire:
    """A connection that records what it is asked to do."""

    def __init__(self) -> None:
        self.sent = b""
        self.closes: list[bool] = []
        self.reading = True
        self.ending = False
        self.readable = asyncio.Event()
        self.readable.set()

    def write(self, data: bytes) -> None:
        self.sent += data

    def hold(self, *, reading: bool) -> None:
        self.reading = reading

    async def drained(self) -> None:
        await self.readable.wait()

    def answered(self, exchange: Exchange, *, close: bool) -> None:
        self.closes.append(close)


def begin(wire: Wire, head: bytes = b"GET / HTTP/1.1\r\n\r\n") -> Exchange:
    parser = RequestParser()
    parser.feed(head)
    exchange = Exchange(wire, parser, {"scheme": "https"})
    if parser.whole:
        exchange.finish()
    return exchange


async def answer(exchange: Exchange, *headers: tuple[bytes, bytes], status: int = 200, body: bytes = b"ok") -> None:
    await exchange.send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await exchange.send({"type": "http.response.body", "body": body})


async def test_an_answer_is_one_write_with_date_and_length() -> None:
    """And the connection goes on."""
    wire = Wire()
    await answer(begin(wire), LENGTH)
    head, _, body = wire.sent.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    assert head.endswith(b" GMT\r\ncontent-length: 2")
    assert (body, wire.closes) == (b"ok", [False])


@pytest.mark.parametrize(
    ("head", "headers"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", (LENGTH, CLOSE)),
        (b"GET / HTTP/1.1\r\n\r\n", ()),
        (b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n", (LENGTH,)),
        (b"GET / HTTP/1.0\r\n\r\n", (LENGTH,)),
        (b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n", (LENGTH,)),
    ],
    ids=["the application says so", "nothing tells its length", "the client says so", "HTTP/1.0", "a body is left"],
)
async def test_some_answers_end_their_connection(head: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """Each says so, once."""
    wire = Wire()
    await answer(begin(wire, head), *headers)
    assert wire.sent.count(b"connection: close\r\n") == 1
    assert wire.closes == [True]


async def test_the_connection_may_want_to_end_too() -> None:
    """While the server drains, or when its client sends requests faster than it reads answers."""
    wire = Wire()
    wire.ending = True
    await answer(begin(wire), LENGTH)
    assert (b"connection: close\r\n" in wire.sent, wire.closes) == (True, [True])


async def test_http_1_0_may_keep_its_connection() -> None:
    """By saying so."""
    wire = Wire()
    await answer(begin(wire, b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"), LENGTH)
    assert wire.closes == [False]


async def test_head_is_answered_without_the_body() -> None:
    """But with its length."""
    wire = Wire()
    exchange = begin(wire, b"HEAD / HTTP/1.1\r\n\r\n")
    await exchange.send({"type": "http.response.start", "status": 200, "headers": [LENGTH]})
    await exchange.send({"type": "http.response.body", "body": b"o", "more_body": True})
    await exchange.send({"type": "http.response.body", "body": b"k"})
    assert wire.sent.endswith(b"content-length: 2\r\n\r\n")
    assert wire.closes == [False]


async def test_an_answer_in_pieces_waits_for_its_reader() -> None:
    """So that it is never all in memory twice."""
    wire = Wire()
    wire.readable.clear()
    exchange = begin(wire)
    await exchange.send({"type": "http.response.start", "status": 200, "headers": [LENGTH]})
    task = asyncio.create_task(exchange.send({"type": "http.response.body", "body": b"o", "more_body": True}))
    await asyncio.sleep(0)
    assert (wire.sent[-1:], task.done()) == (b"o", False)
    wire.readable.set()
    await task


async def test_an_answer_out_of_turn_is_the_applications_fault() -> None:
    """A second start, or a body before the start."""
    exchange = begin(Wire())
    with pytest.raises(RuntimeError, match="not begun yet"):
        await exchange.send({"type": "http.response.body", "body": b"x"})
    await exchange.send({"type": "http.response.start", "status": 200, "headers": [LENGTH]})
    with pytest.raises(RuntimeError, match="begun already"):
        await exchange.send({"type": "http.response.start", "status": 200, "headers": [LENGTH]})


async def test_no_more_is_read_than_the_application_takes() -> None:
    """A client that sends faster waits, and may go on once there is room."""
    wire = Wire()
    exchange = begin(wire, b"POST / HTTP/1.1\r\ncontent-length: 9000000\r\n\r\n")
    for _ in range(5):
        exchange.feed(b"x" * 65536)
    assert not wire.reading
    assert len((await exchange.receive())["body"]) == 65536
    assert wire.reading


async def test_a_body_ends_with_its_last_piece() -> None:
    """After it, receive() waits until the client has gone."""
    exchange = begin(Wire(), b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n")
    waiting = asyncio.create_task(exchange.receive())
    await asyncio.sleep(0)
    exchange.feed(b"a")
    assert await waiting == {"type": "http.request", "body": b"a", "more_body": True}
    exchange.feed(b"b")
    exchange.finish()
    assert await exchange.receive() == {"type": "http.request", "body": b"b", "more_body": False}
    waiting = asyncio.create_task(exchange.receive())
    await asyncio.sleep(0)
    assert not waiting.done()
    exchange.abandon()
    assert await waiting == {"type": "http.disconnect"}


async def test_nothing_is_sent_to_a_client_that_has_gone() -> None:
    """The application need not know."""
    wire = Wire()
    exchange = begin(wire)
    exchange.abandon()
    await answer(exchange, LENGTH)
    assert (wire.sent, wire.closes) == (b"", [])


@pytest.mark.parametrize(("version", "sent"), [(b"1.1", True), (b"1.0", False)])
async def test_100_continue_is_sent_when_the_application_wants_the_body(version: bytes, sent: bool) -> None:
    """Once, and never to HTTP/1.0."""
    wire = Wire()
    exchange = begin(wire, b"POST / HTTP/%s\r\nexpect: 100-Continue\r\ncontent-length: 2\r\n\r\n" % version)
    assert wire.sent == b""
    waiting = asyncio.create_task(exchange.receive())
    await asyncio.sleep(0)
    assert wire.sent == (b"HTTP/1.1 100 Continue\r\n\r\n" if sent else b"")
    exchange.feed(b"ab")
    await waiting


async def test_256_kib_of_a_body_may_wait() -> None:
    """With one byte more the client is held, once; with 256 KiB it may go on, once."""
    wire = Wire()
    calls: list[bool] = []
    wire.hold = lambda *, reading: calls.append(reading)  # type: ignore[method-assign]
    exchange = begin(wire, b"POST / HTTP/1.1\r\ncontent-length: 9000000\r\n\r\n")
    for piece in (b"x" * 100, b"x" * (256 * 1024 - 100)):
        exchange.feed(piece)
    assert calls == []
    exchange.feed(b"x")
    exchange.feed(b"x" * 99)
    assert calls == [False]
    await exchange.receive()
    assert calls == [False, True]
    await exchange.receive()
    assert calls == [False, True]


async def test_it_has_begun_when_something_was_sent() -> None:
    """Not when its head is made: until then another answer may take its place."""
    exchange = begin(Wire())
    states = [exchange.begun]
    await exchange.send({"type": "http.response.start", "status": 200, "headers": [LENGTH]})
    states.append(exchange.begun)
    await exchange.send({"type": "http.response.body", "body": b"o", "more_body": True})
    assert [*states, exchange.begun] == [False, False, True]


async def test_an_answer_in_pieces_is_sent_in_their_order() -> None:
    """An empty one writes nothing."""
    wire = Wire()
    writes: list[bytes] = []
    wire.write = lambda data: writes.append(data)  # type: ignore[method-assign]
    exchange = begin(wire)
    await exchange.send({"type": "http.response.start", "status": 200, "headers": [LENGTH]})
    for body in (b"o", b"", b"k"):
        await exchange.send({"type": "http.response.body", "body": body, "more_body": True})
    await exchange.send({"type": "http.response.body"})
    assert [write.rpartition(b"\r\n\r\n")[2] for write in writes] == [b"o", b"k"]


async def test_a_request_without_a_body_has_one_empty_piece() -> None:
    """Then the application waits for its client to go."""
    exchange = begin(Wire())
    assert await exchange.receive() == {"type": "http.request", "body": b"", "more_body": False}
    waiting = asyncio.create_task(exchange.receive())
    await asyncio.sleep(0)
    assert not waiting.done()
    exchange.abandon()
    assert await waiting == {"type": "http.disconnect"}


def test_a_refusal_is_a_complete_answer_that_ends_its_connection() -> None:
    """One line of text."""
    head, _, body = refusal(408, "too slow").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\ndate: ")
    assert b"\r\ncontent-length: 9\r\nconnection: close" in head
    assert body == b"too slow\n"


def test_a_success_is_an_answer_of_status_200_and_now() -> None:
    """Before what an application has made of it."""
    rest, before = b"content-length: 2\r\n\r\nok", date()
    assert success(rest) in [b"HTTP/1.1 200 OK\r\n" + when + rest for when in (before, date())]

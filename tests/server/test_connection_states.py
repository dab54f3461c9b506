"""The way of a connection through its states, and what a client may not do. Its end: test_connection_ends.py."""

import asyncio
from typing import Any

import pytest

from tests.server.connection_case import ANSWER, HEAD, Case, Transport, settle

MAX_AHEAD = 64 * 1024


async def test_a_request_leads_from_receiving_over_busy_to_idle_and_again() -> None:
    """A part of one is not a request yet."""
    case = Case()
    states = [case.state]
    for data in (HEAD[:20], HEAD[20:] + b"a", b"b"):
        await case.receive(data)
        states.append(case.state)
    await case.answer()
    states.append(case.state)
    await case.receive(HEAD[:20])
    states.append(case.state)
    await case.receive(HEAD[20:] + b"cd")
    states.append(case.state)
    await case.answer()
    assert [*states, case.state] == ["receiving"] * 3 + ["busy", "idle", "receiving", "busy", "idle"]
    assert (case.application.seen, case.statuses) == ([b"ab", b"cd"], ["200", "200"])
    assert case.transport.calls == []


async def test_the_application_is_called_when_the_head_is_complete() -> None:
    """Not before, and once."""
    case = Case()
    counts = []
    for data in (HEAD[:-1], HEAD[-1:], b"a"):
        await case.receive(data)
        counts.append(len(case.application.scopes))
    assert counts == [0, 1, 1]


async def test_what_arrives_meanwhile_is_the_next_request() -> None:
    """In part or whole."""
    case = Case()
    await case.receive(HEAD + b"ab" + HEAD)
    await case.receive(b"c")
    assert case.state == "busy"
    await case.answer()
    assert (case.state, case.application.seen) == ("receiving", [b"ab"])
    await case.receive(b"d")
    assert (case.state, case.application.seen) == ("busy", [b"ab", b"cd"])


@pytest.mark.parametrize(
    ("tls", "scheme", "server"),
    [(None, "http", ("::1", 8443, 0, 0)), (object(), "https", ("10.0.0.1", 8443))],
)
async def test_the_application_is_told_the_addresses(tls: object, scheme: str, server: Any) -> None:
    """Each as an address and a port, of IPv6 too."""
    case = Case(transport=Transport(sockname=server, peername=("::2", 5000, 0, 7), ssl_object=tls))
    await case.receive(HEAD)
    scope = case.application.scopes[0]
    assert (scope["scheme"], scope["server"], scope["client"]) == (scheme, server[:2], ("::2", 5000))


@pytest.mark.parametrize("name", ["sockname", "peername"])
async def test_a_client_that_has_gone_already_is_dropped(name: str) -> None:
    """The kernel knows one of its addresses no more."""
    case = Case(transport=Transport(**{name: None}))
    assert (case.transport.calls, case.state) == (["abort"], "closing")


async def test_a_transport_holds_16_kib_before_it_says_that_its_client_does_not_read() -> None:
    """The default of 64 KiB for each of 512 connections is 32 MiB."""
    assert Case().transport.high == 16 * 1024


async def test_a_connection_that_ends_tells_its_application() -> None:
    """What still waits for the client goes on."""
    case = Case()
    await case.receive(HEAD)
    case.connection.pause_writing()
    waiting = asyncio.create_task(case.connection.drained())
    await settle()
    case.connection.connection_lost(None)
    await waiting
    await settle()
    assert (case.application.seen, case.state, case.loop.waiting) == (["gone"], "none", [110])
    case.loop.move(1000)
    assert (case.transport.calls, case.refused) == ([], {})


async def test_a_connection_that_ends_between_two_requests_needs_nothing() -> None:
    """The usual end."""
    case = Case()
    case.connection.connection_lost(None)
    assert (case.state, case.transport.calls) == ("none", [])


@pytest.mark.parametrize(("more", "answered"), [(0, True), (1, False)])
async def test_up_to_64_kib_may_come_ahead(more: int, answered: bool) -> None:
    """With more, the answer under way is the last, and says so."""
    case = Case()
    await case.receive(HEAD + b"ab")
    request = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % MAX_AHEAD
    await case.receive(request + b"x" * (MAX_AHEAD + more - len(request)))
    await case.receive(b"")
    await case.answer()
    assert (b"connection: close" in case.transport.written) == (not answered)
    assert (len(case.application.scopes), case.state) == ((2, "receiving") if answered else (1, "closing"))


@pytest.mark.parametrize(
    ("data", "statuses"),
    [(b"", []), (HEAD[:9], ["408"]), (HEAD, ["408"]), (HEAD + b"a", ["408"])],
    ids=["nothing", "a part of the head", "a head", "a part of the body"],
)
async def test_a_request_that_does_not_arrive_is_408(data: bytes, statuses: list[str]) -> None:
    """A client that has not sent anything is not answered. The application sees that its client has gone."""
    case = Case()
    if data:
        await case.receive(data)
    case.loop.move(10)
    await settle()
    assert (case.statuses, case.state, case.refused) == (statuses, "closing", {"timeout": 1})
    assert case.transport.calls == ["close"]
    assert case.application.seen == ["gone"] * len(case.application.scopes)


async def test_a_connection_is_silent_again_after_each_request() -> None:
    """Then its limit is the one between two requests."""
    case = Case()
    await case.receive(HEAD + b"ab")
    case.loop.move(1000)
    assert case.state == "busy"
    await case.answer()
    case.loop.move(119)
    assert case.state == "idle"
    case.loop.move(1)
    assert (case.state, case.statuses, case.refused) == ("closing", ["200"], {})


async def begin_early(scope: Any, receive: Any, send: Any) -> None:
    """Begins to answer before it has read anything."""
    await send({**ANSWER, "headers": []})
    await send({"type": "http.response.body", "body": b"o", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass
    await send({"type": "http.response.body", "body": b"late"})


@pytest.mark.parametrize("cause", ["timeout", "malformed"])
async def test_an_answer_that_has_begun_is_not_followed_by_another(cause: str) -> None:
    """Its client would take it for a part of the first. What the application sends then is dropped."""
    case = Case(begin_early)
    await case.receive(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
    if cause == "timeout":
        case.loop.move(10)
    else:
        await case.receive(b"no number\r\n\r\n")
    await settle()
    assert (case.statuses, case.state, case.refused) == (["200"], "closing", {cause: 1})
    assert case.transport.written.endswith(b"\r\n\r\no")


@pytest.mark.parametrize(
    "data", [b"no HTTP\r\n\r\n", b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nno\r\n\r\n"]
)
async def test_what_is_not_http_is_400(data: bytes) -> None:
    """Within the head or the body. What comes after it is not looked at."""
    case = Case()
    await case.receive(data[:-6])
    await case.receive(data[-6:])
    await case.receive(HEAD + b"ab")
    assert (case.statuses, case.state, case.refused) == (["400"], "closing", {"malformed": 1})


async def test_a_client_that_does_not_read_its_answer_is_dropped() -> None:
    """After ten seconds, counted."""
    case = Case()
    await case.receive(HEAD + b"ab")
    case.connection.pause_writing()
    await case.answer()
    case.loop.move(9)
    assert (case.state, case.transport.calls) == ("busy", [])
    case.loop.move(1)
    assert (case.transport.calls, case.refused) == (["abort"], {"timeout": 1})


async def test_a_client_that_reads_again_before_its_answer_is_complete_still_waits_for_it() -> None:
    """Its connection stays busy."""
    case = Case()
    await case.receive(HEAD + b"ab")
    case.connection.pause_writing()
    case.connection.resume_writing()
    assert case.state == "busy"
    await case.answer()
    assert (case.state, case.statuses) == ("idle", ["200"])


async def test_no_more_is_read_than_the_application_takes() -> None:
    """And nothing is asked of a transport that closes."""
    told = asyncio.Event()

    async def lazy(scope: Any, receive: Any, send: Any) -> None:
        await told.wait()
        while (await receive())["more_body"]:
            pass

    case = Case(lazy)
    await case.receive(b"POST / HTTP/1.1\r\ncontent-length: 900000\r\n\r\n" + b"x" * 300_000)
    assert case.transport.calls == ["pause_reading"]
    told.set()
    await settle()
    assert case.transport.calls == ["pause_reading", "resume_reading"]

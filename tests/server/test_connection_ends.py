"""How a connection ends, and what it does then."""

import asyncio
import logging
from typing import Any

import pytest

from tests.server.connection_case import ANSWER, HEAD, Case, Transport
from webhook.server.connection import Connection
from webhook.server.lifecycle import Lifecycle


async def test_an_application_that_fails_is_500(caplog: pytest.LogCaptureFixture) -> None:
    """Once, and it is logged. It is not the client's fault, so it is not counted."""

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("no")

    case = Case(failing)
    with caplog.at_level(logging.ERROR, "webhook"):
        await case.receive(HEAD + b"ab")
    assert (case.statuses, case.state, case.refused) == (["500"], "closing", {})
    assert caplog.messages == ["the application failed"]


@pytest.mark.parametrize("close", [False, True])
async def test_an_application_that_fails_after_its_answer_changes_nothing(close: bool) -> None:
    """The client has what it asked for."""

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await send(ANSWER)
        await send({"type": "http.response.body", "body": b"ok"})
        raise ValueError("no")

    case = Case(failing, lifecycle=Lifecycle(draining=close))
    await case.receive(HEAD + b"ab")
    assert (case.statuses, case.state) == (["200"], "closing" if close else "idle")


@pytest.mark.parametrize("at_once", [False, True])
async def test_while_the_server_drains_each_answer_is_the_last(at_once: bool) -> None:
    """Also one that needs no task."""
    case = Case(lifecycle=Lifecycle(draining=True), needs_no_task=at_once)
    case.application.may_answer.set()
    await case.receive(HEAD + b"ab")
    assert (case.statuses, case.state, case.transport.calls) == (["200"], "closing", ["close"])
    assert b"connection: close" in case.transport.written


@pytest.mark.parametrize(
    ("data", "before", "after"), [(b"", "receiving", "receiving"), (HEAD + b"ab", "busy", "closing")]
)
async def test_a_client_connects_anew_after_the_answer_under_way(data: bytes, before: str, after: str) -> None:
    """No client is cut off."""
    case = Case()
    await case.receive(data or HEAD[:1])
    case.connection.renew()
    assert (case.state, case.transport.calls) == (before, [])
    await case.answer()
    assert case.state == after


async def test_an_idle_client_connects_anew_at_once() -> None:
    """Nothing is under way."""
    case = Case()
    await case.receive(HEAD + b"ab")
    await case.answer()
    case.connection.renew()
    assert (case.state, case.transport.calls) == ("closing", ["close"])


@pytest.mark.parametrize(
    ("data", "answered", "calls", "state"),
    [
        (HEAD[:9], False, ["abort"], "none"),
        (HEAD + b"ab", False, ["abort"], "none"),
        (HEAD + b"ab", True, ["close"], "closing"),
    ],
    ids=["receiving", "busy", "idle"],
)
async def test_a_connection_that_makes_room_ends(data: bytes, answered: bool, calls: list[str], state: str) -> None:
    """An idle one with all that was written, any other at once."""
    case = Case()
    await case.receive(data)
    if answered:
        await case.answer()
    case.connection.end()
    assert (case.transport.calls, case.state) == (calls, state)


@pytest.mark.parametrize("begun", [True, False])
async def test_a_connection_in_its_handshake_can_end(begun: bool) -> None:
    """The handshake is cancelled, if it has a task yet."""
    shared = Case().shared
    connection = Connection(shared)
    connection.move(shared.connections.opening)
    task = asyncio.create_task(asyncio.sleep(3600))
    connection.opening = task if begun else None
    connection.end()
    assert (connection.state, task.cancelling()) == (None, int(begun))
    task.cancel()


@pytest.mark.parametrize(("half_closes", "calls"), [(True, ["write_eof", "close"]), (False, ["close"])])
async def test_a_connection_closes_once(half_closes: bool, calls: list[str]) -> None:
    """Without TLS the client sees the end of the answer before the transport has closed."""
    case = Case()
    case.transport.half_closes = half_closes
    case.connection.close()
    case.connection.close()
    case.connection.write(b"late")
    case.connection.hold(reading=True)
    assert (case.transport.calls, case.transport.written) == (calls, b"")


async def test_what_is_written_after_the_end_is_dropped() -> None:
    """The application may not know yet."""
    case = Case()
    case.connection.connection_lost(None)
    case.connection.write(b"late")
    case.connection.hold(reading=False)
    await case.receive(HEAD)
    assert (case.transport.calls, case.transport.written, case.application.scopes) == ([], b"", [])


async def test_a_client_that_may_not_ask_is_403_before_its_body() -> None:
    """And the callers are told its address, for the log."""
    told: list[tuple[object, object]] = []

    class Callers:
        def refusal(self, tls: object) -> str:
            return f"not {tls}"

        def refused(self, reason: object, client: object) -> None:
            told.append((reason, client))

    case = Case(transport=Transport(ssl_object="tls"), callers=Callers())
    await case.receive(HEAD[:-1])
    assert case.statuses == []
    await case.receive(HEAD[-1:])
    assert (case.statuses, case.state, case.refused) == (["403"], "closing", {"client": 1})
    assert (told, case.application.scopes) == ([("not tls", "10.0.0.2")], [])
    assert b"not tls" in case.transport.written


async def answered_and_not_read(application: Any = None) -> Case:
    """A case whose answer is complete, and whose client has not read it."""
    case = Case(application)
    await case.receive(HEAD + b"ab")
    case.connection.pause_writing()
    await case.answer()
    return case


async def test_a_client_that_reads_its_answer_late_connects_anew_after_it() -> None:
    """Its authority was taken away meanwhile, for example."""
    case = await answered_and_not_read()
    case.connection.renew()
    case.connection.resume_writing()
    assert (case.state, case.statuses) == ("closing", ["200"])


async def test_a_connection_that_closes_stays_closed_when_its_client_reads() -> None:
    """It is not waiting for a request again."""
    case = await answered_and_not_read()
    case.connection.close()
    case.connection.resume_writing()
    assert case.state == "closing"


async def test_an_application_that_fails_after_an_answer_that_was_not_read_adds_nothing() -> None:
    """One request has one answer."""

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(0)
        await send(ANSWER)
        await send({"type": "http.response.body", "body": b"ok"})
        raise ValueError("after the answer")

    case = Case(failing)
    case.connection.pause_writing()
    await case.receive(HEAD + b"ab")
    assert case.statuses == ["200"]

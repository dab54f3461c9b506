"""A worker's life without a process: its listeners are made up, and its background work does nothing."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from webhook.metrics import Metrics
from webhook.server import process, worker_life
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import OPERATIONS_CONNECTIONS, Limits
from webhook.server.open_connections import OpenConnections
from webhook.server.worker_life import WorkerLife
from webhook.server.worker_parts import CannotStart, Drain, WorkerParts

LONG = 600.0  # seconds that no test waits
SOON = 60.0  # seconds, less than anything that must not be waited for


class Listener:
    """Says what it was made with, and whether it listens. calls: of all listeners, in their order."""

    calls: list[str]

    def __init__(self, sock: Any, *, loop: Any, limits: Limits, **options: Any) -> None:
        self.sock, self.limits, self.options = sock, limits, options
        self.connections = OpenConnections(loop, limits)
        self.name = "operations" if options["context"] is None else "reviews"
        Life.listeners[self.name] = self

    def start(self) -> None:
        Life.calls.append(f"start {self.name}")

    def stop(self) -> None:
        Life.calls.append(f"stop {self.name}")


class Connection:
    """One that only ends."""

    ended = False

    def end(self) -> None:
        self.ended = True


class Life:
    """A worker that serves. listeners: by what they serve."""

    listeners: dict[str, Listener]
    calls: list[str]

    def __init__(self, drain: Drain, context: Callable[[], ssl.SSLContext] | None = None) -> None:
        Life.listeners, Life.calls = {}, []
        self.lifecycle = Lifecycle()
        parts = WorkerParts(
            reviews=cast("Any", "reviews"),
            operations=cast("Any", "operations"),
            background=(),
            context=context or (lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)),
            lifecycle=self.lifecycle,
            metrics=Metrics(version="1"),
            callers=cast("Any", "callers"),
        )
        self.sockets = (socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0)))
        loop = asyncio.get_running_loop()
        self.worker = WorkerLife(parts, loop=loop, sockets=self.sockets, limits=Limits(), drain=drain)
        self.task = asyncio.create_task(self.worker.serve(each_second=lambda: None))

    async def ready(self) -> Life:
        """Wait until it serves."""
        async with asyncio.timeout(SOON):
            while not self.lifecycle.started or "start reviews" not in self.calls:  # noqa: ASYNC110
                await asyncio.sleep(0)
        return self

    def connection(self, state: str) -> Connection:
        """A connection for reviews in this state."""
        connection = Connection()
        getattr(self.listeners["reviews"].connections, state).since[connection] = 0.0
        return connection

    def leave(self, state: str) -> None:
        """No connection is in this state any more."""
        getattr(self.listeners["reviews"].connections, state).since.clear()

    async def ends(self) -> None:
        """Wait for its end, which must come soon."""
        async with asyncio.timeout(SOON):
            await self.task


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(worker_life, "Listener", Listener)
    monkeypatch.setattr(worker_life, "freeze", lambda: None)
    monkeypatch.setattr(worker_life, "_FIRST_REQUEST_SECONDS", LONG)
    lives: list[Life] = []
    start = Life.__init__

    def remember(self: Life, *arguments: Any) -> None:
        lives.append(self)
        start(self, *arguments)

    monkeypatch.setattr(Life, "__init__", remember)
    yield
    for life in lives:
        for sock in life.sockets:
            sock.close()


async def test_reviews_and_operations_have_limits_of_their_own() -> None:
    """The operations port has fewer connections, drops the oldest, and asks nobody for a certificate."""
    life = await Life(Drain(pause=0, finish=0)).ready()
    reviews, operations = life.listeners["reviews"], life.listeners["operations"]
    assert (reviews.limits, reviews.options["application"], reviews.options["callers"]) == (
        Limits(),
        "reviews",
        "callers",
    )
    assert (operations.limits.connections, operations.limits.oldest_leaves) == (OPERATIONS_CONNECTIONS, True)
    assert (operations.options["application"], operations.options["callers"]) == ("operations", None)
    assert (reviews.sock, operations.sock) == life.sockets
    life.worker.end()
    await life.ends()
    assert life.calls == ["start operations", "start reviews", "stop reviews", "stop operations"]
    assert (life.lifecycle.draining, life.lifecycle.stopped) == (True, True)


async def test_with_nothing_under_way_it_ends_after_the_pause(caplog: pytest.LogCaptureFixture) -> None:
    """It waits for no connection that is idle."""
    life = await Life(Drain(pause=0.01, finish=LONG)).ready()
    idle = life.connection("idle")
    life.worker.end()
    await life.ends()
    assert idle.ended
    assert "not finished" not in caplog.text


async def test_in_the_pause_it_listens() -> None:
    """Until kube-apiserver knows that this address goes."""
    life = await Life(Drain(pause=LONG, finish=LONG)).ready()
    life.worker.end()
    await asyncio.sleep(0.05)
    assert life.lifecycle.draining
    assert "stop reviews" not in life.calls
    life.worker.end(at_once=True)
    await life.ends()


@pytest.mark.parametrize("state", ["busy", "closing", "opening", "receiving"])
async def test_what_is_under_way_is_waited_for(state: str, caplog: pytest.LogCaptureFixture) -> None:
    """A review, an answer that is being read, and for a moment a connection that has said nothing yet."""
    life = await Life(Drain(pause=0, finish=LONG)).ready()
    life.connection(state)
    life.worker.end()
    await asyncio.sleep(0.05)
    assert not life.task.done()
    assert "stop reviews" in life.calls
    life.leave(state)
    await life.ends()
    assert "not finished" not in caplog.text


async def test_a_review_that_takes_too_long_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """And said."""
    life = await Life(Drain(pause=0, finish=0.05)).ready()
    review = life.connection("busy")
    life.worker.end()
    await life.ends()
    assert review.ended
    assert "1 reviews were not finished" in caplog.text


async def test_a_connection_that_sends_nothing_is_waited_for_less_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be one that kube-apiserver has just opened, and need not be."""
    monkeypatch.setattr(worker_life, "_FIRST_REQUEST_SECONDS", 0.05)
    life = await Life(Drain(pause=0, finish=LONG)).ready()
    silent = life.connection("receiving")
    life.worker.end()
    await life.ends()
    assert silent.ended


async def test_an_interrupt_waits_for_no_review() -> None:
    """Even while one is waited for."""
    life = await Life(Drain(pause=0, finish=LONG)).ready()
    life.connection("busy")
    life.worker.end()
    await asyncio.sleep(0.05)
    assert not life.task.done()
    life.worker.end(at_once=True)
    await life.ends()


async def test_an_old_tls_does_not_start(caplog: pytest.LogCaptureFixture) -> None:
    """A context that allows what is broken is a mistake of ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    monkey = SimpleNamespace(minimum_version=ssl.TLSVersion.MINIMUM_SUPPORTED)
    life = Life(Drain(pause=0, finish=0), cast("Any", lambda: monkey))
    with pytest.raises(CannotStart):
        await life.task
    assert "the TLS context allows versions before 1.2" in caplog.text
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert life.calls == ["start operations", "stop operations"]


@pytest.mark.parametrize(
    ("error", "more", "level"),
    [
        (ConnectionResetError(), {"transport": 1}, logging.DEBUG),
        (ConnectionResetError(), {}, logging.ERROR),
        (RuntimeError(), {"transport": 1}, logging.ERROR),
        (RuntimeError(), {}, logging.ERROR),
    ],
)
async def test_a_broken_connection_is_for_debugging(
    error: Exception, more: dict[str, Any], level: int, caplog: pytest.LogCaptureFixture
) -> None:
    """All else that no task catches is an error of ours."""
    caplog.set_level(logging.DEBUG)
    worker_life._on_loop_error(asyncio.get_running_loop(), {"message": "it broke", "exception": error, **more})
    assert [(record.getMessage(), record.levelno) for record in caplog.records] == [("it broke", level)]


@pytest.mark.parametrize(
    ("name", "said"), [(("10.0.0.1", 80), "10.0.0.1:80"), (("::1", 8443, 0, 0), "[::1]:8443")], ids=["IPv4", "IPv6"]
)
def test_an_address_is_said_as_it_is_written_in_a_url(name: tuple[Any, ...], said: str) -> None:
    """IPv6 in brackets."""
    assert worker_life._address(cast("Any", SimpleNamespace(getsockname=lambda: name))) == said


@pytest.mark.parametrize("given", [{}, {"limits": Limits(request=7), "drain": Drain(pause=7)}], ids=["usual", "given"])
def test_a_process_has_the_limits_that_are_given(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the usual ones."""
    made: list[Any] = []

    class Gunicorn:
        def __init__(self, *arguments: Any) -> None:
            made.extend(arguments)

        def run(self) -> None:
            made.append("run")

    monkeypatch.setattr(process, "Gunicorn", Gunicorn)
    monkeypatch.setattr(process, "freeze", lambda: None)
    process.run(cast("Any", "parts"), listen="a:1", ops_listen="b:2", **given)
    limits, drain = given.get("limits", Limits()), given.get("drain", Drain())
    assert made == ["parts", ("a:1", "b:2"), limits, drain, "run"]

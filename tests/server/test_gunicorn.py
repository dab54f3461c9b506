"""What we rely on in gunicorn and its C parser, so that an upgrade that moves it fails here by name."""

import asyncio
import os
import socket
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gunicorn_h1c
import pytest
from gunicorn.asgi.lifespan import LifespanManager
from gunicorn.workers.gasgi import ASGIWorker

from webhook.metrics import Metrics
from webhook.server.application import State
from webhook.server.connection import Connection, Terms
from webhook.server.limits import Limits
from webhook.server.listener import Listener
from webhook.server.open_connections import Ledger
from webhook.server.process import Drain, Worker, _Gunicorn


@pytest.mark.parametrize(
    "name", ["_serve", "load_wsgi", "_setup_event_loop", "handle_exit_signal", "handle_quit_signal"]
)
def test_the_worker_overrides_what_gunicorn_calls(name: str) -> None:
    """The same for the worker."""
    assert name in vars(Worker)
    assert name in vars(ASGIWorker)


def test_the_lifespan_manager_is_called_as_ever() -> None:
    """It is no public API either."""
    assert LifespanManager.__init__.__code__.co_varnames[:4] == ("self", "app", "logger", "state")


CHUNKED = b"POST /mutate HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
TINY_CHUNKS = b"1\r\nx\r\n" * 40_000
PARSED = ("method", "path", "http_version", "asgi_headers", "is_chunked", "should_keep_alive")


@pytest.mark.parametrize("name", [*PARSED, "is_complete", "remaining", "remaining_truncated", "reset", "feed"])
def test_the_parser_has_what_we_use(name: str) -> None:
    """It has no public documentation."""
    assert hasattr(gunicorn_h1c.H1CProtocol, name)


@pytest.mark.parametrize("error", [gunicorn_h1c.LimitRequestLine, gunicorn_h1c.LimitRequestHeaders])
def test_whatever_the_parser_raises_is_a_value_error(error: type[Exception]) -> None:
    """Its errors have no base class of their own."""
    assert issubclass(error, ValueError)
    with pytest.raises(ValueError, match="method"):
        gunicorn_h1c.H1CProtocol().feed(b"no method\r\n\r\n")


def tiny_chunks(parser: gunicorn_h1c.H1CProtocol, *, step: int) -> float:
    """Seconds for 240 KB of chunks of one byte, fed in pieces of `step` bytes."""
    parser.feed(CHUNKED)
    start = time.perf_counter()
    for position in range(0, len(TINY_CHUNKS), step):
        parser.feed(TINY_CHUNKS[position : position + step])
    return time.perf_counter() - start


def test_slices_are_still_what_makes_tiny_chunks_cheap() -> None:
    """When this fails, gunicorn_h1c no longer moves its buffer for each chunk, and the slices can go."""
    whole, sliced = (tiny_chunks(gunicorn_h1c.H1CProtocol(), step=step) for step in (len(TINY_CHUNKS), 16 * 1024))
    assert whole > 3 * sliced


async def test_a_connection_takes_tiny_chunks_in_slices(terms: Terms) -> None:
    """A review that comes meanwhile waits for as long as that takes."""

    async def application(*_: object) -> None:
        await asyncio.Event().wait()

    connection = Connection(replace(terms, application=application))
    connection.connection_made(StuckTransport())
    connection.data_received(CHUNKED)
    start = time.perf_counter()
    connection.data_received(TINY_CHUNKS)
    taken = time.perf_counter() - start
    assert taken < tiny_chunks(gunicorn_h1c.H1CProtocol(), step=len(TINY_CHUNKS)) / 2
    connection.connection_lost(None)


class StuckTransport:
    """One whose client does not read, so that closing it waits for ever."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.aborted = asyncio.Event()

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name != "ssl_object" else None

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.aborted.set()


@pytest.fixture
async def terms() -> Terms:
    loop, limits = asyncio.get_running_loop(), Limits(shutdown=0.01)
    return Terms(
        loop=loop,
        application=None,  # type: ignore[arg-type]
        state=State(),
        metrics=Metrics(version="1"),
        limits=limits,
        ledger=Ledger(loop, limits),
    )


async def test_a_connection_that_cannot_close_is_aborted(terms: Terms) -> None:
    """What a client leaves unread when its connection is closed is not kept for it for ever."""
    connection, transport = Connection(terms), StuckTransport()
    connection.connection_made(transport)
    connection.close()
    assert transport.calls == ["close"]
    async with asyncio.timeout(5):
        await transport.aborted.wait()


async def test_the_worker_tells_its_parent_that_it_lives() -> None:
    """gunicorn's parent kills a worker that it has not heard from, and starts another."""
    notified = asyncio.Event()
    worker = SimpleNamespace(notify=notified.set, ppid=os.getppid())
    task = asyncio.create_task(Worker._beat(worker))  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        await notified.wait()
    task.cancel()


def test_gunicorn_is_configured_from_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own variables in a pod's environment change nothing."""
    monkeypatch.setenv("WEB_CONCURRENCY", "7")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--workers 9 --bind 0.0.0.0:1")
    gunicorn = _Gunicorn(lambda: None, ("[::]:9443", "127.0.0.1:8080"), Limits(), Drain(pause=3, finish=5))  # type: ignore[arg-type, return-value]
    cfg = gunicorn.cfg
    assert (cfg.workers, cfg.address) == (1, [("::", 9443), ("127.0.0.1", 8080)])
    assert (cfg.timeout, cfg.graceful_timeout) == (15, 11)
    assert (cfg.asgi_loop, cfg.forwarded_allow_ips) == ("uvloop", [])


async def test_a_connection_is_accepted_with_a_small_buffer(terms: Terms) -> None:
    """It is inherited from the listening socket, and bounds what the kernel and uvloop hold for a client."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        listener = Listener(
            sock,
            loop=terms.loop,
            application=terms.application,
            state=terms.state,
            metrics=terms.metrics,
            limits=terms.limits,
            context=None,
        )
        listener.start()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 2 * 32 * 1024
        listener.stop()

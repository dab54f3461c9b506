"""What we rely on in gunicorn and its C parser, so that an upgrade that moves it fails here by name."""

import asyncio
import os
import socket
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.asgi.lifespan import LifespanManager
from gunicorn.workers.gasgi import ASGIWorker

from webhook.metrics import Metrics
from webhook.server.connection import Connection, Shared
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Limits
from webhook.server.listener import Listener
from webhook.server.open_connections import OpenConnections
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


async def test_a_connection_takes_tiny_chunks_in_slices(shared: Shared) -> None:
    """A review that comes meanwhile waits for as long as that takes."""

    async def application(*_: object) -> None:
        await asyncio.Event().wait()

    connection = Connection(replace(shared, application=application))
    connection.connection_made(StuckTransport())
    connection.data_received(CHUNKED)
    start = time.perf_counter()
    connection.data_received(TINY_CHUNKS)
    taken = time.perf_counter() - start
    assert taken < 0.2
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
async def shared() -> Shared:
    loop, limits = asyncio.get_running_loop(), Limits(shutdown=0.01)
    return Shared(
        loop=loop,
        application=None,  # type: ignore[arg-type]
        lifecycle=Lifecycle(),
        metrics=Metrics(version="1"),
        limits=limits,
        connections=OpenConnections(loop, limits),
    )


async def test_a_connection_that_cannot_close_is_aborted(shared: Shared) -> None:
    """What a client leaves unread when its connection is closed is not kept for it for ever."""
    connection, transport = Connection(shared), StuckTransport()
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


async def test_a_connection_is_accepted_with_a_small_buffer(shared: Shared) -> None:
    """It is inherited from the listening socket, and bounds what the kernel and uvloop hold for a client."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        listener = Listener(
            sock,
            loop=shared.loop,
            application=shared.application,
            lifecycle=shared.lifecycle,
            metrics=shared.metrics,
            limits=shared.limits,
            context=None,
        )
        listener.start()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 2 * 32 * 1024
        listener.stop()

"""How connections are accepted."""

from __future__ import annotations

import errno
import logging
import socket
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.server.connection_case import settle
from tests.server.fake_loop import FakeLoop
from webhook.server.limits import Limits
from webhook.server.listener import Listener
from webhook.server.shared import Shared


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


class Socket:
    """Accepts what it is given: a connection, or an error to raise. options: what was set."""

    def __init__(self, *given: Socket | OSError) -> None:
        self.given = list(given)
        self.options: dict[int, int] = {}
        self.closed = False
        self.blocking = True

    def fileno(self) -> int:
        return 7

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self.options[option] = value

    def setblocking(self, blocking: bool) -> None:
        self.blocking = blocking

    def close(self) -> None:
        self.closed = True

    def accept(self) -> tuple[Socket, None]:
        given = self.given.pop(0) if self.given else BlockingIOError()
        if isinstance(given, OSError):
            raise given
        return given, None


class Loop(FakeLoop):
    """One that opens connections as it is told. handshakes: what was asked of it for each."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: dict[int, Any] = {}
        self.handshakes: list[dict[str, Any]] = []
        self.fails: OSError | None = None

    def add_reader(self, number: int, call: Any) -> None:
        self.readers[number] = call

    def remove_reader(self, number: int) -> None:
        self.readers.pop(number, None)

    async def connect_accepted_socket(self, factory: Any, sock: Any, **options: Any) -> None:
        self.handshakes.append(options)
        if self.fails is not None:
            raise self.fails
        factory().transport = "open"


class Place:
    """A listener that has started on a socket."""

    def __init__(self, shared: Shared, *given: Socket | OSError, context: Any = None, **limits: Any) -> None:
        self.loop = cast("Any", Loop())
        self.sock = cast("Any", Socket(*given))
        self.metrics = shared.metrics
        shared = replace(shared, limits=Limits(handshake=3, shutdown=4, **limits))
        self.listener = Listener(
            self.sock,
            loop=self.loop,
            application=shared.application,
            lifecycle=shared.lifecycle,
            metrics=shared.metrics,
            limits=shared.limits,
            context=context,
        )
        self.listener.start()

    async def accept(self) -> None:
        """The loop says that the socket can be read."""
        self.loop.readers[7]()
        await settle()

    def refused(self, cause: str) -> float | None:
        return self.metrics.registry.get_sample_value("m365wi_connections_refused_total", {"cause": cause})


async def test_its_buffers_are_small(shared: Shared) -> None:
    """16 and 32 KiB, which connections inherit."""
    assert Place(shared).sock.options == {socket.SO_RCVBUF: 16384, socket.SO_SNDBUF: 32768}


async def test_eight_connections_are_accepted_at_once(shared: Shared) -> None:
    """Then what they have sent is read. Each is open and does not block."""
    socks = [Socket() for _ in range(10)]
    place = Place(shared, *socks)
    await place.accept()
    assert [sock.blocking for sock in socks] == [False] * 8 + [True] * 2
    assert len(place.listener.connections.opening.since) == 8
    assert place.loop.handshakes == [{"ssl": None}] * 8
    assert not any(sock.closed for sock in socks)


async def test_a_handshake_has_limits(shared: Shared) -> None:
    """asyncio allows them only with TLS."""
    place = Place(shared, Socket(), context="tls")
    await place.accept()
    assert place.loop.handshakes == [{"ssl": "tls", "ssl_handshake_timeout": 3, "ssl_shutdown_timeout": 4}]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (TimeoutError(), "handshake-timeout"),
        (ConnectionAbortedError(), "handshake-timeout"),
        (ConnectionResetError(), "handshake"),
    ],
)
async def test_a_failed_handshake_is_counted_and_its_socket_closed(shared: Shared, error: OSError, cause: str) -> None:
    """It takes no place any more."""
    sock = Socket()
    place = Place(shared, sock)
    place.loop.fails = error
    await place.accept()
    assert (place.refused(cause), sock.closed, len(place.listener.connections.opening.since)) == (1, True, 0)


async def test_a_connection_without_room_is_closed_and_counted(shared: Shared) -> None:
    """The next one is looked at all the same."""
    socks = [Socket(), Socket()]
    place = Place(shared, *socks, connections=0)
    await place.accept()
    assert ([sock.closed for sock in socks], place.refused("connections"), place.loop.handshakes) == ([True] * 2, 2, [])


async def test_a_client_that_resets_before_it_is_accepted_is_skipped(shared: Shared) -> None:
    """The next one is accepted."""
    place = Place(shared, ConnectionAbortedError(), Socket())
    await place.accept()
    assert len(place.loop.handshakes) == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_without_files_or_memory_it_pauses(shared: Shared, number: int, caplog: pytest.LogCaptureFixture) -> None:
    """For a tenth of a second, with a warning: the socket stays readable."""
    place = Place(shared, OSError(number, "too much"), Socket())
    with caplog.at_level(logging.WARNING, "webhook"):
        await place.accept()
    assert (place.loop.readers, place.loop.waiting) == ({}, [100.1])
    assert caplog.messages == ["connections cannot be accepted at the moment: too much"]
    place.loop.move(0.1)
    await place.accept()
    assert len(place.loop.handshakes) == 1


async def test_any_other_error_is_not_hidden(shared: Shared) -> None:
    """It is a bug."""
    place = Place(shared, OSError(errno.EBADF, "bad"))
    with pytest.raises(OSError, match="bad"):
        await place.accept()


@pytest.mark.parametrize("pauses", [False, True])
async def test_it_stops(shared: Shared, pauses: bool) -> None:
    """Also while it pauses: then it does not begin again."""
    place = Place(shared, *([OSError(errno.EMFILE, "too much")] if pauses else []))
    await place.accept()
    place.listener.stop()
    assert (place.loop.readers, place.loop.waiting, place.sock.closed) == ({}, [], True)

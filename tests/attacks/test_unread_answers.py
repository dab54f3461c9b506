"""Clients that do not read their answers, or read them slowly: what the kernel and the server keep for them."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.client import Client, post
from tests.server.conftest import Server

pytestmark = pytest.mark.slow

KIB = 1024


class SlowReader(Client):
    """A client whose kernel takes only a few kilobytes for it."""

    def __init__(self, server: Server) -> None:
        self.buffer = b""
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(10)
        plain.connect(("127.0.0.1", server.port))
        self.socket = server.context().wrap_socket(plain)


@contextlib.contextmanager
def unread(server: Server, count: int, size: int) -> Iterator[list[SlowReader]]:
    """So many connections that have asked for an answer of `size` bytes and do not read it."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(SlowReader(server)) for _ in range(count)]
        for client in clients:
            client.send(post({"answer": size}))
        yield clients


def queued(port: int) -> int:
    """Bytes that the kernel keeps for clients of `port`: sent, and not acknowledged."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].partition(":")[0], 16) for row in rows if int(row[1].partition(":")[2], 16) == port)


def test_the_kernel_keeps_little_for_clients_that_do_not_read(serve: Callable[..., Server]) -> None:
    """About 64 KiB for each, since the kernel lets the last piece exceed that; its own limit is 4 MB."""
    server = serve().ready()
    count = 100
    with unread(server, count, 200 * KIB):
        server.wait_until(lambda: queued(server.port) > count * 8 * KIB)
        worst, until = 0, time.monotonic() + 1
        while time.monotonic() < until:
            worst = max(worst, queued(server.port))
        assert worst <= count * 80 * KIB
        assert server.ask().status == 200


def resident(server: Server) -> int:
    """Bytes of memory that the worker holds."""
    return int(Path(f"/proc/{server.worker}/statm").read_text().split()[1]) * 4096


def test_a_client_that_reads_a_little_now_and_then_is_cut_off(serve: Callable[..., Server]) -> None:
    """The limit is one for the whole answer: reading does not start it again."""
    server = serve(limits={"request": 1}).ready()
    with SlowReader(server) as client:
        client.send(post({"answer": 4096 * KIB}))
        start, read = time.monotonic(), 0
        with contextlib.suppress(OSError):
            while piece := client.socket.recv(16 * KIB):
                read += len(piece)
                if read > 200 * KIB:
                    time.sleep(0.1)
                assert time.monotonic() - start < 20, "to read all of it would take 25 s"
    assert server.refused("timeout") == 1
    assert read < 2048 * KIB


def test_a_client_that_reads_steadily_gets_the_whole_answer(serve: Callable[..., Server]) -> None:
    """A large answer may take longer than the limit, if it is read at 1 MiB/s; here, at ten on an idle machine."""
    server, size = serve(limits={"request": 0.5}).ready(), 12 * 1024 * KIB
    with SlowReader(server) as client:
        client.send(post({"answer": size}))
        read = 0
        while read < size:
            read += len(client.socket.recv(64 * KIB))
            time.sleep(0.001)
    assert server.refused("timeout") == 0


def test_answers_in_memory_are_bounded(serve: Callable[..., Server]) -> None:
    """What is more than 24 MiB together is refused before it is written, and a usual client notices nothing."""
    server = serve().ready()
    assert server.ask().status == 200
    before = resident(server)
    with unread(server, 40, 4096 * KIB):
        server.wait_until(lambda: server.refused("memory") == 34)
        assert resident(server) - before < 100 * KIB * KIB
        for _ in range(20):
            assert server.ask().status == 200
    server.wait_until(lambda: server.ask({"answer": 4096 * KIB}).status == 200)


def test_small_answers_that_are_not_read_do_not_pile_up(serve: Callable[..., Server]) -> None:
    """The next request waits until its client has read: ten thousand answers of 8 KiB are not kept."""
    server = serve().ready()
    before = resident(server)
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            client = stack.enter_context(SlowReader(server))
            client.socket.settimeout(0.5)
            with contextlib.suppress(OSError):
                for _ in range(1000):
                    client.send(post({"answer": 8 * KIB}))
                    time.sleep(0.0005)  # requests that are sent at once are cut off by another limit
        assert resident(server) - before < 20 * KIB * KIB
        assert server.ask().status == 200

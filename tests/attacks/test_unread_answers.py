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
    """No more than 64 KiB for each; the kernel's own limit is 4 MB."""
    server = serve().ready()
    count = 100
    with unread(server, count, 4096 * KIB):
        server.wait_until(lambda: queued(server.port) > count * 8 * KIB)
        worst, until = 0, time.monotonic() + 1
        while time.monotonic() < until:
            worst = max(worst, queued(server.port))
        assert worst <= count * 64 * KIB
        assert server.ask().status == 200

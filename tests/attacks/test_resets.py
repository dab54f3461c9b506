"""Connections that are reset before the server has looked at them: nothing in the log, and nothing leaks."""

import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.conftest import Server

pytestmark = pytest.mark.slow

RESETS = 200


def files(server: Server) -> int:
    """How many files the worker has open."""
    return len(list(Path(f"/proc/{server.worker}/fd").iterdir()))


@pytest.mark.parametrize("port", ["port", "ops_port"])
@pytest.mark.parametrize("data", [b"", b"\x16\x03\x01", b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"])
def test_connections_that_are_reset_at_once_leave_nothing(serve: Callable[..., Server], port: str, data: bytes) -> None:
    """On both ports, whatever was sent before the reset."""
    server = serve(level="info").ready()
    assert server.ask().status == 200
    before, lines = files(server), len(server.lines)
    for _ in range(RESETS):
        client = socket.create_connection(("127.0.0.1", getattr(server, port)))
        client.send(data)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    server.wait_until(lambda: files(server) <= before)
    assert server.ask().status == 200
    assert [line for line in server.lines[lines:] if line["message"] != "review"] == []

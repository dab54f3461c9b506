"""What the two servers of `serve` have in common: one request a connection, read strictly and within limits."""

import io
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Final

from m365_identity._commands.request_head import MalformedError, parse

__all__ = ["Handler"]

_EMPTY: Final = (b"\r\n", b"\n")  # a line that ends the head; only the first is well-formed


class Handler(BaseHTTPRequestHandler, ABC):
    """Reads one request whose head is well-formed, and closes the connection. `do_GET` answers it, with `send`.

    most_bytes: of a request. seconds: within which it must arrive, and each part of the answer be taken.
    """

    most_bytes: ClassVar[int]
    seconds: ClassVar[float]

    raw_requestline: bytes
    protocol_version = "HTTP/1.1"
    server_version = "m365-identity"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_Input(self.connection, self.most_bytes, self.seconds))

    def parse_request(self) -> bool:
        """Reads the head to its end. If it is malformed, `malformed` answers, and nothing else is said about it."""
        self.command, self.requestline, self.request_version = "", "", self.protocol_version
        lines = [self.raw_requestline]
        while lines[-1] not in _EMPTY:
            lines.append(self.rfile.readline())
        try:
            if lines.pop() != _EMPTY[0]:
                raise MalformedError("the line that ends the head is not CR LF")
            self.command, self.path, self.headers = parse(lines)
        except MalformedError as error:
            self.malformed(error)
            return False
        return True

    @abstractmethod
    def malformed(self, error: MalformedError) -> None:
        """Answers a request whose head is malformed."""

    def send(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Answers, and ends the connection."""
        self.close_connection = True
        self.send_response(status)
        for name, value in {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Connection": "close",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name in the base class
        """Nothing: who has a log writes its own lines."""


class _Input(io.RawIOBase):
    """What a client sends, up to a size and until a time. If that ends before the request does, it raises OSError.

    http.server would take the end of input for the end of the headers, and a missing header can be the one for which
    the request is refused.
    """

    def __init__(self, connection: socket.socket, most_bytes: int, seconds: float) -> None:
        self._connection = connection
        self._left = most_bytes
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(memoryview(buffer)[: self._left]) if self._left else 0
        self._connection.settimeout(self._seconds)
        if not count:
            raise ConnectionAbortedError
        self._left -= count
        return count

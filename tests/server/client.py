"""A client that says exactly what a test wants, down to the byte, over real TLS."""

from __future__ import annotations

import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Response:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        return self.headers.get("connection") == "close"

    def json(self) -> Any:
        return json.loads(self.body)


def post(body: bytes | dict[str, Any] = b"{}", *, path: str = "/mutate?timeout=5s", **headers: str) -> bytes:
    """A POST as kube-apiserver sends it; a header is named with underscores, and left out when its value is empty."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"host": "webhook", "content_type": "application/json", "content_length": str(len(content))} | headers
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items() if value]
    return f"POST {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode() + content


class Client:
    """One connection."""

    def __init__(self, port: int, context: ssl.SSLContext | None, *, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), timeout=30)
        if context is not None:
            # No server_hostname: kube-apiserver's dialer always has one, but a server must not depend on it.
            self.socket = context.wrap_socket(self.socket)
        self.buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, body: bytes | dict[str, Any] = b"{}", **options: str) -> Response:
        self.send(post(body, **options))
        return self.response()

    def get(self, path: str, **headers: str) -> Response:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.send(f"GET {path} HTTP/1.1\r\nhost: webhook\r\n{lines}\r\n".encode())
        return self.response()

    def response(self) -> Response:
        """The next response. Raises ConnectionError if the connection ends first."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        body = self._exactly(int(headers.get("content-length", "0")))
        return Response(int(first.split()[1]), headers, body)

    def ended(self) -> bool:
        """Whether the server ends the connection without another byte, within the socket's time limit."""
        try:
            return self.buffer == b"" and self.socket.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def _until(self, end: bytes) -> bytes:
        while end not in self.buffer:
            self._more()
        found, self.buffer = self.buffer.split(end, 1)
        return found

    def _exactly(self, length: int) -> bytes:
        while len(self.buffer) < length:
            self._more()
        found, self.buffer = self.buffer[:length], self.buffer[length:]
        return found

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError(f"the server ended the connection after {self.buffer!r}")
        self.buffer += data

"""The second server of `serve`: the metrics of signing in, at /metrics, for Prometheus, on every address of the pod.

Strangers can reach it, so it gives nothing but counts and times, and has no way to a token: that has a server of its
own, on loopback. A stranger cannot make it cost much: a request must arrive within 5 s and have at most 4 KiB; 16 are
served at a time, and a further one ends the oldest; 50 connections are taken in a second, and more wait.
"""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from m365_identity._commands.bounded_requests import Handler
from m365_identity._commands.request_head import MalformedError

__all__ = ["PATH", "MetricsPort"]

PATH: Final = "/metrics"

_MOST_CONNECTIONS: Final = 16  # each has a thread; Prometheus has one
_PACE: Final = 0.02  # seconds from one connection to the next: the processor is for the tokens
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class MetricsPort(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Answers GET /metrics with what `exposition` returns. Raises OSError if the port cannot be used.

    checks: further paths, which answer 200 or 503.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(
        self, *, port: int, exposition: Callable[[], bytes], checks: Mapping[str, Callable[[], bool]] = {}
    ) -> None:
        self.exposition = exposition
        self.checks = checks
        self._changes = threading.Lock()
        self._open: list[socket.socket] = []  # the oldest first
        self._free = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._next = 0.0
        super().__init__(("", port), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = _listening(port, self.request_queue_size)
        self.server_address = self.socket.getsockname()[:2]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Makes room for the connection, in its time."""
        now = time.monotonic()
        time.sleep(max(0.0, self._next - now))
        self._next = max(now, self._next) + _PACE
        if not self._free.acquire(blocking=False):
            self._end_the_oldest()
            self._free.acquire()
        with self._changes:
            self._open.append(request)
        try:
            super().process_request(request, client_address)
        except BaseException:  # the thread could not be started
            self._forget(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serves one request, and lets the next one in."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(request)

    def shutdown_request(self, request: Any) -> None:
        """Closes a connection, unless `_end_the_oldest` uses it just now."""
        with self._changes:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: the client has disconnected, was too slow, or was the oldest."""

    def _end_the_oldest(self) -> None:
        """Its thread sees the end of its connection, and ends."""
        with self._changes, contextlib.suppress(OSError):
            if self._open:
                self._open[0].shutdown(socket.SHUT_RDWR)

    def _forget(self, request: socket.socket) -> None:
        with self._changes:
            self._open.remove(request)
        self._free.release()


class _Handler(Handler):
    server: MetricsPort
    most_bytes = 4 * 1024  # Prometheus sends a few hundred
    seconds = 5.0

    def malformed(self, error: MalformedError) -> None:
        self._say(HTTPStatus.BAD_REQUEST)

    def do_GET(self) -> None:  # noqa: N802  # its name in the base class
        path = self.path.partition("?")[0]
        check = self.server.checks.get(path)
        if path == PATH:
            self.send(HTTPStatus.OK, _TEXT, self.server.exposition())
        elif check is not None:
            self._say(HTTPStatus.OK if check() else HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self._say(HTTPStatus.NOT_FOUND)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answers a request that is not GET, not HTTP or too long."""
        is_method = code == HTTPStatus.NOT_IMPLEMENTED
        self._say(HTTPStatus.METHOD_NOT_ALLOWED if is_method else HTTPStatus(code))

    def _say(self, status: HTTPStatus) -> None:
        self.send(status, _TEXT, f"{status.phrase}\n".encode())


def _listening(port: int, backlog: int) -> socket.socket:
    """On all addresses of IPv6 and IPv4, or of IPv4 only if the pod does not have the other."""
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True)
    return socket.create_server(("", port), backlog=backlog)

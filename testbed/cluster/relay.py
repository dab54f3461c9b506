"""A relay between the webhook and its API server, where a test can answer, cut off, hold up or count each request."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

from testbed.cluster import kubeconfig
from testbed.cluster.api import Api
from testbed.cluster.kubeconfig import Access

__all__ = ["Answer", "Cut", "Hook", "Moment", "relay"]

Moment = Literal["before", "after"]
Cut = Callable[[Moment, int], bool]
"""Called before the request is passed on (status 0), and again before its answer goes back; True cuts it off there."""


@dataclass(frozen=True)
class Answer:
    """An answer that the relay gives itself."""

    status: int
    body: bytes


Hook = Callable[[str, str, bytes], Cut | Answer | None]
"""Called with the method, path and body of each request; decides what happens. None: the relay passes it on."""

PASSED_ON = ("Authorization", "Content-Type", "Accept")
PASSED_BACK = ("Content-Type", "Date")
BROKEN = (OSError, http.client.HTTPException)


@contextmanager
def relay(through: Path, folder: Path, hook: Hook) -> Iterator[Path]:
    """Gives a kubeconfig that leads to the API server of the kubeconfig `through` by way of `hook`."""
    with Server(("127.0.0.1", 0), through, hook) as server:
        token = kubeconfig.read(through).token
        path = folder / f"relay-{server.server_port}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(kubeconfig.render(Access(f"http://127.0.0.1:{server.server_port}", None, token=token)))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield path
        finally:
            server.shutdown()
            thread.join()
            server.hang_up()


class Handler(BaseHTTPRequestHandler):
    """One connection of the webhook to the relay; it has a connection of its own to the API server."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    server: Server

    def setup(self) -> None:
        """Connects to the API server."""
        super().setup()
        self.api = Api.from_kubeconfig(self.server.through)

    def finish(self) -> None:
        """Ends that connection."""
        self.api.close()
        super().finish()

    def do_GET(self) -> None:
        """Does with one request, of any method, what the hook decides."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: self.headers[name] for name in PASSED_ON if self.headers[name]}
        decision = self.server.hook(self.command, self.path, body)
        self.close_connection = True
        with contextlib.suppress(*BROKEN):
            if isinstance(decision, Answer):
                self._answer(decision.status, decision.body, {"Content-Type": "application/json"})
                return
            if decision and decision("before", 0):
                return
            answer = self.api.request(self.command, self.path, body or None, headers=headers)
            if decision and decision("after", answer.status):
                return
            self._answer(answer.status, answer.body, answer.headers)

    do_POST = do_PUT = do_PATCH = do_GET

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | HTTPMessage) -> None:
        self.send_response_only(status)
        for name in PASSED_BACK:
            if value := headers.get(name):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = False

    def log_message(self, *_: Any) -> None:
        """Logs nothing."""


class Server(ThreadingHTTPServer):
    """A server whose clients may be killed, and that can hang up on them. Closing it waits for its threads."""

    daemon_threads = False

    def __init__(self, address: tuple[str, int], through: Path, hook: Hook) -> None:
        self.through, self.hook = through, hook
        self._open: set[socket.socket] = set()
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Notes the connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        """Forgets the connection."""
        self._open.discard(request)
        super().close_request(request)

    def hang_up(self) -> None:
        """Ends every connection."""
        for each in tuple(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: Any) -> None:
        """Ignores that a client has gone: tests kill clients on purpose."""

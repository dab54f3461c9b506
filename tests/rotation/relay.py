"""A relay between one replica and its API server, where a test can cut off a request before or after it is done."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

from tests.cluster import kubeconfig
from tests.cluster.api import Api
from tests.cluster.kubeconfig import Access

__all__ = ["Cut", "Hook", "Moment", "relay"]

Moment = Literal["before", "after"]
Cut = Callable[[Moment, int], bool]
"""Asked before the request is passed on (status 0) and when it was answered, but not to the replica: ends it there?"""
Hook = Callable[[str, str, bytes], Cut | None]
"""Told of the method, path and body of each request."""

PASSED_ON = ("Authorization", "Content-Type", "Accept")
BROKEN = (OSError, http.client.HTTPException)


@contextmanager
def relay(through: Path, folder: Path, hook: Hook) -> Iterator[Path]:
    """A kubeconfig that leads to the API server of the kubeconfig `through` by way of `hook`."""
    access = kubeconfig.read(through)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def setup(self) -> None:
            super().setup()
            self.api = Api.from_kubeconfig(through)

        def finish(self) -> None:
            self.api.close()
            super().finish()

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: self.headers[name] for name in PASSED_ON if self.headers[name]}
            cut = hook(self.command, self.path, body) or no_cut
            self.close_connection = True
            if cut("before", 0):
                return
            try:
                answer = self.api.request(self.command, self.path, body or None, headers=headers)
                if cut("after", answer.status):
                    return
                self.send_response_only(answer.status)
                for name in ("Content-Type", "Date"):
                    if answer.headers[name]:
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
                self.close_connection = False
            except BROKEN:
                return

        do_POST = do_PUT = do_PATCH = do_GET

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with Server(("127.0.0.1", 0), Handler) as server:
        path = folder / f"relay-{server.server_port}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(kubeconfig.render(Access(f"http://127.0.0.1:{server.server_port}", None, token=access.token)))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield path
        finally:
            server.shutdown()
            thread.join()
            server.hang_up()


class Server(ThreadingHTTPServer):
    """One whose clients may be killed, and that can hang up on them; closing it waits for its threads."""

    daemon_threads = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Notes the connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        """Forgets it."""
        self._open.discard(request)
        super().close_request(request)

    def hang_up(self) -> None:
        """Ends every connection."""
        for each in tuple(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: Any) -> None:
        """A client that is gone is what the test is about."""


def no_cut(_moment: Moment, _status: int) -> bool:
    """Lets everything pass."""
    return False

"""The HTTP server of `serve`: on 127.0.0.1 only, one request a connection, a thread for each.

A request must arrive within 10 s and have at most 16 KiB, else its connection is closed. 64 requests are served at a
time; further ones wait. A head that is not well-formed is answered with 400 (`request_head`).
"""

import json
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from azure.core.credentials import AccessToken

from m365_identity._commands.bounded_requests import Handler
from m365_identity._commands.managed_identity import RefusedError, granted, refusal, wanted
from m365_identity._commands.request_head import MalformedError
from m365_identity._failures import plain
from m365_identity._text import one_line
from m365_identity.errors import M365IdentityError

__all__ = ["ADDRESS", "HEALTH", "Endpoint"]

ADDRESS: Final = "127.0.0.1"
HEALTH: Final = "/healthz"

_MOST_CONNECTIONS: Final = 64  # each has a thread; more clients than a pod has


class Endpoint(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Gives tokens under `path` to clients that know `header`, and answers 200 under HEALTH to every client.

    get_token: the token for a scope; may raise M365IdentityError. log: gets a line for each request but those for
    health, never with a token in it. for_terraform: whether its provider asks here. Raises OSError if the port
    cannot be used.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        *,
        port: int,
        path: str,
        header: str,
        client_id: str,
        get_token: Callable[[str], AccessToken],
        log: Callable[[str], object],
        for_terraform: bool = False,
    ) -> None:
        self.path = path.rstrip("/")
        self.header = header
        self.client_id = client_id
        self.get_token = get_token
        self.log = log
        self.for_terraform = for_terraform
        self._free = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__((ADDRESS, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Waits until fewer than 64 requests are served."""
        self._free.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:  # the thread could not be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serves one request, and lets the next one in."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: the client has disconnected. `_Handler` answers every other error."""


class _Handler(Handler):
    server: Endpoint
    most_bytes = 16 * 1024  # clients send a few hundred
    seconds = 10.0  # over loopback

    def malformed(self, error: MalformedError) -> None:
        self._refuse(RefusedError(HTTPStatus.BAD_REQUEST, str(error)))

    def do_GET(self) -> None:  # noqa: N802  # its name in the base class
        path, _, query = self.path.partition("?")
        if path == HEALTH:
            self._send(HTTPStatus.OK, {"status": "ok"})
        elif path.rstrip("/") == self.server.path:
            self._give_token(query)
        else:
            self._refuse(RefusedError(HTTPStatus.NOT_FOUND, f"tokens are at {self.server.path or '/'}"))

    def _give_token(self, query: str) -> None:
        began, resource, reason = time.monotonic(), "-", ""
        answer: Mapping[str, object] | RefusedError
        try:
            asked = wanted(query, self.headers, header=self.server.header, client_id=self.server.client_id)
            resource = plain(asked.resource)
            token = self.server.get_token(asked.scope)
            answer = granted(asked, token=token.token, expires_on=token.expires_on, client_id=self.server.client_id)
        except RefusedError as error:
            answer, reason = error, str(error)
        except M365IdentityError as error:
            answer, reason = refusal(error, for_terraform=self.server.for_terraform), error.summary
            if error.advice:
                reason += f"; fix: {error.advice.fix}"
        except Exception as error:  # noqa: BLE001  # the client needs an answer, and the text may hold anything
            reason = f"{type(error).__name__} in the endpoint"
            answer = RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, reason)
        status = answer.status if isinstance(answer, RefusedError) else HTTPStatus.OK
        ending = f": {one_line(reason)}" if reason else ""
        self.server.log(f"{status:d} {resource} {(time.monotonic() - began) * 1000:.0f} ms{ending}")
        if isinstance(answer, RefusedError):
            self._refuse(answer)
        else:
            self._send(status, answer)

    def _refuse(self, error: RefusedError) -> None:
        self._send(error.status, error.document, error.headers)

    def _send(self, status: int, document: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
        self.send(status, "application/json", json.dumps(document).encode(), headers)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """An error in the form of the protocol, for a request that is not HTTP, too long, or not GET."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            refused = RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "only GET", {"Allow": "GET"})
        else:
            status = HTTPStatus(code)
            refused = RefusedError(status, status.phrase)
        self._refuse(refused)

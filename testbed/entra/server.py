"""One TLS server of the emulator: HTTP/1.1 with keep-alive, faults on demand, and a log of requests.

A `Service` makes the answers; the server knows nothing of Entra. A body needs a Content-Length of at most 1 MiB (else
411 or 413).
"""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import struct
import uuid
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from testbed.entra.connections import Acceptor
from testbed.entra.faults import Fault, Faults, Site
from testbed.entra.messages import Asked, Log, Note, Request, Response

__all__ = ["Server", "Service", "correlation_id"]

LARGEST_BODY = 1 << 20
HANDSHAKE_SECONDS = 10.0


class Service(Protocol):
    """What a server serves."""

    def answer(self, request: Request, note: Note) -> Response:
        """The true answer."""

    def fail(self, request: Request, note: Note, fault: Fault) -> Response:
        """The answer that `fault` asks for by its status and code."""


def correlation_id(request: Request) -> str:
    """The correlation id of a request: the client's own if it is a GUID, else a new one."""
    with contextlib.suppress(ValueError):
        return str(uuid.UUID(request.headers.get("client-request-id", "")))
    return str(uuid.uuid4())


class Server:
    """Serves `service` as `site` until `stop`. `others` has the services of other hosts, by name.

    `date` gives the time for the Date header.
    """

    def __init__(
        self,
        service: Service,
        *,
        site: Site,
        context: ssl.SSLContext,
        faults: Faults,
        log: Log,
        date: Callable[[], float],
        host: str,
        port: int,
        others: Mapping[str, tuple[Site, Service]] | None = None,
    ) -> None:
        self.service = service
        self.site = site
        self.faults = faults
        self.log = log
        self.date = date
        self._others = dict(others or {})
        self._context = context
        self.connections = Acceptor(self._serve, host=host, port=port, name=site)

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self.connections.port)

    def at(self, host: str) -> tuple[Site, Service]:
        """The site and the service for requests to `host`, which may have a port."""
        return self._others.get(host.partition(":")[0].lower(), (self.site, self.service))

    def stop(self) -> None:
        """Ends every connection. Faults that hold requests must be released before."""
        self.connections.stop()

    def _serve(self, connection: socket.socket, number: int) -> None:
        if fault := self.faults.take(self.site, "", handshake=True):
            fault.wait()
            return
        connection.settimeout(HANDSHAKE_SECONDS)
        tls = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self.connections.untrack(connection)
        self.connections.track(tls)
        try:
            tls.do_handshake()
            tls.settimeout(None)
            _Handler(self, tls, number)
        finally:
            self.connections.untrack(tls)
            tls.close()


class _Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, has them answered, and sends the part of the answer that a fault leaves."""

    protocol_version = "HTTP/1.1"

    def __init__(self, server: Server, connection: ssl.SSLSocket, number: int) -> None:
        self._owner = server
        self._site: Site = server.site
        self._number = number
        super().__init__(connection, ("", 0), server)  # type: ignore[arg-type]

    def handle_any(self) -> None:
        """Answers one request, of any method."""
        request = self._request()
        if request is None:
            return
        faults, note = self._owner.faults, Note()
        self._site, service = self._owner.at(request.host)
        fault = faults.take(self._site, request.path, method=request.method)
        if fault is None:
            self._send(request, note, service.answer(request, note), None)
            return
        fault.wait()
        if fault.is_hanging or fault.cut in ("answer", "reset"):
            self._cut(request, note, is_reset=fault.cut == "reset")
            return
        response = service.fail(request, note, fault) if fault.replaces_answer else service.answer(request, note)
        self._send(request, note, _alter(response, fault, faults), fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any

    def _request(self) -> Request | None:
        """The request with its body; None if it cannot be read, after an answer that says so."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isascii() or not length.isdigit():
            self.close_connection = True
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return None
        if int(length) > LARGEST_BODY:
            self.close_connection = True
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # the client has gone
            self.close_connection = True
            return None
        url = urlsplit(self.path)
        return Request(
            method=self.command,
            path=url.path,
            query=dict(parse_qsl(url.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )

    def _send(self, request: Request, note: Note, response: Response, fault: Fault | None) -> None:
        cut = fault.cut if fault else None
        head = self._head(response)
        body = b"" if request.method == "HEAD" else response.body
        self._note(request, note, 0 if cut else response.status)
        if cut == "headers":
            self.wfile.write(head[: head.index(b"\r\n") + 8])
        elif cut == "body":
            self.wfile.write(head + body[: len(body) // 2])
        else:
            self.wfile.write(head + body)
        if cut:
            self.close_connection = True

    def _head(self, response: Response) -> bytes:
        try:
            reason = HTTPStatus(response.status).phrase
        except ValueError:
            reason = "Unknown"
        headers = {
            "Date": formatdate(self._owner.date(), usegmt=True),
            "Content-Length": str(len(response.body)),
            **response.headers,
        }
        if self.close_connection:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {response.status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _cut(self, request: Request, note: Note, *, is_reset: bool) -> None:
        """Ends the connection without a byte; with RST, as the system of a crashed server does, if `is_reset`."""
        self._note(request, note, 0)
        self.close_connection = True
        if is_reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _note(self, request: Request, note: Note, status: int) -> None:
        self._owner.log.add(
            Asked(
                on=self._site,
                method=request.method,
                path=request.path,
                status=status,
                code=note.code,
                tenant=note.tenant,
                client_id=note.client_id,
                scope=note.scope,
                claims=note.claims,
                is_cae=note.is_cae,
                correlation_id=request.headers.get("client-request-id", ""),
                is_bearer=request.headers.get("authorization", "").startswith("Bearer "),
                is_basic=request.headers.get("authorization", "").startswith("Basic "),
                user_agent=request.headers.get("user-agent", ""),
                connection=self._number,
            )
        )

    def version_string(self) -> str:
        """The Server header."""
        return "testbed.entra"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Prints nothing: the log has the requests."""


def _alter(response: Response, fault: Fault, faults: Faults) -> Response:
    """The response with the body and the headers of `fault`."""
    headers = dict(response.headers)
    retry_after = fault.retry_after
    if retry_after is None and fault.replaces_answer and math.isfinite(fault.ends_at):
        retry_after = max(1, round(faults.seconds_left(fault)))
    if retry_after is not None:
        headers["Retry-After"] = f"{retry_after:g}" if isinstance(retry_after, float) else str(retry_after)
    if fault.content_type is not None:
        headers["Content-Type"] = fault.content_type
    headers.update(fault.headers)
    return Response(response.status, response.body if fault.body is None else fault.body, headers)

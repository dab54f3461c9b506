"""A thin REST client of kube-apiserver, which shows the raw answer: status, headers, Warning headers and body.

It retries in one case only: if the server has closed a kept-alive connection, the client opens a new one. Each thread
has its own connection.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import ssl
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from testbed.cluster import kubeconfig
from testbed.cluster.pki import trusting
from testbed.cluster.processes import ClusterError

__all__ = ["Api", "Response"]

STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)
DRY_RUN = {"dryRun": "All"}


@dataclass(frozen=True)
class Response:
    """An answer of the API server."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The texts of the Warning headers, as kubectl prints them."""
        texts = (re.search(r'^\d+ \S+ "((?:[^"\\]|\\.)*)"', header) for header in self.headers.get_all("Warning", []))
        return tuple(re.sub(r"\\(.)", r"\1", found[1]) for found in texts if found)

    @property
    def message(self) -> str:
        """The message of a Status, or else the start of the body."""
        with contextlib.suppress(ValueError, AttributeError):
            if message := self.json.get("message"):
                return str(message)
        return self.body[:500].decode(errors="replace")

    def expect(self, *statuses: int) -> Self:
        """This response. Raises ClusterError if the status is not one of `statuses` (default: 200, 201, 202)."""
        if self.status not in (statuses or (200, 201, 202)):
            raise ClusterError(f"HTTP {self.status}: {self.message}")
        return self


@dataclass
class Api:
    """A client of one API server as one user. `timeout` is in seconds, for each read and write."""

    server: str
    context: ssl.SSLContext
    token: str | None = None
    timeout: float = 30.0
    _local: threading.local = field(default_factory=threading.local, repr=False)
    _opened: list[http.client.HTTPSConnection] = field(default_factory=list, repr=False)

    @classmethod
    def from_kubeconfig(cls, path: Path, *, timeout: float = 30.0) -> Self:
        """The client that the current context of a kubeconfig describes. Raises as `kubeconfig.read` does."""
        access = kubeconfig.read(path)
        authority = access.authority
        context = trusting(authority)
        if access.pair is not None:
            with tempfile.NamedTemporaryFile() as both:  # OpenSSL reads files only
                both.write(access.pair.certificate + b"\n" + access.pair.key)
                both.flush()
                context.load_cert_chain(both.name)
        return cls(access.server, context, token=access.token, timeout=timeout)

    def get(self, path: str, **options: Any) -> Response:
        """GET; `options` are those of `request`."""
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Response:
        """POST; `options` are those of `request`."""
        return self.request("POST", path, body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> Response:
        """PUT; `options` are those of `request`."""
        return self.request("PUT", path, body, **options)

    def patch(self, path: str, body: Any = None, **options: Any) -> Response:
        """PATCH: a JSON Patch if `body` is a list, else a merge patch, unless headers say otherwise."""
        kind = "application/json-patch+json" if isinstance(body, list) else "application/merge-patch+json"
        headers = {"Content-Type": kind} | dict(options.pop("headers", None) or {})
        return self.request("PATCH", path, body, headers=headers, **options)

    def delete(self, path: str, body: Any = None, **options: Any) -> Response:
        """DELETE; `options` are those of `request`."""
        return self.request("DELETE", path, body, **options)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """One request. Bytes are sent as they are, anything else as JSON. Raises OSError and http.client's errors."""
        target = f"{path}?{urlencode(params)}" if params else path
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Accept": "application/json, */*;q=0.5", "Content-Type": "application/json"} | dict(headers or {})
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        connection = self._connection()
        was_open = connection.sock is not None
        try:
            return exchange(connection, method, target, content, sent)
        except STALE:
            connection.close()
            if not was_open:
                raise
            return exchange(connection, method, target, content, sent)
        except BaseException:
            connection.close()  # an answer may still be on its way: the next request must not read it
            raise

    def close(self) -> None:
        """Closes the connections of every thread; the next request opens a new one."""
        for connection in self._opened:
            connection.close()

    def _connection(self) -> http.client.HTTPSConnection:
        connection: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            where = urlsplit(self.server)
            connection = http.client.HTTPSConnection(
                where.hostname or "", where.port or 443, timeout=self.timeout, context=self.context
            )
            self._local.connection = connection
            self._opened.append(connection)
        return connection


def exchange(
    connection: http.client.HTTPSConnection, method: str, target: str, content: bytes | None, headers: Mapping[str, str]
) -> Response:
    """Sends one request on `connection` and reads the whole answer."""
    connection.request(method, target, body=content, headers=dict(headers))
    answer = connection.getresponse()
    return Response(answer.status, answer.headers, answer.read())

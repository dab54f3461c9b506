"""A forward proxy for HTTPS_PROXY. It knows CONNECT only, has real sockets, and counts what passes through it.

With `routes`, Microsoft's names lead to the emulator: a client that knows only login.microsoftonline.com reaches it
without a change, if it has the proxy in HTTPS_PROXY and trusts the emulator's authority.

    with running() as entra, proxying(routes=entra.routes) as proxy:
        environ |= {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(entra.ca_file)}
"""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from testbed.entra.connections import Acceptor

__all__ = ["Proxy", "Tunnel", "proxying"]

LARGEST_HEAD = 16384
HEAD_SECONDS = 10.0
CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class Tunnel:
    """One request to the proxy: the host and port, and the status of the answer."""

    host: str
    port: int
    status: int


class Proxy:
    """Tunnels to the address in `routes` ("host:443" -> address), or to the address of the request.

    refuse_with: every CONNECT is answered with this status, as by a proxy whose policy forbids it. wants: the
    "user:password" without which CONNECT gets 407. Both may be set at any time. With `is_closed`, only routes are open:
    anything else gets 403, so that no test reaches the internet.
    """

    def __init__(
        self,
        *,
        routes: Mapping[str, tuple[str, int]] | None = None,
        is_closed: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.refuse_with: int | None = None
        self.wants = ""
        self._routes = dict(routes or {})
        self._is_closed = is_closed
        self._lock = threading.Lock()
        self._tunnels: list[Tunnel] = []
        self._connections = Acceptor(self._serve, host=host, port=port, name="proxy")

    @property
    def url(self) -> str:
        """The value for HTTPS_PROXY."""
        return f"http://127.0.0.1:{self._connections.port}"

    @property
    def connections(self) -> int:
        """How many connections were made to the proxy."""
        return self._connections.accepted

    @property
    def tunnels(self) -> Sequence[Tunnel]:
        """The requests to it, in order."""
        with self._lock:
            return tuple(self._tunnels)

    def stop(self) -> None:
        """Ends every tunnel."""
        self._connections.stop()

    def _serve(self, client: socket.socket, number: int) -> None:
        client.settimeout(HEAD_SECONDS)
        head = _head(client)
        method, _, rest = head.partition("\r\n")[0].partition(" ")
        host, _, port = rest.partition(" ")[0].rpartition(":")
        if method != "CONNECT" or not port.isdigit():
            self._answer(client, Tunnel(host, 0, 405))
            return
        target = self._routes.get(f"{host.lower()}:{port}")
        if self.wants and not _is_from(head, self.wants):
            self._answer(client, Tunnel(host, int(port), 407))
            return
        if self.refuse_with or (target is None and self._is_closed):
            self._answer(client, Tunnel(host, int(port), self.refuse_with or 403))
            return
        try:
            upstream = socket.create_connection(target or (host.strip("[]"), int(port)), timeout=CONNECT_SECONDS)
        except OSError:
            self._answer(client, Tunnel(host, int(port), 502))
            return
        self._connections.track(upstream)
        try:
            self._answer(client, Tunnel(host, int(port), 200))
            client.settimeout(None)
            upstream.settimeout(None)
            _relay(client, upstream)
        finally:
            self._connections.untrack(upstream)
            upstream.close()

    def _answer(self, client: socket.socket, tunnel: Tunnel) -> None:
        with self._lock:
            self._tunnels.append(tunnel)
        rest = "" if tunnel.status == 200 else "Content-Length: 0\r\nConnection: close\r\n"
        client.sendall(f"HTTP/1.1 {tunnel.status} {'OK' if not rest else 'Refused'}\r\n{rest}\r\n".encode())


def _head(client: socket.socket) -> str:
    """The whole head of a request. Raises OSError if it does not end."""
    head = b""
    while b"\r\n\r\n" not in head:
        # Nothing after the head is lost: a client sends nothing more before it has its answer.
        chunk = client.recv(4096)
        if not chunk or len(head) > LARGEST_HEAD:
            raise ConnectionError("no request")
        head += chunk
    return head.decode("latin-1")


def _is_from(head: str, who: str) -> bool:
    """Whether a request has this user and password."""
    expected = f"proxy-authorization: basic {base64.b64encode(who.encode()).decode()}".lower()
    return expected in head.lower().split("\r\n")


def _relay(client: socket.socket, upstream: socket.socket) -> None:
    """Copies both ways until either side ends."""
    back = threading.Thread(target=_copy, args=(upstream, client), daemon=True)
    back.start()
    _copy(client, upstream)
    back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
    for side in (source, target):
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxying(*, routes: Mapping[str, tuple[str, int]] | None = None, is_closed: bool = True) -> Iterator[Proxy]:
    """A proxy for the time of the block."""
    proxy = Proxy(routes=routes, is_closed=is_closed)
    try:
        yield proxy
    finally:
        proxy.stop()

"""A forward proxy for HTTPS_PROXY: CONNECT and nothing else, on real sockets, with a count of what passed through.

With `routes`, names that belong to others lead to the emulator: a client that knows login.microsoftonline.com only
reaches it unchanged, with the proxy in HTTPS_PROXY and the emulator's authority trusted.

    with running() as entra, proxying(routes=entra.routes) as proxy:
        environ |= {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(entra.ca_file)}
"""

from __future__ import annotations

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
    """One request to the proxy: the host and port asked for, and the status that it got."""

    host: str
    port: int
    status: int


class Proxy:
    """Tunnels to where `routes` says ("host:443" -> address), or to the address asked for.

    refuse_with: a status that every CONNECT is answered with, as by a proxy whose policy forbids it; it may be set at
    any time. With `is_closed`, only routes are open: anything else gets 403, so that no test reaches the internet.
    """

    def __init__(
        self,
        *,
        routes: Mapping[str, tuple[str, int]] | None = None,
        is_closed: bool = True,
    ) -> None:
        self.refuse_with: int | None = None
        self._routes = dict(routes or {})
        self._is_closed = is_closed
        self._lock = threading.Lock()
        self._tunnels: list[Tunnel] = []
        self._connections = Acceptor(self._serve, host="127.0.0.1", port=0, name="proxy")

    @property
    def url(self) -> str:
        """For HTTPS_PROXY."""
        return f"http://127.0.0.1:{self._connections.port}"

    @property
    def connections(self) -> int:
        """How many connections were made to the proxy."""
        return self._connections.accepted

    @property
    def tunnels(self) -> Sequence[Tunnel]:
        """What was asked of it, in order."""
        with self._lock:
            return tuple(self._tunnels)

    def stop(self) -> None:
        """Ends every tunnel."""
        self._connections.stop()

    def _serve(self, client: socket.socket, number: int) -> None:
        client.settimeout(HEAD_SECONDS)
        head = _head(client)
        method, _, rest = head.partition(" ")
        host, _, port = rest.partition(" ")[0].rpartition(":")
        if method != "CONNECT" or not port.isdigit():
            self._answer(client, Tunnel(host, 0, 405))
            return
        target = self._routes.get(f"{host.lower()}:{port}")
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
    """The request line, once the whole head is there. Raises OSError if it never is."""
    head = b""
    while b"\r\n\r\n" not in head:
        # Nothing that follows the head is lost: a client says no more before it has its answer.
        chunk = client.recv(4096)
        if not chunk or len(head) > LARGEST_HEAD:
            raise ConnectionError("no request")
        head += chunk
    return head.partition(b"\r\n")[0].decode("latin-1")


def _relay(client: socket.socket, upstream: socket.socket) -> None:
    """Copies both ways until either side has ended."""
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

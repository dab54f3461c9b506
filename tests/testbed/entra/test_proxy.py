"""The CONNECT proxy."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest
import requests

from testbed.entra import Application, Entra
from testbed.entra.client import Client
from testbed.entra.proxy import Proxy, Tunnel, proxying

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def through(entra: Entra, proxy: Proxy) -> Iterator[Client]:
    with Client(entra) as client:
        client.session.proxies = {"https": proxy.url}
        yield client


def connect(proxy: Proxy, head: bytes) -> bytes:
    """The first line of the proxy's answer to a raw request."""
    host, _, port = proxy.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as plain:
        plain.sendall(head)
        return plain.recv(4096).partition(b"\r\n")[0]


def test_a_tunnel_to_where_the_client_wants(entra: Entra, app: Application) -> None:
    """Open, it leads anywhere; one connection for all that a client asks."""
    with proxying(is_closed=False) as proxy, through(entra, proxy) as client:
        assert client.exchange(app).ok
        assert client.exchange(app).ok
        assert proxy.connections == 1
        assert proxy.tunnels == (Tunnel("localhost", entra.login_server.port, 200),)


def test_names_lead_to_the_emulator(entra: Entra, app: Application) -> None:
    """With routes, Microsoft's names are the emulator's, with certificates for them."""
    with proxying(routes=entra.routes) as proxy, through(entra, proxy) as client:
        form = {"client_id": app.client_id}
        login = client.session.post("https://login.microsoftonline.com/x.y/oauth2/v2.0/token", data=form, timeout=60)
        assert login.json()["error_codes"] == [90002]
        assert client.get("https://graph.microsoft.com/v1.0/organization").status_code == 401
        assert [tunnel.host for tunnel in proxy.tunnels] == ["login.microsoftonline.com", "graph.microsoft.com"]


def test_nothing_else_is_open(entra: Entra) -> None:
    """A closed proxy lets no client out."""
    with proxying(routes=entra.routes) as proxy, through(entra, proxy) as client:
        with pytest.raises(requests.exceptions.ProxyError):
            client.get("https://example.com/")
        assert proxy.tunnels[-1] == Tunnel("example.com", 443, 403)


def test_a_proxy_that_refuses(entra: Entra, app: Application) -> None:
    """A policy, or a password that is missing."""
    with proxying(is_closed=False) as proxy, through(entra, proxy) as client:
        proxy.refuse_with = 407
        with pytest.raises(requests.exceptions.ProxyError):
            client.exchange(app)
        proxy.refuse_with = None
        assert client.exchange(app).ok


def test_a_target_that_is_not_there() -> None:
    """502, as of any gateway."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with proxying(is_closed=False) as proxy:
        assert connect(proxy, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode()).startswith(b"HTTP/1.1 502")


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\n\r\n", b"CONNECT nowhere HTTP/1.1\r\n\r\n"])
def test_the_proxy_knows_only_connect(head: bytes) -> None:
    """It opens tunnels and does nothing else."""
    with proxying() as proxy:
        assert connect(proxy, head).startswith(b"HTTP/1.1 405")


def test_a_head_without_end() -> None:
    """The connection ends, with what was not read thrown away."""
    with proxying() as proxy:
        with contextlib.suppress(ConnectionResetError):
            assert connect(proxy, b"CONNECT " + b"x" * 40000) == b""
        assert proxy.tunnels == ()


def test_a_tunnel_ends_with_the_proxy(entra: Entra) -> None:
    """Stopping it cuts what is open."""
    context = ssl.create_default_context(cafile=entra.ca_file)
    with contextlib.ExitStack() as stack:
        with proxying(routes=entra.routes) as proxy:
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", int(proxy.url[17:])), timeout=60))
            plain.sendall(b"CONNECT graph.microsoft.com:443 HTTP/1.1\r\n\r\n")
            assert plain.recv(4096).startswith(b"HTTP/1.1 200")
            tls = stack.enter_context(context.wrap_socket(plain, server_hostname="graph.microsoft.com"))
        with contextlib.suppress(OSError):
            assert tls.recv(1) == b""

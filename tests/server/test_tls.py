"""TLS as clients see it."""

import ssl
from collections.abc import Callable

import pytest

from tests.server.conftest import Server

Serve = Callable[..., Server]


def subject(context: ssl.SSLContext, server: Server) -> str:
    """The common name of the certificate that a new connection meets."""
    with server.client(context) as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        certificate = client.socket.getpeercert()
        assert certificate is not None
        return str(dict(pair for part in certificate["subject"] for pair in part)["commonName"])  # type: ignore[misc]


def test_a_new_certificate_is_met_by_new_connections_only(serve: Serve) -> None:
    """A rotation costs no connection: the open one goes on, with or without a server name in the handshake."""
    server = serve().ready()
    context = server.context()
    with server.client(context) as client:
        assert subject(context, server) == "first"
        assert client.ask({"swap": "second"}).status == 200
        assert subject(context, server) == "second"
        assert client.ask().status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_served(server: Server, version: ssl.TLSVersion) -> None:
    """Whichever the client can do."""
    context = server.context()
    context.minimum_version = context.maximum_version = version
    with server.client(context) as client:
        assert client.ask().status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_1_1_is_not(server: Server) -> None:
    """Not even for a client that would take any cipher."""
    context = server.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"alert protocol version|EOF occurred"):
        server.client(context)


def test_no_protocol_is_negotiated(server: Server) -> None:
    """kube-apiserver speaks HTTP/1.1 to webhooks; HTTP/2 is not offered."""
    context = server.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with server.client(context) as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        assert client.socket.selected_alpn_protocol() is None
        assert client.ask().status == 200


@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
def test_no_protocol_is_upgraded(server: Server, upgrade: str) -> None:
    """A request for another protocol is a GET like any other."""
    fields = {"upgrade": upgrade, "connection": "upgrade", "sec_websocket_version": "13"}
    fields |= {"sec_websocket_key": "AAAAAAAAAAAAAAAAAAAAAA==", "http2_settings": "AAMAAABkAAQAAP__"}
    with server.client() as client:
        assert client.get("/mutate", **fields).status == 405

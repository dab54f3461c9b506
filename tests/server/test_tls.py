"""TLS as clients see it."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.conftest import Server

Serve = Callable[..., Server]


def served(context: ssl.SSLContext, server: Server) -> bytes | None:
    """The certificate that a new connection meets, as DER."""
    with server.client(context) as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        return client.socket.getpeercert(binary_form=True)


def written(folder: Path, name: str) -> bytes:
    """The certificate of a pair, as DER."""
    pem = (folder / f"pair-{name}.pem").read_text()
    return ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE") :])


@pytest.mark.slow
def test_a_new_certificate_is_met_by_new_connections_only(serve: Serve, certificates: Path) -> None:
    """A rotation costs no connection: the open one goes on, with or without a server name in the handshake."""
    server = serve().ready()
    context = server.context()
    with server.client(context) as client:
        assert served(context, server) == written(certificates, "first")
        assert client.ask({"swap": "second"}).status == 200
        assert served(context, server) == written(certificates, "second")
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

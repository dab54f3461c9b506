"""An issuer whose documents lead elsewhere: what `issuer` asks on the way."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from certs.authority import make_leaf
from certs.pem import bundle_pem
from tests.authorities import make_authority
from webhook.entra.published import fetch

pytestmark = pytest.mark.slow


class Server(ThreadingHTTPServer):
    """Answers each path with a redirect, or with its own name. asked: the paths that were asked for."""

    def __init__(self, leads_to: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.leads_to = leads_to
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_GET(self) -> None:
        """A redirect to where the path leads, else the path itself."""
        self.server.asked.append(self.path)
        target = self.server.leads_to.get(self.path)
        self.send_response(302 if target is not None else 200)
        if target is not None:
            self.send_header("Location", target)
        body = b"" if target is not None else self.path.encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def serving(server: Server, folder: Path | None = None) -> Iterator[Server]:
    """The server at work, over TLS if `folder` is given: its authority is `ca.crt` there."""
    if folder:
        now = dt.datetime.now(dt.UTC)
        authority = make_authority(now=now, lifetime=dt.timedelta(days=1))
        pair = make_leaf(authority, names=("localhost",), now=now, lifetime=dt.timedelta(hours=1))
        (folder / "ca.crt").write_text(authority.pem)
        (folder / "tls.pem").write_bytes(pair.private_pem() + bundle_pem([pair.certificate]))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def inside() -> Iterator[Server]:
    """What answers anybody inside the network, over plain http: a cloud's metadata, say."""
    with serving(Server({})) as server:
        yield server


@pytest.fixture
def outside(tmp_path: Path, inside: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A stranger's https server that leads to the one inside, in several ways."""
    secret = f"http://127.0.0.1:{inside.server_port}/latest/meta-data/"
    leads_to = {
        "/http": secret,
        "/upper": secret.replace("http", "HTTP"),
        "/no-scheme": secret.removeprefix("http:"),
        "/twice": "/http",
        "/file": "file:///etc/passwd",
        "/odd": "https://[",
        "/circle": "/circle",
        "/moved": "here",
    }
    with serving(Server(leads_to), tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
        yield server


def url(server: Server, path: str) -> str:
    """The address of `path` there."""
    return f"https://localhost:{server.server_port}{path}"


@pytest.mark.parametrize("path", ["/http", "/upper", "/twice", "/file"])
async def test_a_redirect_to_anything_but_https_is_not_followed(outside: Server, inside: Server, path: str) -> None:
    """However it is written, and wherever on the way it stands."""
    found = await fetch(url(outside, path))
    assert "which is not an https URL" in found.problem
    assert found.body == b""
    assert inside.asked == []


@pytest.mark.parametrize("path", ["/no-scheme", "/odd"])
async def test_an_odd_redirect_is_a_problem_and_not_a_request_inside(
    outside: Server, inside: Server, path: str
) -> None:
    """One without a scheme keeps https, which the server inside does not speak; one that is not a URL fails."""
    found = await fetch(url(outside, path))
    assert found.problem
    assert inside.asked == []


async def test_a_circle_of_redirects_ends(outside: Server) -> None:
    """After as many redirects as an honest server may need."""
    assert (await fetch(url(outside, "/circle"))).problem == "it leads in circles"
    assert len(outside.asked) == 6


async def test_a_redirect_to_https_is_followed_and_named(outside: Server) -> None:
    """As a browser does it."""
    found = await fetch(url(outside, "/moved"))
    assert (found.body, found.problem, found.final) == (b"/here", "", url(outside, "/here"))

"""What tests of `check`, `fic` and `issuer` share: the command in this process, HTTPS servers, registrations."""

import io
import json
import os
import secrets
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

from certs.authority import Authority, make_leaf
from certs.pem import Pair
from demo.server import Running, running
from testbed.cluster.api import Api
from testbed.cluster.cluster import Cluster
from testbed.cluster.registration import CONFIGURATIONS, configuration, settle
from tests.admission.helpers import serving
from tests.authorities import make_authority
from webhook.commands import main


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, parsed."""
        return json.loads(self.out)

    def finding(self, about: str, status: str = "FAIL") -> str:
        """The one finding of that kind, with its fix and pods, as it is shown. Fails when there is not one."""
        blocks: list[list[str]] = []
        for line in self.out.splitlines():
            if line.startswith("      ") and blocks:
                blocks[-1].append(line.strip())
            else:
                blocks.append([" ".join(line.split())])
        found = [block for block in blocks if block[0].startswith(f"{status} {about} ")]
        assert len(found) == 1, self.out + self.err
        return "\n".join(found[0])


def run(*arguments: str, environ: Mapping[str, str] | None = None) -> Ran:
    """`python -m webhook ARGUMENTS`, without what this machine's environment says of clusters."""
    clean = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("M365WI_", "KUBE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
    }
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline=""), io.StringIO()
    with mock.patch.dict(os.environ, {**clean, "HOME": "/nonexistent", **(environ or {})}, clear=True):
        with redirect_stdout(out), redirect_stderr(err):
            code = main(arguments)
    out.flush()
    return Ran(code, out.buffer.getvalue().decode(), err.getvalue())


def authority(*, days_ago: int = 0, days_left: int = 10) -> Authority:
    """A certificate authority that began so many days ago and has so many left, or none if that is negative."""
    lifetime = timedelta(days=days_ago + days_left)
    return make_authority(now=datetime.now(UTC) - timedelta(days=days_ago), lifetime=lifetime)


def pair(signer: Authority, *names: str, expired: bool = False) -> Pair:
    """A leaf for `names`, or for loopback; one that is expired ended yesterday."""
    now = datetime.now(UTC)
    moment, lifetime = (now - timedelta(days=2), timedelta(days=1)) if expired else (now, timedelta(hours=12))
    return make_leaf(signer, names=names or ("127.0.0.1", "localhost"), now=moment, lifetime=lifetime)


Answer = Callable[[str], tuple[int, bytes, Mapping[str, str]]]
"""Given a path: status, body and headers."""


@contextmanager
def endpoint(leaf: Pair | None, answer: Answer) -> Iterator[int]:
    """A server on loopback that answers everything with `answer`, over TLS when it has a leaf; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body, headers = answer(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that turns the certificate away is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    if leaf:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as both:
            both.write(leaf.private_pem())
            both.flush()
            context.load_cert_chain(both.name)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        yield server.server_address[1]


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def write_authority(folder: Path, signer: Authority) -> Path:
    """A file to be trusted by way of SSL_CERT_FILE."""
    path = folder / "authority.pem"
    path.write_text(signer.pem)
    return path


Change = Callable[[dict[str, Any]], None]


@contextmanager
def registered(
    api: Api, url: str, bundle: bytes = b"", *, change: Change | None = None, **options: Any
) -> Iterator[str]:
    """A webhook configuration that kube-apiserver acts on; gives its name. change: made to each of its entries."""
    name = f"check-{secrets.token_hex(4)}"
    document = configuration(url, bundle, name=name, **{"timeout_seconds": 2, **options})
    for entry in document["webhooks"] if change else ():
        assert change is not None
        change(entry)
    api.post(CONFIGURATIONS, document).expect()
    try:
        settle(api)
        yield name
    finally:
        api.delete(f"{CONFIGURATIONS}/{name}").expect(200, 404)
        settle(api)


def check(cluster: Cluster, namespace: str, *arguments: str, kubeconfig: Path | None = None) -> Ran:
    """The command for a namespace."""
    return run("check", "-n", namespace, *arguments, environ={"KUBECONFIG": str(kubeconfig or cluster.kubeconfig)})


def ours(cluster: Cluster, process: Running, **options: Any) -> AbstractContextManager[str]:
    """A registration of the webhook; see `registered`."""
    options = {"timeout_seconds": 5, **options}
    return registered(cluster.api, process.url, process.authority.encode(), **options)


@contextmanager
def another_webhook(cluster: Cluster, folder: Path, *arguments: str, **options: Any) -> Iterator[str]:
    """A webhook with settings of its own, registered."""
    with running(folder, ["--kubeconfig", str(cluster.kubeconfig), *arguments]) as process:
        with ours(cluster, process, **options) as name:
            yield name

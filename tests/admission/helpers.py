"""Stand-ins around the webhook: another webhook beside it, and an API server that misbehaves behind it."""

import base64
import json
import ssl
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from certs.authority import make_authority, make_leaf
from tests.cluster import kubeconfig
from tests.cluster.kubeconfig import Access

Patch = list[dict[str, Any]]


@dataclass(frozen=True)
class OtherWebhook:
    """A webhook of somebody else's: where it is, and whom to trust for it."""

    url: str
    authority: str


@contextmanager
def other_webhook(patch: Callable[[dict[str, Any]], Patch]) -> Iterator[OtherWebhook]:
    """A webhook that answers every pod with `patch(pod)`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
            operations = patch(request["object"])
            response: dict[str, Any] = {"uid": request["uid"], "allowed": True}
            if operations:
                encoded = base64.b64encode(json.dumps(operations).encode()).decode()
                response |= {"patchType": "JSONPatch", "patch": encoded}
            review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
            body = json.dumps(review).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    now = datetime.now(UTC)
    authority = make_authority(now=now, lifetime=timedelta(days=1))
    pair = make_leaf(authority, names=["127.0.0.1"], now=now, lifetime=timedelta(hours=1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as both:
        both.write(pair.private_pem())
        both.flush()
        context.load_cert_chain(both.name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        yield OtherWebhook(f"https://127.0.0.1:{server.server_address[1]}/", authority.pem)


@dataclass
class Relay:
    """Stands between the webhook and the API server, and does to requests what `behaviour` says.

    asked: set at each request, so that a test can wait for the first one that went wrong.
    """

    server: str
    behaviour: str = "pass"
    asked: threading.Event = field(default_factory=threading.Event)
    healed: threading.Event = field(default_factory=threading.Event)

    def misbehave(self, behaviour: str) -> None:
        """From now on: `close`, `hang`, `rubbish`, `not-json`, `error` or `forbidden`."""
        self.asked.clear()
        self.healed.clear()
        self.behaviour = behaviour

    def heal(self) -> None:
        """From now on: pass everything on."""
        self.behaviour = "pass"
        self.healed.set()


_ANSWERS: dict[str, tuple[int, bytes]] = {
    "rubbish": (200, b'{"kind": "ServiceAccount", "metadata": "?"}'),
    "not-json": (200, b"<html>a proxy's login page</html>"),
    "error": (500, b'{"kind": "Status", "message": "etcdserver: request timed out"}'),
    "forbidden": (403, b'{"kind": "Status", "message": "serviceaccounts is forbidden"}'),
}


@contextmanager
def relay(through: Path, folder: Path) -> Iterator[tuple[Relay, Path]]:
    """A relay to the API server of the kubeconfig `through`, and a kubeconfig that leads to the relay."""
    access = kubeconfig.read(through)
    authority = access.authority
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            behaviour = state.behaviour
            state.asked.set()
            if behaviour == "close":
                self.close_connection = True
                return
            if behaviour == "hang":
                state.healed.wait(30)
                self.close_connection = True
                return
            status, body = _ANSWERS.get(behaviour) or self.passed_on()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def passed_on(self) -> tuple[int, bytes]:
            length = int(self.headers.get("Content-Length") or 0)
            request = urllib.request.Request(
                access.server + self.path,
                data=self.rfile.read(length) if length else None,
                method=self.command,
                headers={key: self.headers[key] for key in ("Authorization", "Content-Type") if self.headers[key]},
            )
            try:
                with urllib.request.urlopen(request, context=context) as answer:
                    return answer.status, answer.read()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Relay(f"http://127.0.0.1:{server.server_address[1]}")
    path = folder / "relay.kubeconfig"
    path.write_text(kubeconfig.render(Access(state.server, None, token=access.token)))
    with serving(server):
        try:
            yield state, path
        finally:
            state.healed.set()


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """`server`, in a thread."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""The webhook's rights, and stand-ins around it: another webhook, and an API server that misbehaves."""

import base64
import json
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from certs.authority import make_leaf
from testbed.cluster.cluster import Cluster
from testbed.cluster.registration import OWN_NAMESPACE
from testbed.cluster.relay import Answer, Cut
from testbed.cluster.relay import relay as relayed
from tests.authorities import make_authority

Patch = list[dict[str, Any]]

# The one rule that reviews need; a test of each scope passes with it, so no more is needed.
_ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "m365-workload-identity"},
    "rules": [{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]}],
}
_BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "m365-workload-identity"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "m365-workload-identity"},
    "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": OWN_NAMESPACE}],
}


def with_least_rights(cluster: Cluster) -> Path:
    """The kubeconfig of a ServiceAccount that may read ServiceAccounts and nothing else."""
    if cluster.api.get(f"/api/v1/namespaces/{OWN_NAMESPACE}").status == 404:
        cluster.create_namespace(OWN_NAMESPACE)
    for path, document in (("clusterroles", _ROLE), ("clusterrolebindings", _BINDING)):
        cluster.api.post(f"/apis/rbac.authorization.k8s.io/v1/{path}", document).expect(201, 409)
    return cluster.kubeconfig_for_account(OWN_NAMESPACE, "default")


@dataclass(frozen=True)
class OtherWebhook:
    """Another webhook: its URL, and the authority to trust."""

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


_FAULTS: dict[str, Answer] = {
    "rubbish": Answer(200, b'{"kind": "ServiceAccount", "metadata": "?"}'),
    "not-json": Answer(200, b"<html>a proxy's login page</html>"),
    "error": Answer(500, b'{"kind": "Status", "message": "etcdserver: request timed out"}'),
    "forbidden": Answer(403, b'{"kind": "Status", "message": "serviceaccounts is forbidden"}'),
}


@dataclass
class Relay:
    """Stands between the webhook and the API server, and does with requests what `behaviour` says.

    paths: of all requests since it began to misbehave.
    """

    behaviour: str = "pass"
    once: bool = False
    paths: list[str] = field(default_factory=list)
    healed: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def misbehave(self, behaviour: str, *, once: bool = False) -> None:
        """From now on: `close`, `hold`, `hang`, `rubbish`, `not-json`, `error` or `forbidden`.

        hold: until it heals, then pass it on. hang: until it heals, then cut it off. once: with the next request alone,
        since a test that heals it after that may come too late for the one behind.
        """
        self.paths.clear()
        self.healed.clear()
        self.once = once
        self.behaviour = behaviour

    def heal(self) -> None:
        """From now on: pass everything on."""
        self.behaviour = "pass"
        self.healed.set()

    def decide(self, _method: str, path: str, _body: bytes) -> Cut | Answer | None:
        """Decides about a request, as a testbed.cluster.relay.Hook."""
        with self.lock:
            behaviour = self.behaviour
            self.paths.append(path)
            if self.once:
                self.behaviour = "pass"
        if behaviour in ("hang", "hold"):
            self.healed.wait(30)
        return (lambda _moment, _status: True) if behaviour in ("close", "hang") else _FAULTS.get(behaviour)


@contextmanager
def relay(through: Path, folder: Path) -> Iterator[tuple[Relay, Path]]:
    """A relay to the API server of the kubeconfig `through`, and a kubeconfig that leads to the relay."""
    state = Relay()
    with relayed(through, folder, state.decide) as path:
        try:
            yield state, path
        finally:
            state.healed.set()


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Serves `server` in a thread for the time of the block."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Which pods reach the webhook in each scope: the selectors are judged by kube-apiserver, not by us."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import get_args

import pytest

from testbed.cluster.api import Api, Response
from testbed.cluster.cluster import Cluster
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.pki import Authority
from testbed.cluster.registration import (
    INJECT_LABEL,
    MIRROR_ANNOTATION,
    USE_LABEL,
    Scope,
    configuration,
    webhook_registration,
)

# The labels of the pods, by their names; and who of them is reviewed, by scope and whether their namespace is labelled.
LABELLED = {USE_LABEL: "true"}
LABELS: dict[str, dict[str, str]] = {"labelled": LABELLED, "plain": {}, "opted-out": {USE_LABEL: "false"}}
REVIEWED = {
    ("pod-label", False): ["labelled"],
    ("pod-label", True): ["labelled"],
    ("namespace-label", False): ["labelled"],
    ("namespace-label", True): ["labelled", "plain"],
    ("cluster", False): ["labelled", "plain"],
    ("cluster", True): ["labelled", "plain"],
}


class Recorder(BaseHTTPRequestHandler):
    """Allows every pod and notes its name."""

    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append(review["request"]["name"])  # type: ignore[attr-defined]
        response = {"uid": review["request"]["uid"], "allowed": True}
        body = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing: the names are the log."""


@dataclass
class Webhook:
    """Where the recorder listens, the authority of its certificate, and which pods it saw."""

    url: str
    ca_bundle: bytes
    seen: list[str] = field(default_factory=list)


@pytest.fixture
def webhook(owned_control_plane: ControlPlane, tmp_path: Path) -> Iterator[Webhook]:
    """A webhook on loopback; only our own control plane reaches it, and only there may it refuse pods."""
    authority = Authority()
    pair = authority.server(["127.0.0.1"], ["localhost"])
    (tmp_path / "both.pem").write_bytes(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        there = Webhook(f"https://127.0.0.1:{server.server_port}/mutate", authority.certificate)
        server.seen = there.seen  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield there
        server.shutdown()
        thread.join()


def create(
    api: Api, namespace: str, name: str, labels: Mapping[str, str], *, annotations: Mapping[str, str] | None = None
) -> Response:
    """Creates a pod by dry run."""
    metadata = {"name": name, "labels": dict(labels), "annotations": dict(annotations or {})}
    spec = {"containers": [{"name": "app", "image": "example.invalid/app"}]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    return api.post(f"/api/v1/namespaces/{namespace}/pods", body, params={"dryRun": "All"})


@pytest.mark.parametrize("scope", get_args(Scope))
def test_a_scope_reviews_its_pods_once_each(control_plane: Cluster, webhook: Webhook, scope: Scope) -> None:
    """Labelled, unlabelled and opted-out pods, in namespaces labelled and not: exactly those of the scope arrive."""
    places = {
        False: control_plane.create_namespace(),
        True: control_plane.create_namespace(labels={INJECT_LABEL: "true"}),
    }
    with webhook_registration(control_plane.api, webhook.url, webhook.ca_bundle, scope=scope):
        for inject, place in places.items():
            webhook.seen.clear()
            for name, labels in LABELS.items():
                create(control_plane.api, place, name, labels).expect(201)
            assert webhook.seen == REVIEWED[scope, inject]
            control_plane.delete_namespace(place)


def test_own_namespace_and_mirror_pods_are_never_reviewed(api: Api, webhook: Webhook, namespace: str) -> None:
    """Not even labelled ones: the webhook must be able to start, and a mirror pod cannot be changed."""
    with webhook_registration(api, webhook.url, webhook.ca_bundle, scope="cluster"):
        create(api, namespace, "mirror", LABELLED, annotations={MIRROR_ANNOTATION: "hash"})
        assert webhook.seen == []
        create(api, namespace, "other", LABELLED, annotations={"a": "b"}).expect(201)
        assert webhook.seen == ["other"]
    webhook.seen.clear()
    with webhook_registration(api, webhook.url, webhook.ca_bundle, scope="cluster", own_namespace=namespace):
        create(api, namespace, "own", LABELLED).expect(201)
        assert webhook.seen == []


def test_an_unreachable_webhook_fails_labelled_pods_only(owned_control_plane: ControlPlane, namespace: str) -> None:
    """Scope cluster: an outage refuses pods that need an identity and no others."""
    api = owned_control_plane.api
    nowhere = "https://127.0.0.1:1/mutate"
    with webhook_registration(api, nowhere, Authority().certificate, scope="cluster", timeout_seconds=1):
        refused = create(api, namespace, "labelled", LABELLED)
        assert refused.status == 500
        assert 'failed calling webhook "labelled.m365.workload.identity"' in refused.message
        create(api, namespace, "plain", {}).expect(201)


def test_a_registration_holds_inside_its_block_and_never_after(
    owned_control_plane: ControlPlane, namespace: str
) -> None:
    """No pod slips by at the start and none is refused after the end, time after time."""
    api = owned_control_plane.api
    for _ in range(5):
        with webhook_registration(api, "https://127.0.0.1:1/mutate", Authority().certificate, timeout_seconds=1):
            assert create(api, namespace, "labelled", LABELLED).status == 500
        create(api, namespace, "labelled", LABELLED).expect(201)


def test_a_probe_has_the_last_word(api: Api, webhook: Webhook, namespace: str) -> None:
    """The block starts only after the probe, such as a dry-run create, saw the webhook called."""

    def called() -> bool:
        create(api, namespace, "probe", LABELLED)
        return "probe" in webhook.seen

    with webhook_registration(api, webhook.url, webhook.ca_bundle, probe=called):
        assert webhook.seen == ["probe"]


@pytest.mark.parametrize("scope", get_args(Scope))
def test_what_every_entry_promises(scope: Scope) -> None:
    """No side effects, CREATE of namespaced v1 pods, reinvoked if needed, five seconds: in every scope."""
    entries = configuration("https://127.0.0.1:9443/mutate", b"pem", scope=scope)["webhooks"]
    assert len(entries) == (1 if scope == "pod-label" else 2)
    for entry in entries:
        rule = {
            "operations": ["CREATE"],
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "resources": ["pods"],
            "scope": "Namespaced",
        }
        assert entry["rules"] == [rule]
        assert (entry["sideEffects"], entry["reinvocationPolicy"], entry["matchPolicy"]) == (
            "None",
            "IfNeeded",
            "Equivalent",
        )
        assert (entry["timeoutSeconds"], entry["admissionReviewVersions"]) == (5, ["v1"])
        assert entry["clientConfig"] == {"url": "https://127.0.0.1:9443/mutate", "caBundle": "cGVt"}

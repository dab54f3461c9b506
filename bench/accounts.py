"""ServiceAccounts by the ten thousand, straight into kube-apiserver, on several connections; and reviews of them."""

from __future__ import annotations

import json
import ssl
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from bench.generator import BenchError
from bench.posts import post_all, request
from bench.webhooks import PATH
from testbed.cluster import kubeconfig
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import a_pod, annotated
from testbed.fleet.fleet import review

__all__ = ["create", "create_namespaces", "review_of", "service_account"]

CONNECTIONS = 8


def service_account(name: str, annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A ServiceAccount, with the usual annotations unless others are given."""
    metadata = {"name": name, "annotations": dict(annotated() if annotations is None else annotations)}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def review_of(namespace: str, account: str) -> bytes:
    """The request to review a pod of a ServiceAccount."""
    document = json.loads(review(namespace))
    document["request"]["object"] = a_pod(account=account)
    return request(f"{PATH}?timeout=10s", json.dumps(document).encode())


def create(cluster: Cluster, namespaces: Iterable[str], accounts: Sequence[Mapping[str, Any]]) -> None:
    """Creates `accounts` in each of `namespaces`. Raises BenchError."""
    bodies = [json.dumps(account).encode() for account in accounts]
    paths = (f"/api/v1/namespaces/{namespace}/serviceaccounts" for namespace in namespaces)
    _create(cluster, ((path, body) for path in paths for body in bodies))


def create_namespaces(cluster: Cluster, names: Iterable[str]) -> None:
    """Creates namespaces, without the ServiceAccount `default`. Raises BenchError."""
    metadata = ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names)
    _create(cluster, (("/api/v1/namespaces", json.dumps(each).encode()) for each in metadata))


def _create(cluster: Cluster, posts: Iterable[tuple[str, bytes]]) -> None:
    access = kubeconfig.read(cluster.kubeconfig)
    context = ssl._create_unverified_context()
    assert access.pair is not None
    with tempfile.NamedTemporaryFile() as both:  # OpenSSL reads files only
        both.write(access.pair.certificate + b"\n" + access.pair.key)
        both.flush()
        context.load_cert_chain(both.name)
    port = urlsplit(access.server).port or 443
    posted = post_all(port, context, (request(path, body) for path, body in posts), connections=CONNECTIONS)
    if set(posted.statuses) - {201, 409}:  # 409: it exists already
        raise BenchError(f"ServiceAccounts could not be created: {dict(posted.statuses)}")

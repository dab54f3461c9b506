"""Certificates of others on a node: the Secret that cert-manager writes, rotated by hand while pods are created."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certs.authority import Authority, make_authority, make_leaf
from certs.names import service_names
from certs.pem import Pair, bundle_pem
from testbed.chart.helm import NAME, NAMESPACE
from testbed.cluster.processes import wait_until
from testbed.node.installed import metric, replicas
from testbed.node.pods import AnyNode, a_pod, apply, make_account
from testbed.node.release import Release
from testbed.node.traffic import Creates, is_injected

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

# The kubelet writes a changed Secret into pods when it next looks at them: every minute, and up to half a minute more.
REFRESH_SECONDS = 300


@pytest.fixture
def cert_manager(bare: AnyNode) -> Iterator[AnyNode]:
    """The kinds that cert-manager brings, without cert-manager: the test is that."""
    names = {"Certificate": "certificates", "Issuer": "issuers"}
    apply(bare, "default", *(definition(kind, plural) for kind, plural in names.items()))
    kinds = [f"crd/{plural}.cert-manager.io" for plural in names.values()]
    bare.kubectl("wait", *kinds, "--for=condition=Established", "--timeout=100s")
    yield bare
    bare.kubectl("delete", *kinds, "--timeout=100s")


def definition(kind: str, plural: str) -> dict[str, Any]:
    """A kind of cert-manager.io/v1 of any content."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.cert-manager.io"},
        "spec": {"group": "cert-manager.io", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def signed(hours: int) -> tuple[Authority, Pair]:
    """An authority, and a leaf of it for the webhook's Service that lives for so long."""
    now = datetime.now(UTC)
    names = service_names(NAME, NAMESPACE)
    authority = make_authority(now=now, lifetime=timedelta(days=2), names=names)
    return authority, make_leaf(authority, names=names, now=now, lifetime=timedelta(hours=hours))


def issue(node: AnyNode, authority: Authority, leaf: Pair) -> None:
    """Writes the Secret as cert-manager does."""
    content = {
        "tls.crt": bundle_pem([leaf.certificate]),
        "tls.key": leaf.private_pem(),
        "ca.crt": authority.pem.encode(),
    }
    data = {name: base64.b64encode(value).decode() for name, value in content.items()}
    secret = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": f"{NAME}-tls"}}
    apply(node, NAMESPACE, secret | {"data": data})


def inject(node: AnyNode, *authorities: Authority) -> None:
    """Writes caBundle as cert-manager's cainjector does."""
    bundle = base64.b64encode("".join(each.pem for each in authorities).encode()).decode()
    patch = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}]
    node.kubectl("patch", f"mutatingwebhookconfiguration/{NAME}", "--type=json", "--patch", json.dumps(patch))


def trusts(node: AnyNode, namespace: str) -> bool:
    """Whether kube-apiserver has a pod injected. It learns of a new caBundle by a watch, and until then refuses."""
    asked = a_pod("asked", ["true"], account="terraform")
    answer = node.api.post(f"/api/v1/namespaces/{namespace}/pods", asked, params={"dryRun": "All"})
    return answer.status == 201 and is_injected(answer.json)


def served_until(node: AnyNode, pod: dict[str, Any]) -> float:
    """When the certificate that a replica serves expires, Unix time, by its metrics."""
    (found,) = metric(node, pod["metadata"]["name"], "m365wi_serving_certificate_not_after_seconds")
    return found


def test_a_rotated_secret_is_served_without_a_restart(cert_manager: AnyNode, release: Release, namespace: str) -> None:
    """No create fails: while both authorities are trusted, and when only the new one is."""
    node = cert_manager
    (first, first_leaf), (second, second_leaf) = signed(24), signed(30)
    issue(node, first, first_leaf)
    release.install(certificates={"mode": "cert-manager"})
    make_account(node, namespace)
    inject(node, first)
    wait_until(lambda: trusts(node, namespace), "kube-apiserver trusts the webhook")
    new = second_leaf.certificate.not_valid_after_utc.timestamp()
    with Creates(node, namespace, "terraform", pause=0.3) as creates:
        inject(node, first, second)
        issue(node, second, second_leaf)
        wait_until(
            lambda: all(served_until(node, pod) == new for pod in replicas(node)),
            "both replicas serve the new certificate",
            seconds=REFRESH_SECONDS,
        )
        inject(node, second)
        creates.await_more(100)
    assert not creates.failed
    assert [pod["status"]["containerStatuses"][0]["restartCount"] for pod in replicas(node)] == [0, 0]

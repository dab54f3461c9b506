"""A webhook that answers only kube-apiserver: its client certificate in an AdmissionConfiguration, behind the real one.

One webhook listens, and kube-apiserver knows it by two addresses: to one it brings its certificate, to the other none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.server import Running, running
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.pki import Authority
from testbed.cluster.pods import a_pod, is_injected, is_untouched, make_account
from testbed.cluster.processes import wait_until
from tests.commands.live import Ran, check, registered

ALERT = "remote error: tls: unknown certificate authority"


@dataclass
class Known:
    """The webhook, and the file with the authorities of its clients."""

    cluster: ControlPlane
    process: Running
    file: Path

    def trust(self, *authorities: Authority) -> None:
        """Replace the file, as the kubelet does."""
        new = self.file.with_suffix(".new")
        new.write_bytes(b"".join(each.certificate for each in authorities))
        new.replace(self.file)

    def create(self, namespace: str, pod: dict[str, Any]) -> Any:
        """kube-apiserver's answer to a pod, by dry run."""
        return self.cluster.api.post(f"/api/v1/namespaces/{namespace}/pods", pod, params={"dryRun": "All"})


@pytest.fixture
def known(owned_control_plane: ControlPlane, webhook_kubeconfig: Path, tmp_path: Path) -> Iterator[Known]:
    """At the port that kube-apiserver brings its certificate to."""
    file = tmp_path / "clients.crt"
    file.write_bytes(owned_control_plane.webhook_clients.certificate)
    settings = ["--kubeconfig", str(webhook_kubeconfig), "--client-ca", str(file), "--client-names", "kube-apiserver"]
    with running(tmp_path, settings, port=owned_control_plane.known_port) as process:
        yield Known(owned_control_plane, process, file)


def test_kube_apiserver_is_answered_by_its_certificate_and_refused_without_it(known: Known, namespace: str) -> None:
    """Without it failurePolicy decides, and kube-apiserver says what is missing; so with one of another authority."""
    cluster, url, authority = known.cluster, known.process.url, known.process.authority.encode()
    nameless = url.replace("127.0.0.1", "localhost")
    make_account(cluster, namespace)
    pod = a_pod()
    with registered(cluster.api, url, authority, timeout_seconds=5):
        assert is_injected(known.create(namespace, pod).expect(201).json)
        assert check(cluster, namespace).code == 0
    known.trust(Authority())  # takes up to ten seconds; what comes next has no certificate at all
    with registered(cluster.api, nameless, authority, timeout_seconds=5, change=ignores_failure):
        assert is_untouched(known.create(namespace, pod).expect(201).json)
    with registered(cluster.api, nameless, authority, timeout_seconds=5):
        refused = known.create(namespace, pod)
        assert refused.status == 500
        assert "the webhook answers only clients with a certificate of its --client-ca" in refused.message
        assert "[WI674]" in finding(check(cluster, namespace))
    with registered(cluster.api, url, authority, timeout_seconds=5):
        # The connection ends right after the alert, and Go tells now and then of the end only.
        wait_until(lambda: ALERT in known.create(namespace, pod).message, "the alert")

        def told() -> bool:
            found = finding(check(cluster, namespace))
            return "[WI676]" in found and "unknown certificate authority" in found

        wait_until(told, "check tells of the alert")


def ignores_failure(entry: dict[str, Any]) -> None:
    """A webhook whose failure does not matter."""
    entry["failurePolicy"] = "Ignore"


def finding(done: Ran) -> str:
    """What `check` found out about the call."""
    assert done.code == 1
    return done.finding("call")

"""`check --pre` on a real API server: each fault is made, found, and mended by the fix that is printed."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster.cluster import Cluster
from testbed.cluster.control_plane import ISSUER, ControlPlane
from testbed.cluster.processes import wait_until
from testbed.cluster.registration import settle
from tests.commands.live import Ran, authority, registered, run

pytestmark = pytest.mark.cluster


@pytest.fixture
def own(control_plane: Cluster) -> Iterator[str]:
    """A namespace for the webhook, which exists."""
    name = control_plane.create_namespace(f"webhook-{secrets.token_hex(4)}")
    yield name
    control_plane.delete_namespace(name)


def check(cluster: Cluster, own: str, *, kubeconfig: Path | None = None) -> Ran:
    arguments = ("check", "--pre", "--own-namespace", own)
    return run(*arguments, environ={"KUBECONFIG": str(kubeconfig or cluster.kubeconfig)})


def test_a_fresh_cluster_is_ready_for_the_installation(control_plane: Cluster, own: str) -> None:
    """No more than the network is not known, since no other webhook is there. Nothing is left behind."""
    done = check(control_plane, own)
    for about in ("version", "rights", "pod"):
        assert done.finding(about, "ok")
    assert ISSUER in done.finding("address")  # which is the cluster's own name for itself
    assert done.out.count("FAIL") == 1
    assert done.finding("network", "skip")
    assert control_plane.api.get(f"/api/v1/namespaces/{own}/pods").expect().json["items"] == []


def test_a_namespace_that_is_still_to_be_made(control_plane: Cluster) -> None:
    """The pod is tried elsewhere."""
    done = check(control_plane, "not-there-yet")
    assert done.finding("pod", "ok")
    assert "--create-namespace" in done.finding("namespace", "ok")


def test_a_quota_without_room_for_the_webhook_is_found(control_plane: Cluster, own: str) -> None:
    """It has no room for the webhook; then it has the room that the fix names."""
    path = f"/api/v1/namespaces/{own}/resourcequotas"
    quota: dict[str, Any] = {"metadata": {"name": "small"}, "spec": {"hard": {"requests.cpu": "50m"}}}
    control_plane.api.post(path, quota).expect()
    # kube-apiserver hears by and by what the controller has counted.
    wait_until(lambda: "exceeded quota: small" in check(control_plane, own).out, "the quota in force")
    found = check(control_plane, own).finding("pod")
    assert "[WI688]" in found
    assert "two replicas request 200m CPU and 192Mi memory" in found
    body = {"spec": {"hard": {"requests.cpu": "200m", "requests.memory": "192Mi"}}}
    control_plane.api.patch(f"{path}/small", body).expect()
    wait_until(lambda: admits(control_plane, own), "the new quota in force")


def admits(cluster: Cluster, own: str) -> bool:
    """Whether the webhook's pod would be admitted."""
    return any(line.split()[:2] == ["ok", "pod"] for line in check(cluster, own).out.splitlines())


def test_a_missing_priority_class_is_found(owned_control_plane: ControlPlane, own: str) -> None:
    """Lost from the store, it is told; kube-apiserver makes it again when it starts, as the fix says."""
    assert owned_control_plane.etcd.delete("/registry/priorityclasses/system-cluster-critical") == 1
    path = "/apis/scheduling.k8s.io/v1/priorityclasses/system-cluster-critical"
    try:
        wait_until(lambda: owned_control_plane.api.get(path).status == 404, "the loss")
        found = check(owned_control_plane, own).finding("priority")
        assert "[WI685]" in found
        assert "restart kube-apiserver" in found
    finally:
        owned_control_plane.stop_apiserver()
        owned_control_plane.start_apiserver()
    wait_until(lambda: admits(owned_control_plane, own), "admission knows the class")
    assert "[WI685]" not in check(owned_control_plane, own).out


def test_a_webhook_that_is_away(control_plane: Cluster, own: str) -> None:
    """Its configuration is named with the command that deletes it, after which a pod is admitted."""
    change = {"name": "pods.other.example.com", "objectSelector": {}, "failurePolicy": "Fail"}
    bundle = authority().pem.encode()
    with registered(
        control_plane.api, "https://127.0.0.1:1/", bundle, change=lambda entry: entry.update(change)
    ) as name:
        done = check(control_plane, own)
        found = done.finding("network")
        assert "cannot call the webhook pods.other.example.com" in found
        assert f"kubectl delete mutatingwebhookconfiguration {name}" in found
        assert "pods.other.example.com (failurePolicy Fail)" in done.finding("webhooks", "warn")
        control_plane.kubectl("delete", "mutatingwebhookconfiguration", name)
        settle(control_plane.api)
        assert check(control_plane, own).finding("pod", "ok")


def test_pre_takes_no_flags_about_service_accounts(control_plane: Cluster) -> None:
    """Not with flags about one ServiceAccount, nor with -A."""
    done = run("check", "--pre", "-A", environ={"KUBECONFIG": str(control_plane.kubeconfig)})
    assert done.code == 2
    assert "--pre" in done.err

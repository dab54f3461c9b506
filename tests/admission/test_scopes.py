"""Which pods are reviewed, in each of the three scopes."""

from collections.abc import Callable
from typing import Any

import pytest

from demo.server import Running
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import LABELLED, a_pod, create, is_injected, is_untouched, make_account
from testbed.cluster.registration import OWN_NAMESPACE

Start = Callable[..., Running]
OPTED_OUT = {"azure.workload.identity/use": "false"}


def injected(cluster: Cluster, namespace: str, labels: dict[str, str], *, account: str = "terraform") -> bool:
    """Whether a pod with these labels gets its identity. If not, it must have no part of one."""
    name = "-".join(["pod", *(value for value in labels.values())])
    pod = create(cluster, namespace, a_pod(name, account=account, labels=labels))
    assert is_injected(pod) != is_untouched(pod), pod
    return is_injected(pod)


def test_by_default_only_labelled_pods_are_reviewed(
    control_plane: Cluster, another_webhook: Start, namespace: str
) -> None:
    """Scope pod-label: the label opts in."""
    another_webhook()
    make_account(control_plane, namespace)
    assert injected(control_plane, namespace, LABELLED)
    assert not injected(control_plane, namespace, {})
    assert not injected(control_plane, namespace, OPTED_OUT)


def test_all_pods_of_a_labelled_namespace_are_injected(control_plane: Cluster, another_webhook: Start) -> None:
    """Scope namespace-label: pods of the namespace, and labelled pods anywhere."""
    another_webhook("--scope", "namespace-label", scope="namespace-label")
    inside = control_plane.create_namespace(labels={"m365.workload.identity/inject": "true"})
    outside = control_plane.create_namespace()
    for namespace in (inside, outside):
        make_account(control_plane, namespace)
        make_account(control_plane, namespace, "plain", {})
    try:
        assert injected(control_plane, inside, {})
        assert not injected(control_plane, inside, OPTED_OUT)
        assert not injected(control_plane, inside, {"app": "plain"}, account="plain")
        assert injected(control_plane, outside, LABELLED)
        assert not injected(control_plane, outside, {})
    finally:
        control_plane.delete_namespace(inside)
        control_plane.delete_namespace(outside)


def test_in_the_whole_cluster_the_annotation_is_enough(
    control_plane: Cluster, another_webhook: Start, namespace: str
) -> None:
    """Scope cluster: every pod of an annotated ServiceAccount, and no other."""
    another_webhook("--scope", "cluster", scope="cluster")
    make_account(control_plane, namespace)
    make_account(control_plane, namespace, "plain", {})
    assert injected(control_plane, namespace, {})
    assert injected(control_plane, namespace, LABELLED)
    assert not injected(control_plane, namespace, OPTED_OUT)
    assert not injected(control_plane, namespace, {"app": "plain"}, account="plain")


@pytest.mark.parametrize("namespace_name", ["kube-system", OWN_NAMESPACE])
def test_system_namespaces_are_left_alone(control_plane: Cluster, another_webhook: Start, namespace_name: str) -> None:
    """There, even a labelled pod of an annotated ServiceAccount is not injected."""
    another_webhook("--scope", "cluster", scope="cluster")
    make_account(control_plane, namespace_name)
    try:
        path = f"/api/v1/namespaces/{namespace_name}/pods"
        answer = control_plane.api.post(path, a_pod(), params={"dryRun": "All"}).expect()
        assert is_untouched(answer.json)
    finally:
        control_plane.api.delete(f"/api/v1/namespaces/{namespace_name}/serviceaccounts/terraform").expect()


def test_a_mirror_pod_is_left_alone(control_plane: Cluster, another_webhook: Start, namespace: str) -> None:
    """The kubelet kills a mirror pod that differs from its file, and such a pod may have no token at all."""
    another_webhook("--scope", "cluster", scope="cluster")
    pod: dict[str, Any] = a_pod("mirror")
    del pod["spec"]["serviceAccountName"]
    pod["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "0123456789abcdef"}
    pod["spec"]["nodeName"] = "node"
    stored = create(control_plane, namespace, pod)
    assert is_untouched(stored)
    assert not stored["spec"].get("volumes")


@pytest.mark.parametrize(("labels", "status"), [(LABELLED, 500), ({}, 201)])
def test_without_the_webhook_labelled_pods_are_refused_and_others_admitted(
    control_plane: Cluster, another_webhook: Start, namespace: str, labels: dict[str, str], status: int
) -> None:
    """In scope cluster the unlabelled entry fails open, the labelled one closed."""
    process = another_webhook("--scope", "cluster", scope="cluster")
    make_account(control_plane, namespace)
    process.stop()
    answer = control_plane.api.post(f"/api/v1/namespaces/{namespace}/pods", a_pod(labels=labels))
    assert answer.status == status

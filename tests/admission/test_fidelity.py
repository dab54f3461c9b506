"""A pod loses nothing on its way through kube-apiserver and the webhook."""

import json
from typing import Any

import pytest

from demo.server import Running
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import a_pod, is_injected, make_account
from tests.core.cases import differences

LARGEST = 2_900_000  # bytes; kube-apiserver takes 3 MiB


@pytest.fixture
def path(control_plane: Cluster, webhook: Running, namespace: str) -> str:
    """Where pods are created, with an annotated ServiceAccount."""
    make_account(control_plane, namespace)
    return f"/api/v1/namespaces/{namespace}/pods"


def test_a_pod_of_almost_three_megabytes_is_injected(control_plane: Cluster, path: str) -> None:
    """kube-apiserver sends it as JSON inside a review; etcd would not take it, so it is a dry run."""
    pod = a_pod()
    env = [{"name": f"VARIABLE_{number}", "value": "x" * 1000} for number in range(LARGEST // 1050)]
    pod["spec"]["containers"][0]["env"] = env
    assert 2_700_000 < len(json.dumps(pod)) < LARGEST
    answer = control_plane.api.post(path, pod, params={"dryRun": "All"}).expect()
    assert is_injected(answer.json)
    assert differences(pod, answer.json) == []


def test_a_pod_of_two_hundred_containers_is_injected(control_plane: Cluster, path: str) -> None:
    """Each container gets its own operations."""
    pod = a_pod()
    pod["spec"]["containers"] = [{"name": f"app-{number}", "image": "example.test/app:1"} for number in range(200)]
    answer = control_plane.api.post(path, pod).expect()
    assert is_injected(answer.json)


def test_an_object_applied_again_is_not_changed(control_plane: Cluster, path: str) -> None:
    """An injected pod that is sent again under another name is not changed."""
    first: dict[str, Any] = control_plane.api.post(path, a_pod("first")).expect().json
    again = {**first, "metadata": {"name": "second", "labels": first["metadata"]["labels"]}}
    del again["status"]
    second = control_plane.api.post(path, again).expect().json
    assert second["spec"] == first["spec"]

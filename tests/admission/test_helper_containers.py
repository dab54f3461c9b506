"""Helper containers as a real kube-apiserver stores them. tests/cases/helpers.yaml has their contents."""

from collections.abc import Callable
from typing import Any

from demo.server import Running
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import a_pod, create, make_account

IMAGE = "example.test/helper:1"
BOTH = {"m365.workload.identity/preflight": "true", "m365.workload.identity/token-endpoint": "true"}
RESTRICTED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def test_helpers_meet_the_strictest_pod_security(
    control_plane: Cluster, namespace: str, another_webhook: Callable[..., Running]
) -> None:
    """A `restricted` namespace still allows the pod with both helpers, and kube-apiserver adds no defaults."""
    another_webhook("--helper-image", IMAGE)
    enforce = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    control_plane.api.patch(f"/api/v1/namespaces/{namespace}", enforce).expect()
    make_account(control_plane, namespace)
    pod = a_pod()
    pod["metadata"]["annotations"] = BOTH
    pod["spec"]["containers"][0]["securityContext"] = RESTRICTED
    stored = create(control_plane, namespace, pod)
    helpers = stored["spec"]["initContainers"][:2]
    assert [helper["name"] for helper in helpers] == ["m365-preflight", "m365-token-endpoint"]
    assert [helper["image"] for helper in helpers] == [IMAGE, IMAGE]
    assert helpers[1]["restartPolicy"] == "Always"
    # The defaults that a pod without them gets would be a second opinion about what a helper needs.
    assert all(helper["resources"]["limits"] == {"memory": "128Mi"} for helper in helpers)


def test_a_pod_that_may_not_have_helpers_is_told(
    control_plane: Cluster, namespace: str, another_webhook: Callable[..., Running]
) -> None:
    """If the platform engineer has not set an image, the user gets a message."""
    another_webhook()
    make_account(control_plane, namespace)
    pod = a_pod()
    pod["metadata"]["annotations"] = BOTH
    answer = control_plane.api.post(f"/api/v1/namespaces/{namespace}/pods", pod)
    assert answer.status == 422
    assert "set the webhook's --helper-image" in answer.message

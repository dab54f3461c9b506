"""Helper containers as a real kube-apiserver stores them. tests/cases/helpers.yaml has their contents."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from demo.server import Running
from testbed.cluster.api import Response
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import a_pod, create, make_account
from testbed.cluster.processes import wait_until

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


GUARANTEED = {"limits": {"cpu": "1", "memory": "1Gi"}}
LIMIT_RANGE = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "limits"},
    "spec": {
        "limits": [
            {
                "type": "Container",
                "min": {"cpu": "50m", "memory": "80Mi"},
                "max": {"cpu": "1", "memory": "100Mi"},
                "maxLimitRequestRatio": {"cpu": "2"},
            }
        ]
    },
}
QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "quota"},
    "spec": {"hard": {f"{kind}.{name}": "4Gi" for kind in ("requests", "limits") for name in ("cpu", "memory")}},
}


def asking(name: str, spec: Mapping[str, Any], resources: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A pod that asks for both helpers, with more members of its spec, and resources of its container."""
    pod = a_pod(name)
    pod["metadata"]["annotations"] = BOTH
    pod["spec"] |= spec
    if resources:
        pod["spec"]["containers"][0]["resources"] = resources
    return pod


WHOLE: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]] = (
    (
        {"requests": {"memory": "64Mi", "cpu": "100m"}, "limits": {"memory": "1Gi", "cpu": "1"}},
        {"requests": {"memory": "64Mi"}},
    ),
    ({"requests": {"memory": "50Mi", "cpu": "5m"}, "limits": {"memory": "60Mi", "cpu": "20m"}}, None),
    ({"limits": {"memory": "60Mi", "cpu": "20m"}}, None),
    ({"limits": {"cpu": "5m"}}, {"requests": {"memory": "10Mi"}}),
    ({"requests": {"memory": "10Mi"}}, None),
    ({"limits": {"hugepages-2Mi": "4Mi", "cpu": "1m"}}, None),
)


def test_a_pod_that_asks_for_resources_as_a_whole_may_have_helpers(
    control_plane: Cluster, namespace: str, another_webhook: Callable[..., Running]
) -> None:
    """It is admitted as it is without them, with the same class and the same resources as a whole."""
    another_webhook("--helper-image", IMAGE)
    make_account(control_plane, namespace)
    for number, (whole, own) in enumerate(WHOLE):
        pod = asking(f"helped-{number}", {"resources": whole}, own)
        helped = create(control_plane, namespace, pod)
        alone = create(control_plane, namespace, {**pod, "metadata": {"name": f"alone-{number}"}})
        assert [each["name"] for each in helped["spec"]["initContainers"]] == ["m365-preflight", "m365-token-endpoint"]
        assert helped["status"]["qosClass"] == alone["status"]["qosClass"]
        for name in ({*whole.get("limits", ()), *whole.get("requests", ())}) & {"cpu", "memory"}:
            requests = helped["spec"]["resources"]["requests"]
            assert requests[name] == alone["spec"]["resources"]["requests"][name]


def test_helpers_change_no_class_and_fit_a_quota_and_a_limit_range(
    control_plane: Cluster, namespace: str, another_webhook: Callable[..., Running]
) -> None:
    """Guaranteed stays Guaranteed; under a quota each container needs limits; a LimitRange gives its own defaults."""
    another_webhook("--helper-image", IMAGE)
    make_account(control_plane, namespace)
    path = f"/api/v1/namespaces/{namespace}"
    guaranteed = create(control_plane, namespace, asking("guaranteed", {}, GUARANTEED))
    assert guaranteed["status"]["qosClass"] == "Guaranteed"
    control_plane.api.post(f"{path}/resourcequotas", QUOTA).expect()
    burstable = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "64Mi"}}
    wait_until(lambda: tried(control_plane, namespace).status == 403, "the quota is in force")
    assert create(control_plane, namespace, asking("in-a-quota", {}, burstable))["status"]["qosClass"] == "Burstable"
    control_plane.api.post(f"{path}/limitranges", LIMIT_RANGE).expect()
    wait_until(lambda: gets_defaults(control_plane, namespace), "the LimitRange is in force")
    limited = create(control_plane, namespace, asking("in-a-limit-range", {}))
    assert [each["resources"]["limits"]["memory"] for each in limited["spec"]["initContainers"]] == ["100Mi", "100Mi"]


# Each of these has resources of its own, so the LimitRange adds none, and nothing shows that there is one.
IN_LIMITS: Sequence[Mapping[str, Any]] = (
    {"limits": {"cpu": "200m", "memory": "120Mi"}, "requests": {"cpu": "100m", "memory": "100Mi"}},
    {"limits": {"cpu": "1", "memory": "1Gi"}},
    {"limits": {"cpu": "90m", "memory": "100Mi"}, "requests": {"cpu": "60m", "memory": "80Mi"}},
)


def test_helpers_fit_a_limit_range_that_the_pod_does_not_show(
    control_plane: Cluster, namespace: str, another_webhook: Callable[..., Running]
) -> None:
    """Its minimum, and its ratios of limit and request."""
    another_webhook("--helper-image", IMAGE)
    make_account(control_plane, namespace)
    limits = {"type": "Container", "min": {"cpu": "60m", "memory": "80Mi"}}
    limits["maxLimitRequestRatio"] = {"cpu": "2", "memory": "1.25"}
    document = {**LIMIT_RANGE, "spec": {"limits": [limits]}}
    control_plane.api.post(f"/api/v1/namespaces/{namespace}/limitranges", document).expect()
    path = f"/api/v1/namespaces/{namespace}/pods"
    small = asking("small", {}, {"limits": {"cpu": "10m", "memory": "1Mi"}})
    small["metadata"] = {"name": "small"}
    wait_until(
        lambda: control_plane.api.post(path, small, params={"dryRun": "All"}).status == 403,
        "the LimitRange is in force",
    )
    for number, own in enumerate(IN_LIMITS):
        stored = create(control_plane, namespace, asking(f"limited-{number}", {}, own))
        assert "kubernetes.io/limit-ranger" not in stored["metadata"]["annotations"]
        assert len(stored["spec"]["initContainers"]) == 2


def gets_defaults(cluster: Cluster, namespace: str) -> bool:
    """Whether a pod without resources gets those of the LimitRange.

    kube-apiserver refuses it as long as it knows the quota alone, or learns of the LimitRange after it set defaults.
    """
    answer = tried(cluster, namespace)
    if answer.status == 403:
        return False
    return "resources" in answer.expect().json["spec"]["containers"][0]


def tried(cluster: Cluster, namespace: str) -> Response:
    """What becomes of a pod without resources and helpers."""
    pod = a_pod("asked", labels={})
    return cluster.api.post(f"/api/v1/namespaces/{namespace}/pods", pod, params={"dryRun": "All"})


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

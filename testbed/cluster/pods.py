"""The pod and the ServiceAccount that most tests create, and whether the webhook has injected them."""

from collections.abc import Mapping
from typing import Any

from testbed.cluster.cluster import Cluster

CLIENT_ID = "11111111-2222-3333-4444-555555555555"


TENANT_ID = "contoso.onmicrosoft.com"


LABELLED = {"azure.workload.identity/use": "true"}


def annotated(**annotations: str) -> dict[str, str]:
    """The annotations of the usual ServiceAccount, and `annotations` under the M365 prefix."""
    usual = {
        "azure.workload.identity/client-id": CLIENT_ID,
        "azure.workload.identity/tenant-id": TENANT_ID,
    }
    return usual | {f"m365.workload.identity/{key.replace('_', '-')}": value for key, value in annotations.items()}


def make_account(
    cluster: Cluster, namespace: str, name: str = "terraform", annotations: Mapping[str, str] | None = None
) -> None:
    """Creates a ServiceAccount, with the usual annotations unless others are given."""
    metadata = {"name": name, "annotations": dict(annotated() if annotations is None else annotations)}
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    cluster.api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", body).expect()


def a_pod(name: str = "web", *, account: str = "terraform", labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A pod with one container, labelled unless other labels are given."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(LABELLED if labels is None else labels)},
        "spec": {
            "serviceAccountName": account,
            "automountServiceAccountToken": False,
            "containers": [{"name": "app", "image": "example.test/app:1"}],
        },
    }


def create(cluster: Cluster, namespace: str, pod: Mapping[str, Any]) -> dict[str, Any]:
    """Creates the pod; as it is stored, which the answer says. A moment later a controller may have deleted it."""
    stored: dict[str, Any] = cluster.api.post(f"/api/v1/namespaces/{namespace}/pods", pod).expect().json
    return stored


def environment(container: Mapping[str, Any]) -> dict[str, str | None]:
    """The variables of a container; None for one with valueFrom."""
    return {entry["name"]: entry.get("value") for entry in container.get("env", ())}


def is_untouched(pod: Mapping[str, Any]) -> bool:
    """Whether the pod has no variable, mount or token of an identity, except what the API server adds itself."""
    spec = pod["spec"]
    volumes = spec.get("volumes", ())
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    return not (
        any(name.startswith(("AZURE_", "M365_")) for container in containers for name in environment(container))
        or any(
            "/var/run/secrets/azure" in mount["mountPath"]
            for each in containers
            for mount in each.get("volumeMounts", ())
        )
        or any("projected" in volume and not volume["name"].startswith("kube-api-access-") for volume in volumes)
    )


def is_injected(pod: Mapping[str, Any]) -> bool:
    """Whether every container has the client id and the token's mount."""
    return all(
        environment(container).get("M365_CLIENT_ID") == CLIENT_ID
        and any(mount["mountPath"] == "/var/run/secrets/azure/tokens" for mount in container.get("volumeMounts", ()))
        for container in pod["spec"]["containers"]
    )

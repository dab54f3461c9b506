"""The webhook as a process that a real kube-apiserver calls, with no more rights than it is to have."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from demo.server import Running, running
from tests.cluster.cluster import Cluster
from tests.cluster.registration import OWN_NAMESPACE, webhook_registration

CLIENT_ID = "11111111-2222-3333-4444-555555555555"
TENANT_ID = "contoso.onmicrosoft.com"
LABELLED = {"azure.workload.identity/use": "true"}

# The one rule that reviews need; a test of each scope passes with it, so no more is needed.
_ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "m365-workload-identity"},
    "rules": [{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]}],
}
_BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "m365-workload-identity"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "m365-workload-identity"},
    "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": OWN_NAMESPACE}],
}


@pytest.fixture(scope="session")
def webhook_kubeconfig(control_plane: Cluster) -> Path:
    """The kubeconfig of a user who may read ServiceAccounts and nothing else."""
    if control_plane.api.get(f"/api/v1/namespaces/{OWN_NAMESPACE}").status == 404:
        control_plane.create_namespace(OWN_NAMESPACE)
    for path, document in (("clusterroles", _ROLE), ("clusterrolebindings", _BINDING)):
        control_plane.api.post(f"/apis/rbac.authorization.k8s.io/v1/{path}", document).expect(201, 409)
    return control_plane.kubeconfig_for_account(OWN_NAMESPACE, "default")


@pytest.fixture(scope="module")
def webhook(
    control_plane: Cluster, webhook_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """The webhook in its default scope, called for labelled pods in every namespace."""
    folder = tmp_path_factory.mktemp("webhook")
    with running(folder, ["--kubeconfig", str(webhook_kubeconfig)]) as process:
        with webhook_registration(control_plane.api, process.url, process.authority.encode()):
            yield process


@pytest.fixture
def another_webhook(
    control_plane: Cluster, webhook_kubeconfig: Path, tmp_path: Path
) -> Iterator[Callable[..., Running]]:
    """Starts and registers a webhook with other settings, for the length of a test.

    Not in a module that has `webhook` as well: that one is called until the module's last test ends.
    """
    with ExitStack() as stack:

        def start(*arguments: str, kubeconfig: Path | None = None, **registration: Any) -> Running:
            folder = tmp_path / f"webhook-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            settings = ["--kubeconfig", str(kubeconfig or webhook_kubeconfig), *arguments]
            process = stack.enter_context(running(folder, settings))
            stack.enter_context(
                webhook_registration(control_plane.api, process.url, process.authority.encode(), **registration)
            )
            return process

        yield start


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
    """Creates a ServiceAccount, annotated as usual unless told otherwise."""
    metadata = {"name": name, "annotations": dict(annotated() if annotations is None else annotations)}
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    cluster.api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", body).expect()


def a_pod(name: str = "web", *, account: str = "terraform", labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A pod with one container, labelled unless told otherwise."""
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
    """Creates the pod and reads it back."""
    made = cluster.api.post(f"/api/v1/namespaces/{namespace}/pods", pod).expect().json
    stored: dict[str, Any] = cluster.api.get(f"/api/v1/namespaces/{namespace}/pods/{made['metadata']['name']}").json
    return stored


def environment(container: Mapping[str, Any]) -> dict[str, str | None]:
    """The variables of a container; None for one that is not plain."""
    return {entry["name"]: entry.get("value") for entry in container.get("env", ())}


def is_untouched(pod: Mapping[str, Any]) -> bool:
    """Whether nothing of an identity is in the pod: no variable, no mount, no token but what the API server adds."""
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

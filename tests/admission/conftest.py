"""The webhook as a process that a real kube-apiserver calls, with only the rights that it needs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from demo.server import Running, running
from testbed.cluster.cluster import Cluster
from testbed.cluster.registration import OWN_NAMESPACE, webhook_registration

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

    A module that uses `webhook` must not use it: that one is called until the module's last test ends.
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

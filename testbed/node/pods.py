"""The tests' pods: how they are created, awaited and looked into."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from testbed.cluster.processes import ClusterError
from testbed.node import images
from testbed.node.kind import KindNode
from testbed.node.node import Node

__all__ = [
    "CLIENT_ID",
    "LABELLED",
    "RESTRICTED_CONTAINER",
    "RESTRICTED_POD",
    "TENANT_ID",
    "AnyNode",
    "a_pod",
    "apply",
    "await_by_kubectl",
    "claims",
    "kill",
    "log",
    "make_account",
    "run_to_end",
    "wait_for",
]

AnyNode = Node | KindNode
LABELLED = {"azure.workload.identity/use": "true"}
CLIENT_ID = "22222222-3333-4333-8444-555555555555"
TENANT_ID = "11111111-2222-4333-8444-555555555555"
# What Pod Security `restricted` requires of a pod and of each container.
RESTRICTED_POD = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
RESTRICTED_CONTAINER = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
# Long enough for a machine that is three times as slow, since a wait ends as soon as it can.
POD_SECONDS = 200
PIECE_SECONDS = 100  # of a longer wait: one `kubectl` may take two minutes
ENDED = "jsonpath={.status.containerStatuses[0].state.terminated}"


def a_pod(
    name: str,
    command: Sequence[str],
    *,
    account: str = "default",
    image: str = images.BUSYBOX,
    labels: Mapping[str, str] = LABELLED,
    annotations: Mapping[str, str] | None = None,
    pod: Mapping[str, Any] | None = None,
    restricted: bool = False,
) -> dict[str, Any]:
    """A pod of one container, `main`, that runs a command once. `pod` goes into its spec.

    restricted: with all that Pod Security `restricted` requires.
    """
    main: dict[str, Any] = {"name": "main", "image": image, "imagePullPolicy": "Never", "command": list(command)}
    if restricted:
        main["securityContext"] = RESTRICTED_CONTAINER
    spec = {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "containers": [main],
        **({"securityContext": RESTRICTED_POD} if restricted else {}),
        **(pod or {}),
    }
    metadata = {"name": name, "labels": dict(labels), "annotations": dict(annotations or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def apply(node: AnyNode, namespace: str, *documents: Mapping[str, Any]) -> None:
    """Runs kubectl apply."""
    items = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
    node.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(items))


def await_by_kubectl(node: AnyNode, *arguments: str, seconds: int = POD_SECONDS) -> None:
    """Runs a command of kubectl that waits, `wait` or `rollout status`. Raises ClusterError after so many seconds."""
    for left in range(seconds, 0, -PIECE_SECONDS):
        try:
            node.kubectl(*arguments, f"--timeout={min(left, PIECE_SECONDS)}s")
        except ClusterError:
            if left <= PIECE_SECONDS:
                raise
        else:
            return


def wait_for(node: AnyNode, namespace: str, name: str, condition: str, *, seconds: int = POD_SECONDS) -> dict[str, Any]:
    """The pod, once `kubectl wait --for` has found the condition. Raises ClusterError if it does not."""
    await_by_kubectl(node, "-n", namespace, "wait", f"pod/{name}", f"--for={condition}", seconds=seconds)
    found: dict[str, Any] = node.api.get(f"/api/v1/namespaces/{namespace}/pods/{name}").expect().json
    return found


def log(node: AnyNode, namespace: str, name: str, container: str = "main") -> str:
    """A container's log."""
    return node.kubectl("-n", namespace, "logs", name, f"--container={container}").stdout


def run_to_end(node: AnyNode, namespace: str, pod: Mapping[str, Any], *, seconds: int = POD_SECONDS) -> str:
    """Creates a pod, waits until its command has ended, and returns its log. Raises ClusterError if it failed."""
    name = pod["metadata"]["name"]
    node.api.post(f"/api/v1/namespaces/{namespace}/pods", pod).expect()
    try:
        found = wait_for(node, namespace, name, ENDED, seconds=seconds)
        if code := found["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"]:
            raise ClusterError(f"pod {namespace}/{name}: exit status {code}")
    except ClusterError as error:
        error.add_note(node.kubectl("-n", namespace, "describe", "pod", name, check=False).stdout[-3000:])
        error.add_note(node.kubectl("-n", namespace, "logs", name, "--all-containers", check=False).stdout[-3000:])
        raise
    return log(node, namespace, name)


def kill(node: AnyNode, pod: Mapping[str, Any]) -> None:
    """Sends SIGKILL to the first process of each container of a pod, without a warning."""
    for status in pod["status"]["containerStatuses"]:
        identity = status["containerID"].rpartition("/")[2]
        node.run("ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", identity)


def claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def make_account(node: AnyNode, namespace: str, name: str = "terraform", *, tenant_id: str = TENANT_ID) -> None:
    """Creates a ServiceAccount with the guide's annotations, and a tenant unless that is empty."""
    annotations = {"azure.workload.identity/client-id": CLIENT_ID, "azure.workload.identity/tenant-id": tenant_id}
    annotations = {key: value for key, value in annotations.items() if value}
    metadata = {"name": name, "annotations": annotations}
    apply(node, namespace, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})

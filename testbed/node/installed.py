"""Installs the webhook from manifests/install.yaml, with the images that were built."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from testbed.chart.helm import NAME, NAMESPACE
from testbed.node import images, previous
from testbed.node.images import CHECKOUT
from testbed.node.pods import AnyNode, await_by_kubectl

__all__ = [
    "DEPLOYMENT",
    "NEXT",
    "SELECTOR",
    "apply_plain",
    "await_rollout",
    "install",
    "install_previous",
    "metric",
    "replicas",
    "scale",
    "tag_next",
    "uninstall",
]

PLAIN = "manifests/install.yaml"
DEPLOYMENT = f"deployment/{NAME}"
SELECTOR = f"app.kubernetes.io/name={NAME}"
ROLL_OUT_SECONDS = 200
HELPER_FLAG = "--helper-image="
# The same image with another tag: another image to Kubernetes.
NEXT = images.WEBHOOK.rpartition(":")[0] + ":next"


def plain(text: str, image: str) -> list[dict[str, Any]]:
    """The manifests of a repository with two other images: `image`, and a helper that trusts the emulator."""
    documents = [document for document in yaml.safe_load_all(text) if document]
    deployment = next(document for document in documents if document["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["image"] = image
    helper = next(index for index, flag in enumerate(container["args"]) if flag.startswith(HELPER_FLAG))
    container["args"][helper] = HELPER_FLAG + images.TESTS
    return documents


def install(node: AnyNode) -> None:
    """Runs kubectl apply, and waits until every replica is ready."""
    apply_plain(node)
    await_rollout(node)


def install_previous(node: AnyNode) -> None:
    """Does the same with the manifests and the image of the release before this one."""
    apply_documents(node, plain(previous.text(PLAIN), images.PREVIOUS))
    await_rollout(node)


def apply_plain(node: AnyNode) -> None:
    """Runs kubectl apply, and does not wait for the replicas."""
    apply_documents(node, plain((CHECKOUT / PLAIN).read_text(encoding="utf-8"), images.WEBHOOK))


def apply_documents(node: AnyNode, documents: list[dict[str, Any]]) -> None:
    """Runs kubectl apply with manifests."""
    node.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))


def uninstall(node: AnyNode) -> None:
    """Uninstalls as docs/install.md says."""
    node.kubectl("delete", f"mutatingwebhookconfiguration/{NAME}")
    node.kubectl("delete", "--ignore-not-found", "-f", str(CHECKOUT / PLAIN), "--timeout=100s")


def tag_next(node: AnyNode) -> None:
    """Tags the webhook's image on the node as NEXT."""
    node.run("ctr", "--namespace", "k8s.io", "images", "tag", "--force", images.WEBHOOK, NEXT)


def await_rollout(node: AnyNode) -> None:
    """Waits until every replica is of the newest template and ready. Raises ClusterError after three minutes."""
    await_by_kubectl(node, "-n", NAMESPACE, "rollout", "status", DEPLOYMENT, seconds=ROLL_OUT_SECONDS)


def scale(node: AnyNode, replicas: int) -> None:
    """Scales to so many replicas, and waits until they are ready."""
    node.kubectl("-n", NAMESPACE, "scale", DEPLOYMENT, f"--replicas={replicas}")
    await_rollout(node)
    if not replicas:
        await_by_kubectl(node, "-n", NAMESPACE, "wait", "pod", f"--selector={SELECTOR}", "--for=delete")


def replicas(node: AnyNode) -> list[dict[str, Any]]:
    """The pods of the webhook that are not being deleted."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    pods = node.api.get(path, params={"labelSelector": SELECTOR}).expect().json["items"]
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def metric(node: AnyNode, pod: str, name: str) -> list[float]:
    """The values of a metric of one replica, one for each set of labels."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics"
    text = node.api.get(path).expect().body.decode()
    return [float(found[1]) for found in re.finditer(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)]

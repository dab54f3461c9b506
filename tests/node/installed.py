"""The webhook as it is installed: manifests/install.yaml, with the images that were built."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tests.chart.helm import NAME, NAMESPACE
from tests.node import images
from tests.node.pods import AnyNode

__all__ = [
    "DEPLOYMENT",
    "NEXT",
    "SELECTOR",
    "install",
    "metric",
    "replicas",
    "rolled_out",
    "scale",
    "tag_next",
    "uninstall",
]

PLAIN = Path(__file__).parents[2] / "manifests/install.yaml"
DEPLOYMENT = f"deployment/{NAME}"
SELECTOR = f"app.kubernetes.io/name={NAME}"
ROLL_OUT_SECONDS = 110
HELPER_FLAG = "--helper-image="
# The same image by another tag, which to Kubernetes is another image.
NEXT = images.WEBHOOK.rpartition(":")[0] + ":next"


def plain() -> list[dict[str, Any]]:
    """The manifests as they are in the repository, but for the images: ours, and a helper that trusts the emulator."""
    documents = [document for document in yaml.safe_load_all(PLAIN.read_text(encoding="utf-8")) if document]
    deployment = next(document for document in documents if document["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["image"] = images.WEBHOOK
    helper = next(index for index, flag in enumerate(container["args"]) if flag.startswith(HELPER_FLAG))
    container["args"][helper] = HELPER_FLAG + images.TESTS
    return documents


def install(node: AnyNode) -> None:
    """kubectl apply, and every replica ready: with a certificate that kube-apiserver trusts."""
    node.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": plain()}))
    rolled_out(node)


def uninstall(node: AnyNode) -> None:
    """As docs/install.md says."""
    node.kubectl("delete", f"mutatingwebhookconfiguration/{NAME}")
    node.kubectl("delete", "--ignore-not-found", "-f", str(PLAIN), "--timeout=100s")


def tag_next(node: AnyNode) -> None:
    """Gives the node the image NEXT."""
    node.run("ctr", "--namespace", "k8s.io", "images", "tag", "--force", images.WEBHOOK, NEXT)


def rolled_out(node: AnyNode) -> None:
    """Returns once every replica is of the newest template and ready. Raises ClusterError after two minutes."""
    node.kubectl("-n", NAMESPACE, "rollout", "status", DEPLOYMENT, f"--timeout={ROLL_OUT_SECONDS}s")


def scale(node: AnyNode, replicas: int) -> None:
    """Has so many replicas, and returns when there are."""
    node.kubectl("-n", NAMESPACE, "scale", DEPLOYMENT, f"--replicas={replicas}")
    rolled_out(node)
    if not replicas:
        wait = ("--for=delete", f"--timeout={ROLL_OUT_SECONDS}s")
        node.kubectl("-n", NAMESPACE, "wait", "pod", f"--selector={SELECTOR}", *wait)


def replicas(node: AnyNode) -> list[dict[str, Any]]:
    """The pods of the webhook that are not on their way out."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    pods = node.api.get(path, params={"labelSelector": SELECTOR}).expect().json["items"]
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def metric(node: AnyNode, pod: str, name: str) -> list[float]:
    """The values of a metric of one replica, one for each set of labels."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics"
    text = node.api.get(path).expect().body.decode()
    return [float(found[1]) for found in re.finditer(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)]

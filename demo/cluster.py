"""The demo through a real control plane, with kubectl."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.sent import Sent
from demo.server import running
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.registration import webhook_registration


class ClusterDemo:
    """A control plane with the webhook registered."""

    def __init__(self, cluster: ControlPlane) -> None:
        self._cluster = cluster

    @classmethod
    @contextmanager
    def started(cls, folder: Path) -> Iterator["ClusterDemo"]:
        """A control plane until the end of the block; the webhook's files go to `folder`."""
        with ControlPlane() as cluster, running(folder, ["--kubeconfig", str(cluster.kubeconfig)]) as webhook:
            with webhook_registration(cluster.api, webhook.url, webhook.authority.encode()):
                print(f"Kubernetes {cluster.name} runs at {cluster.api.server}, and calls {webhook.url}.\n")
                yield cls(cluster)

    def apply(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """kubectl apply."""
        for document in documents:
            self._cluster.kubectl("apply", "-f", "-", input=json.dumps(document))

    def create(self, pod: Mapping[str, Any]) -> Sent:
        """kubectl create; the pod as kube-apiserver stored it, without kube-apiserver's own defaults."""
        done = self._cluster.kubectl("create", "-f", "-", input=json.dumps(pod), check=False)
        said = done.stderr.strip().splitlines()
        if done.returncode:
            return Sent(None, said)
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        stored = json.loads(self._cluster.kubectl("get", "pod", name, "-n", namespace, "-o", "json").stdout)
        return Sent(only_what_was_added(pod, stored), said)


def only_what_was_added(pod: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """`pod` with the variables, mounts and volumes of `stored`, but without the many defaults of Kubernetes."""
    result: dict[str, Any] = json.loads(json.dumps(pod))
    result["spec"]["volumes"] = _as_written(result["spec"].get("volumes", []), stored["spec"]["volumes"])
    for before, after in zip(result["spec"]["containers"], stored["spec"]["containers"], strict=True):
        before["volumeMounts"] = _as_written(before.get("volumeMounts", []), after["volumeMounts"])
        before["env"] = after["env"]
    return result


def _as_written(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`after` without Kubernetes' own token; entries of `before` keep their order of keys."""
    written = {_key(each): each for each in before}
    return [written.get(_key(each), each) for each in after if not each["name"].startswith("kube-api")]


def _key(entry: Mapping[str, Any]) -> tuple[str, str]:
    """The key of a volume or a mount: the path is part of it, since a volume may be mounted more than once."""
    return entry["name"], entry.get("mountPath", "")

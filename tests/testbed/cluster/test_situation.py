"""What an error says when a wait has failed: of workloads, pods, events and nodes, on a cluster that runs none."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from testbed.chart.helm import Refused, helm
from testbed.cluster.api import Api, Response
from testbed.cluster.cluster import Cluster
from testbed.cluster.processes import ClusterError, wait_until
from testbed.cluster.situation import describe, describe_at, namespace_of

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "templates/web.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers: [{name: main, image: "example.test/app:not-there"}]
""",
}


def make_chart(folder: Path) -> Path:
    """A Deployment that no node runs."""
    for name, text in CHART.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_helm_ends_by_itself_and_its_error_has_what_it_waited_for(
    control_plane: Cluster, namespace: str, tmp_path: Path
) -> None:
    """And kubectl does: the Deployment, its ReplicaSet, its pods, with numbers, images and the latest events."""
    if not control_plane.has_controllers:
        pytest.skip("no controller creates the pods")
    where = ("install", "web", str(make_chart(tmp_path)), "--namespace", namespace)
    with pytest.raises(Refused, match=r"Deployment/.*/web not ready") as refused:
        helm(*where, "--wait", "--timeout=5s", kubeconfig=control_plane.kubeconfig)
    with pytest.raises(ClusterError, match="timed out") as waited:
        control_plane.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=1s")
    for error in (refused.value, waited.value):
        (said,) = error.__notes__
        assert f"What namespace {namespace} has:" in said
        assert "deployment web (example.test/app:not-there): 2 wanted; " in said
        assert "Available=False MinimumReplicasUnavailable" in said
        assert "replicaset web-" in said
        assert said.count("Pending on no node") == 2
        assert "Normal SuccessfulCreate ReplicaSet/web-" in said


def test_a_refusal_that_is_no_waiting_in_vain_is_short(control_plane: Cluster, tmp_path: Path) -> None:
    """It says all there is to say."""
    where = ("install", "web", str(make_chart(tmp_path)), "--namespace", "absent", "--wait")
    with pytest.raises(Refused, match="not found") as refused:
        helm(*where, kubeconfig=control_plane.kubeconfig)
    assert not hasattr(refused.value, "__notes__")


def test_a_container_that_cannot_start_says_why(control_plane: Cluster, namespace: str) -> None:
    """The image that cannot be had, and what the container said before it was started again."""
    api = control_plane.api
    pods = f"/api/v1/namespaces/{namespace}/pods"
    for name in ("web", "well"):
        spec = {"containers": [{"name": "main", "image": "example.test/app:1"}]}
        api.post(pods, {"metadata": {"name": name}, "spec": spec}).expect()
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such tag"}}
    running = {"running": {"startedAt": "2030-01-01T00:00:00Z"}}
    set_status(api, f"{pods}/web", waiting, ready=False)
    set_status(api, f"{pods}/well", running, ready=True)
    wait_until(lambda: "no such tag" in describe(api, namespace), "the state of the container", seconds=20)
    said = describe(api, namespace)
    assert "container main: not ready, 0 restarts, waiting reason=ErrImagePull message=no such tag" in said
    assert "container main: ready, 0 restarts, running startedAt=2030-01-01T00:00:00Z" in said
    assert "Ready=False ContainersNotReady: containers with unready status: [main]" in said
    assert "cannot be read" not in said


def set_status(api: Api, pod: str, state: dict[str, Any], *, ready: bool) -> None:
    """What a kubelet would do."""
    one = {"name": "main", "image": "example.test/app:1", "imageID": "", "ready": ready, "restartCount": 0}
    condition = {"type": "Ready", "status": str(ready)}
    if not ready:
        condition |= {"reason": "ContainersNotReady", "message": "containers with unready status: [main]"}
    status = {"phase": "Running", "conditions": [condition], "containerStatuses": [{**one, "state": state}]}
    api.patch(f"{pod}/status", {"status": status}).expect()


def test_a_pod_that_runs_and_is_not_ready_is_asked_itself() -> None:
    """`/readyz` of its port for probes, and the ends of its logs, of this run and the one before."""

    class Answers:
        """Everything about one pod that was started twice."""

        def get(self, path: str, params: dict[str, str] | None = None) -> Response:
            if path.endswith(":8080/proxy/readyz"):
                return answer("[-] certificates: no authority\n", 503)
            if path.endswith("/log"):
                return answer("before\n" if params and params.get("previous") else "now\n")
            if not path.endswith("/pods"):
                return answer('{"items": []}')
            ports = [{"name": "operations", "containerPort": 8080}]
            container = {"name": "webhook", "ready": False, "restartCount": 1, "state": {"running": {}}}
            pod = {
                "metadata": {"name": "webhook-1", "creationTimestamp": "2030-01-01T00:00:00Z"},
                "spec": {"nodeName": "one", "containers": [{"name": "webhook", "ports": ports}]},
                "status": {"phase": "Running", "containerStatuses": [container]},
            }
            return answer(json.dumps({"items": [pod]}))

    said = describe(Answers(), "m365")  # type: ignore[arg-type]  # only `get` is called
    assert "/readyz: 503\n        [-] certificates: no authority" in said
    assert "its log ends with\n        now" in said
    assert "its log before the last start ends with\n        before" in said


def answer(text: str, status: int = 200) -> Response:
    """Of an API server."""
    return Response(status, http.client.HTTPMessage(), text.encode())


def test_an_api_server_that_is_away_is_told_instead(tmp_path: Path) -> None:
    """The error that is explained must not give way to another one."""

    class Away:
        """No server."""

        def get(self, *_: Any, **__: Any) -> Response:
            raise ConnectionRefusedError

    assert describe(Away(), "m365").count("cannot be read: ConnectionRefusedError()") == 4  # type: ignore[arg-type]
    assert "cannot be used" in describe_at(tmp_path / "kubeconfig", "m365")


@pytest.mark.parametrize(
    ("arguments", "namespace"),
    [
        (["-n", "shop", "get", "pods"], "shop"),
        (["upgrade", "web", ".", "--namespace", "shop"], "shop"),
        (["get", "pods", "--namespace=shop"], "shop"),
        (["get", "nodes"], "default"),
    ],
)
def test_the_namespace_is_that_of_the_command(arguments: list[str], namespace: str) -> None:
    """As kubectl and Helm read it."""
    assert namespace_of(arguments) == namespace

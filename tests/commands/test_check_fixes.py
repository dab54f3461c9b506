"""`m365wi check` of faults made on a real cluster: its fix is followed to the letter, then it is asked again."""

import json
import os
import secrets
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.server import running
from testbed.chart.helm import CHART, binary, helm
from testbed.cluster.cluster import Cluster
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.pods import a_pod, make_account
from testbed.cluster.processes import free_ports, wait_until
from testbed.cluster.registration import CONFIGURATIONS, settle
from tests.commands.live import Ran, authority, check, pair, registered, run
from tests.commands.test_check_cluster import OUR_SERVICE, bound_role, calls, make_service
from webhook.checks.service_ports import ready_endpoints

ROOT = Path(__file__).parents[2]
APPS = "/apis/apps/v1"
NODE = "not-running"  # pods without a node are not endpoints


pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("fixes")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """A cluster whose Services have addresses of loopback, so that something can answer there without a node."""
    with ControlPlane(apiserver_flags=["--service-cluster-ip-range=127.64.0.0/16"]) as control_plane:
        control_plane.api.post("/api/v1/nodes", {"metadata": {"name": NODE}}).expect()
        yield control_plane


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of workloads."""
    name = cluster.create_namespace(f"test-{secrets.token_hex(4)}")
    yield name
    cluster.delete_namespace(name)


@pytest.fixture
def own(cluster: Cluster) -> Iterator[str]:
    """The namespace of the webhook."""
    name = cluster.create_namespace(f"webhook-{secrets.token_hex(4)}")
    yield name
    cluster.delete_namespace(name)


def follow(cluster: Cluster, finding: str) -> None:
    """Runs the commands of a finding's fix as they are printed."""
    commands = finding.rpartition("fix: ")[2].split("; ")
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "kubectl", finding
        cluster.kubectl(*arguments)


def make_replica_ready(cluster: Cluster, own: str) -> bool:
    """What a kubelet would do, without a node; whether there was a pod."""
    pods = f"/api/v1/namespaces/{own}/pods"
    items = [pod for pod in cluster.api.get(pods).expect().json["items"] if "deletionTimestamp" not in pod["metadata"]]
    for pod in items:
        ready = {
            "conditions": [{"type": "Ready", "status": "True"}],
            "podIP": "192.0.2.1",
            "podIPs": [{"ip": "192.0.2.1"}],
        }
        status = {"status": {"phase": "Running", **ready}}
        cluster.api.patch(f"{pods}/{pod['metadata']['name']}/status", status).expect()
    return bool(items)


@contextmanager
def installed(cluster: Cluster, own: str, folder: Path, *, node: str = NODE, **entry: Any) -> Iterator[None]:
    """A webhook that kube-apiserver calls by a Service, and that answers whatever becomes of its endpoints.

    node: where its pods are. entry: what is changed in the entries of its configuration.
    """
    labels, (port,) = {"app": "webhook"}, free_ports(1)
    pod = a_pod(account="default", labels=labels)
    pod["spec"]["containers"][0]["ports"] = [{"name": "webhook", "containerPort": port}]
    template = {"metadata": {"labels": labels}, "spec": {**pod["spec"], "nodeName": node}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    cluster.api.post(f"{APPS}/namespaces/{own}/deployments", {"metadata": {"name": "hook"}, "spec": spec}).expect()
    wait_until(lambda: make_replica_ready(cluster, own), "the replica")
    signer, served = authority(), folder / "served.pem"
    make_service(cluster, own, ports=[{"port": port}])
    service = cluster.api.get(f"/api/v1/namespaces/{own}/services/{OUR_SERVICE}").expect().json
    served.write_bytes(pair(signer, f"{OUR_SERVICE}.{own}.svc").private_pem())
    flags = ("--kubeconfig", str(cluster.kubeconfig), "--tls-cert", str(served))

    def change(document: dict[str, Any]) -> None:
        calls(own, port=port)(document)
        document.update(entry)

    with running(folder, [*flags, "--listen", f"{service['spec']['clusterIP']}:{port}"], port=port):
        with registered(cluster.api, "https://x/", signer.pem.encode(), change=change):
            yield


def test_an_old_connection_hides_neither_a_wrong_selector_nor_that_nothing_runs(
    cluster: Cluster, namespace: str, own: str, tmp_path: Path
) -> None:
    """Each is told from the other, although calls still succeed, and each has its own fix."""
    service, done = f"/api/v1/namespaces/{own}/services/{OUR_SERVICE}", Ran(0, "", "")

    def code(wanted: int) -> bool:
        nonlocal done
        make_replica_ready(cluster, own)
        done = check(cluster, namespace)
        return done.code == wanted

    with installed(cluster, own, tmp_path):
        wait_until(lambda: code(0), "endpoints")
        assert done.out.endswith("All is well.\n")
        cluster.api.patch(service, {"spec": {"selector": {"app": "nobody"}}}).expect()
        wait_until(lambda: code(1), "no endpoints")
        assert "is injected" in done.finding("call", "ok")
        found = done.finding("webhook")
        assert "its selector (app=nobody) does not select the 1 ready pods of Deployment hook" in found
        follow(cluster, found)
        wait_until(lambda: code(0), "endpoints")
        assert done.out.endswith("All is well.\n")

        cluster.kubectl("scale", "deployment", "hook", "-n", own, "--replicas=0")
        wait_until(lambda: code(1), "no endpoints")
        found = done.finding("webhook")
        assert "no ready endpoints; Deployment hook is scaled to 0" in found
        follow(cluster, found)
        wait_until(lambda: code(0), "endpoints")


def test_a_service_that_leads_elsewhere_is_named(cluster: Cluster, namespace: str, own: str, tmp_path: Path) -> None:
    """To a port that the pods do not have, or to another one: an old connection hides either. So no selector."""

    def check_until(code: int, end: str = "") -> Ran:
        done = Ran(0, "", "")

        def so() -> bool:
            nonlocal done
            make_replica_ready(cluster, own)
            done = check(cluster, namespace)
            return done.code == code and done.out.endswith(end)

        wait_until(so, f"exit code {code}")
        return done

    with installed(cluster, own, tmp_path):
        check_until(0, "All is well.\n")
        for target in ("nothing", 8080):
            patch = [{"op": "replace", "path": "/spec/ports/0/targetPort", "value": target}]
            cluster.kubectl("patch", "service", OUR_SERVICE, "-n", own, "--type=json", "-p", json.dumps(patch))
            found = check_until(1).finding("webhook")
            assert f"goes to port {target} of the pods, and the webhook listens at " in found
            follow(cluster, found)
            check_until(0, "All is well.\n")
        patch = [{"op": "remove", "path": "/spec/selector"}]
        cluster.kubectl("patch", "service", OUR_SERVICE, "-n", own, "--type=json", "-p", json.dumps(patch))
        found = check_until(0, "should look at the warnings.\n").finding("webhook", "warn")
        assert "[WI667]" in found
        follow(cluster, found)
        check_until(0, "All is well.\n")


def test_pods_whose_service_account_was_made_again_are_not_signed_in(
    cluster: Cluster, namespace: str, own: str, tmp_path: Path
) -> None:
    """Their tokens ended with the first one, although both have the same name."""
    account = f"/api/v1/namespaces/{own}/serviceaccounts/default"

    def made_again() -> bool:
        """The controller makes it at once; times of the API server are whole seconds."""
        cluster.api.delete(account).expect(200, 404)
        return "are not signed in to the API server: their ServiceAccount default" in check(cluster, namespace).out

    def well() -> bool:
        make_replica_ready(cluster, own)
        return check(cluster, namespace).out.endswith("All is well.\n")

    with installed(cluster, own, tmp_path):
        wait_until(well, "endpoints")
        wait_until(made_again, "the finding")
        wait_until(lambda: cluster.api.get(account).status == 200, "the ServiceAccount")
        follow(cluster, check(cluster, namespace).finding("webhook"))
        wait_until(well, "new pods")


def test_before_installing_another_webhook_shows_that_services_are_reached(
    cluster: Cluster, namespace: str, own: str, tmp_path: Path
) -> None:
    """It is behind a Service, must answer, and was called for the pod of the dry run."""
    other: dict[str, Any] = {"name": "pods.other.example.com", "objectSelector": {}, "matchConditions": []}
    with installed(cluster, own, tmp_path, **other):
        done = run("check", "--pre", "--own-namespace", namespace, environ={"KUBECONFIG": str(cluster.kubeconfig)})
        assert "[WI691]" in done.finding("network", "ok")
        assert "has called pods.other.example.com" in done.finding("network", "ok")
        assert done.finding("pod", "ok")
    done = run("check", "--pre", "--own-namespace", namespace, environ={"KUBECONFIG": str(cluster.kubeconfig)})
    assert "[WI692]" in done.finding("network", "skip")


def test_replicas_are_counted_by_their_version(cluster: Cluster, namespace: str, own: str, tmp_path: Path) -> None:
    """During a roll-out two versions answer, each counted; afterwards one."""
    pods, labels = f"/api/v1/namespaces/{own}/pods", {"app": "webhook"}

    def report() -> Any:
        return check(cluster, namespace, "-A", "-o", "json").json

    def codes(found: Any) -> set[str]:
        return {each["code"] for each in found["findings"]} & {"WI763", "WI764"}

    with installed(cluster, own, tmp_path):
        (old,) = cluster.api.get(pods).expect().json["items"]
        version = {"metadata": {"labels": {"app.kubernetes.io/version": "0.1.0"}}}
        cluster.api.patch(f"{pods}/{old['metadata']['name']}", version).expect()
        new = a_pod("new", account="default", labels={**labels, "app.kubernetes.io/version": "0.2.0"})
        new["spec"]["nodeName"] = NODE
        cluster.api.post(pods, new).expect()
        found = report()
        assert (codes(found), found["versions"]) == ({"WI763"}, {"0.1.0": 1}), "a replica that is not ready counts"
        assert make_replica_ready(cluster, own)
        found = report()
        assert (codes(found), found["versions"]) == ({"WI764"}, {"0.1.0": 1, "0.2.0": 1})
        (differ,) = (each for each in found["findings"] if each["code"] == "WI764")
        assert "0.1.0 (1), 0.2.0 (1)" in differ["detail"]
        assert f"kubectl get pods -n {own} --show-labels" in differ["fix"]
        cluster.api.delete(f"{pods}/new").expect()


def test_a_deleted_configuration_is_restored_by_the_release(cluster: Cluster, namespace: str, own: str) -> None:
    """Which release that is stands on the Service. tests/node has what needs replicas that answer."""
    helm("install", "hook", str(CHART), "--namespace", own, kubeconfig=cluster.kubeconfig)
    names = ("--own-namespace", own)
    there = "has labelled.m365.workload.identity"
    try:
        assert there in check(cluster, namespace, *names).finding("configuration", "ok")
        cluster.api.delete(f"{CONFIGURATIONS}/{OUR_SERVICE}").expect()
        settle(cluster.api)
        found = check(cluster, namespace, *names).finding("configuration")
        command = shlex.split(found.partition("fix: ")[2].partition(" (")[0])
        assert command[:3] == ["helm", "upgrade", "hook"]
        environ = {"PATH": os.environ["PATH"], "HOME": str(cluster.directory), "KUBECONFIG": str(cluster.kubeconfig)}
        subprocess.run([binary(), *command[1:]], cwd=ROOT, env=environ, check=True, capture_output=True, timeout=100)
        settle(cluster.api)
        assert there in check(cluster, namespace, *names).finding("configuration", "ok")
    finally:
        helm("uninstall", "hook", "--namespace", own, kubeconfig=cluster.kubeconfig)


def test_a_node_that_does_not_report_is_named(cluster: Cluster, namespace: str, own: str, tmp_path: Path) -> None:
    """The kubelet has gone, and the control plane no longer counts its pods as ready. Their logs say nothing."""
    pods, unknown = (
        f"/api/v1/namespaces/{own}/pods",
        {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"},
    )
    # Of its own: once a node was ready, a controller says that its pods are not, a minute after its last word.
    node = f"node-{own}"
    cluster.api.post("/api/v1/nodes", {"metadata": {"name": node}}).expect()

    def reports(ready: dict[str, str]) -> None:
        """What the kubelet, or the node controller in its place, writes."""
        cluster.api.patch(f"/api/v1/nodes/{node}/status", {"status": {"conditions": [ready]}}).expect()

    with installed(cluster, own, tmp_path, node=node):
        wait_until(lambda: check(cluster, namespace).code == 0, "endpoints")
        reports(unknown)
        (pod,) = cluster.api.get(pods).expect().json["items"]
        status = {"conditions": [{"type": "Ready", "status": "False"}], "phase": "Running"}
        cluster.api.patch(f"{pods}/{pod['metadata']['name']}/status", {"status": status}).expect()
        wait_until(lambda: check(cluster, namespace).code == 1, "no endpoints")
        found = check(cluster, namespace).finding("webhook")
        assert f"its node {node} is not ready (NodeStatusUnknown)" in found
        assert f"fix: kubectl describe node {node}; " in found
        follow(cluster, found)
        reports({"type": "Ready", "status": "True"})
        assert make_replica_ready(cluster, own)
        wait_until(lambda: check(cluster, namespace).out.endswith("All is well.\n"), "endpoints")


def test_a_network_policy_is_named_if_connections_are_dropped(cluster: Cluster, namespace: str, own: str) -> None:
    """Of those in the webhook's namespace, the ones that decide who may connect to its pods."""
    (port,), labels = free_ports(1), {"app": "webhook"}
    make_service(cluster, own, ports=[{"port": port}], selector=labels)
    make_account(cluster, own, "webhook", annotations={})
    pod = a_pod("webhook-0", account="webhook", labels=labels)
    pod["spec"]["nodeName"] = NODE
    cluster.api.post(f"/api/v1/namespaces/{own}/pods", pod).expect()
    wait_until(lambda: make_replica_ready(cluster, own), "the replica")
    policies = f"/apis/networking.k8s.io/v1/namespaces/{own}/networkpolicies"
    for name, selector in (("deny-all", {}), ("others", {"matchLabels": {"app": "other"}})):
        spec = {"podSelector": selector, "policyTypes": ["Ingress"]}
        cluster.api.post(policies, {"metadata": {"name": name}, "spec": spec}).expect()
    address = cluster.api.get(f"/api/v1/namespaces/{own}/services/{OUR_SERVICE}").expect().json["spec"]["clusterIP"]
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{own}/endpointslices"
    change = calls(own, port=port)
    with bound_role(cluster, own), socket.create_server((address, port)):
        with registered(cluster.api, "https://x/", change=change, timeout_seconds=1):
            wait_until(lambda: ready_endpoints(cluster.api.get(slices).expect().json["items"]) == 1, "it")
            found = check(cluster, namespace).finding("call")
    assert "did not answer within 1 s; all its pods are ready" in found
    assert f"answer, here: kubectl describe networkpolicy -n {own} deny-all;" in found

"""The chart on a node, as docs/install.md says: installed, tested, upgraded under way, uninstalled; each scope."""

from __future__ import annotations

import base64
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

from testbed.chart.helm import NAME, NAMESPACE
from testbed.cluster.processes import ClusterError, wait_until
from testbed.node.images import CHECKOUT
from testbed.node.installed import NEXT, replicas, tag_next
from testbed.node.pods import LABELLED, AnyNode, a_pod, await_by_kubectl, make_account, run_to_end
from testbed.node.release import Release
from testbed.node.traffic import Creates

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

CONFIGURATION = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{NAME}"
OPTED_OUT = {"azure.workload.identity/use": "false"}
PROBED_AFTER = 3.0  # seconds: initialDelaySeconds of the startup probe in the chart
SAY = ["sh", "-c", 'echo "$M365_TENANT_ID"']


def tenant(node: AnyNode, namespace: str, name: str, labels: dict[str, str]) -> str:
    """The tenant that a pod of the ServiceAccount `terraform` is given; "" for none."""
    return run_to_end(node, namespace, a_pod(name, SAY, account="terraform", labels=labels)).strip()


def trusted(node: AnyNode) -> list[str]:
    """The authorities that kube-apiserver knows the webhook by."""
    webhooks = node.api.get(CONFIGURATION).expect().json["webhooks"]
    return [each["clientConfig"]["caBundle"] for each in webhooks]


def warnings(node: AnyNode) -> list[str]:
    """The events of the webhook's namespace that are warnings, without those for which the webhook is not to blame.

    That is a node without DNS, and a machine so slow that a replica listens only after its first probe.
    """
    events = node.api.get(f"/api/v1/namespaces/{NAMESPACE}/events").expect().json["items"]
    found = [each for each in events if each["type"] == "Warning" and each["reason"] != "MissingClusterDNS"]
    late = {pod["metadata"]["name"] for pod in replicas(node) if seconds_to_listen(node, pod) >= PROBED_AFTER}
    return [
        f"{each['reason']}: {each['message']}"
        for each in found
        if not (each["message"].startswith("Startup probe failed") and each["involvedObject"]["name"] in late)
    ]


def seconds_to_listen(node: AnyNode, pod: dict[str, Any]) -> float:
    """From the start of a replica's container, which has no fractions, to its log line `listening`."""
    started = datetime.fromisoformat(pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"])
    log = node.kubectl("logs", pod["metadata"]["name"], "-n", NAMESPACE, "--timestamps").stdout
    line = next(each for each in log.splitlines() if '"listening"' in each)
    return (datetime.fromisoformat(line.split()[0]) - started).total_seconds()


def test_installed_tested_upgraded_and_uninstalled(release: Release, namespace: str) -> None:
    """The upgrade, to another image and a default tenant, fails no create and leaves caBundle alone."""
    node = release.node
    make_account(node, namespace)
    make_account(node, namespace, "nowhere", tenant_id="")
    release.install()
    assert warnings(node) == []
    assert "Succeeded" in release.test()
    await_well(node, namespace)
    assert run_to_end(node, namespace, a_pod("early", SAY, account="nowhere")).strip() == ""
    before = trusted(node)
    old = [f"pod/{pod['metadata']['name']}" for pod in replicas(node)]
    tag_next(node)
    with Creates(node, namespace, "terraform") as creates:
        creates.await_more(50)
        release.upgrade(tenantId="contoso.onmicrosoft.com", image={"tag": NEXT.rpartition(":")[2]})
        creates.await_more(50)
    assert not creates.failed
    assert trusted(node) == before
    assert {pod["spec"]["containers"][0]["image"] for pod in replicas(node)} == {NEXT}
    await_by_kubectl(node, "-n", NAMESPACE, "wait", *old, "--for=delete")  # till then they may answer
    said = run_to_end(node, namespace, a_pod("later", SAY, account="nowhere"))
    assert said.strip() == "contoso.onmicrosoft.com"
    release.uninstall()
    release.await_removal()
    assert tenant(node, namespace, "afterwards", LABELLED) == ""


def await_well(node: AnyNode, namespace: str) -> None:
    """Waits until `webhook check` of the ServiceAccount `terraform` finds nothing wrong."""

    def is_well() -> bool:
        done = checked(node, namespace)
        if done.returncode:
            raise ClusterError(done.stdout + done.stderr)
        return True

    wait_until(is_well, "check finds nothing wrong")


def checked(node: AnyNode, namespace: str) -> subprocess.CompletedProcess[str]:
    """`webhook check` of the ServiceAccount `terraform`."""
    command = [sys.executable, "-m", "webhook", "check", "-n", namespace, "--service-account", "terraform"]
    command += ["--kubeconfig", str(node.kubeconfig)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)


def test_installed_again_while_replicas_of_the_release_before_drain(release: Release) -> None:
    """They put nothing of theirs into the new Secret and the new caBundle, so the new replicas are ready at once."""
    node = release.node
    release.install(extraEnv=[{"name": "M365WI_INTERVAL", "value": "1s"}], preStopSeconds=20)
    (before,) = trusted(node)
    old = [f"pod/{pod['metadata']['name']}" for pod in replicas(node)]
    release.uninstall()
    node.kubectl("-n", NAMESPACE, "get", *old)  # they drain for 20 s, else nothing is tested
    release.install()
    (after,) = trusted(node)
    assert count(after) == 1
    assert after != before


def count(bundle: str) -> int:
    """How many certificates a caBundle has."""
    return base64.b64decode(bundle).count(b"BEGIN CERTIFICATE")


def test_the_plain_manifests_leave_nothing_behind(bare: AnyNode) -> None:
    """docs/install.md says how they are taken away; `bare` has just done that."""
    Release(bare).await_removal()


def test_scope_namespace_label(release: Release, namespace: str) -> None:
    """Every pod of a labelled namespace, unless it opts out; elsewhere labelled ones."""
    node = release.node
    release.install(scope="namespace-label", tenantId="contoso.onmicrosoft.com")
    inside = node.create_namespace(labels={"m365.workload.identity/inject": "true"})
    for place in (inside, namespace):
        make_account(node, place, tenant_id="")
    try:
        assert tenant(node, inside, "plain", {}) == "contoso.onmicrosoft.com"
        assert tenant(node, inside, "out", OPTED_OUT) == ""
    finally:
        node.delete_namespace(inside)
    assert tenant(node, namespace, "labelled", LABELLED) == "contoso.onmicrosoft.com"
    assert tenant(node, namespace, "plain", {}) == ""


def test_on_the_nodes_network(release: Release, namespace: str) -> None:
    """As docs/install.md says: the namespace lets it, a node has one replica, and a roll-out finds the ports free."""
    node = release.node
    node.kubectl("label", "--overwrite", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=privileged")
    make_account(node, namespace, tenant_id="")
    release.install(hostNetwork=True, replicas=1, tenantId="contoso.onmicrosoft.com")
    assert [pod["status"]["podIP"] for pod in replicas(node)] == [pod["status"]["hostIP"] for pod in replicas(node)]
    assert tenant(node, namespace, "early", LABELLED) == "contoso.onmicrosoft.com"
    release.upgrade(tenantId="fabrikam.onmicrosoft.com")
    assert tenant(node, namespace, "later", LABELLED) == "fabrikam.onmicrosoft.com"


def test_scope_cluster(release: Release, namespace: str) -> None:
    """Every pod of an annotated ServiceAccount, unless it opts out."""
    node = release.node
    release.install(scope="cluster", tenantId="contoso.onmicrosoft.com")
    make_account(node, namespace, tenant_id="")
    assert tenant(node, namespace, "plain", {}) == "contoso.onmicrosoft.com"
    assert tenant(node, namespace, "out", OPTED_OUT) == ""
    other = a_pod("other", SAY, labels={})  # of the ServiceAccount `default`
    assert run_to_end(node, namespace, other).strip() == ""

"""Pods sign in: with the token that the kubelet mounts, by the helper in our image, at an Entra that is a pod, too.

All of it in a namespace that enforces Pod Security `restricted`.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from testbed.chart.helm import template
from testbed.cluster.processes import wait_until
from testbed.node import images
from testbed.node.emulator import CANARY, KNOWN, PREFLIGHT, STRANGER, Emulator
from testbed.node.pods import (
    CLIENT_ID,
    TENANT_ID,
    a_pod,
    apply,
    await_by_kubectl,
    claims,
    log,
    run_to_end,
    wait_for,
)

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

HELPER = ["m365-identity"]
WAIT = "import signal; signal.sigwait([signal.SIGTERM])"
# A program that knows managed identities only; what it gets is the application's own access token.
MANAGED = """
from azure.identity import ManagedIdentityCredential
print(ManagedIdentityCredential().get_token("https://graph.microsoft.com/.default").token)
"""


def helped(name: str, command: list[str], entra: Emulator, **options: Any) -> dict[str, Any]:
    """A pod of the helper's image that can reach the emulator, and trusts it."""
    return a_pod(name, command, image=images.TESTS, pod=entra.pod, restricted=True, **options)


def test_the_doctor_finds_nothing_wrong(entra: Emulator) -> None:
    """In the guide's pod, with the credential that `webhook fic` printed, every check is green."""
    pod = helped("doctor", [*HELPER, "doctor", "-o", "json"], entra, account=KNOWN)
    checks = json.loads(run_to_end(entra.node, entra.namespace, pod))["checks"]
    assert {check["id"] for check in checks} >= {"file", "exchange", "roles", "graph"}
    assert [check for check in checks if check["status"] != "ok"] == []


def test_a_pod_that_asks_for_it_starts_when_signing_in_works(entra: Emulator) -> None:
    """The preflight container goes first and says who is signed in; the pod's own container follows."""
    pod = a_pod("ready", ["true"], account=KNOWN, annotations=PREFLIGHT, pod=entra.pod, restricted=True)
    run_to_end(entra.node, entra.namespace, pod)
    said = log(entra.node, entra.namespace, "ready", "m365-preflight")
    assert f"application {CLIENT_ID} of tenant {TENANT_ID} is signed in" in said


@pytest.mark.node(last=True)
@pytest.mark.timeout(700)
def test_without_its_credential_a_pod_stays_in_init_and_says_why(entra: Emulator) -> None:
    """The application has a credential, but for another subject: the log has Entra's code and the pod's own subject,
    and so has the pod's status when the five minutes are over. The kubelet tries again, and the pod never runs.
    """
    node, namespace = entra.node, entra.namespace
    ended = "jsonpath={.status.initContainerStatuses[0].lastState.terminated.exitCode}=1"
    found = wait_for(node, namespace, STRANGER, ended, seconds=500)
    message = found["status"]["initContainerStatuses"][0]["lastState"]["terminated"]["message"]
    assert message.startswith("AADSTS700213 ")
    assert " [WIH304] Fix: az ad app federated-credential create " in message
    assert len(message.splitlines()) == 1
    subject = f"system:serviceaccount:{namespace}:{STRANGER}"
    assert subject in message
    # The kubelet has started it again just now, and this log is new.
    wait_until(lambda: subject in log(node, namespace, STRANGER, "m365-preflight"), "the next attempt")
    assert "AADSTS700213" in log(node, namespace, STRANGER, "m365-preflight")
    assert found["status"]["phase"] == "Pending"
    assert found["status"]["containerStatuses"][0]["state"].keys() == {"waiting"}


def test_a_program_that_knows_only_managed_identities_signs_in(entra: Emulator) -> None:
    """azure-identity's ManagedIdentityCredential asks the sidecar, which exchanges the pod's token."""
    wish = {"m365.workload.identity/token-endpoint": "true"}
    pod = helped("managed", ["python", "-c", MANAGED], entra, account=KNOWN, annotations=wish)
    token = claims(run_to_end(entra.node, entra.namespace, pod).strip())
    assert (token["appid"], token["tid"]) == (CLIENT_ID, TENANT_ID)
    assert token["roles"] == ["Organization.Read.All"]


def test_prometheus_finds_the_metrics_of_the_sidecar(entra: Emulator) -> None:
    """At its named port of the pod's address, over the pod's network; the program's own sign-in is counted."""
    node, namespace = entra.node, entra.namespace
    wish = {"m365.workload.identity/token-endpoint": "true", "m365.workload.identity/metrics": "true"}
    ready = {"exec": {"command": ["python", "-c", MANAGED]}, "periodSeconds": 1, "timeoutSeconds": 10}
    pod = helped("measured", ["python", "-c", WAIT], entra, account=KNOWN, annotations=wish)
    pod["spec"]["containers"][0]["readinessProbe"] = ready
    apply(node, namespace, pod)
    found = wait_for(node, namespace, "measured", "condition=Ready")
    (sidecar,) = (each for each in found["spec"]["initContainers"] if each["name"] == "m365-token-endpoint")
    (port,) = (each["containerPort"] for each in sidecar["ports"] if each["name"] == "m365-metrics")
    # kube-apiserver connects to the pod, as Prometheus does.
    page = node.kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/measured:{port}/proxy/metrics").stdout
    assert 'm365_identity_exchanges_total{code="",outcome="ok"} 1.0' in page
    refused = node.kubectl(
        "get", "--raw", f"/api/v1/namespaces/{namespace}/pods/measured:{port}/proxy/msi/token", check=False
    )
    assert "Not Found" in refused.stderr + refused.stdout or "could not find" in refused.stderr


def test_the_canary_of_the_chart_signs_in(entra: Emulator) -> None:
    """With the volume that the chart gives it, in a namespace that takes restricted pods only. The runbook's doctor
    finds nothing wrong in it.
    """
    node, namespace = entra.node, entra.namespace
    repository, _, tag = images.TESTS.rpartition(":")
    values = {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        "canary": {"enabled": True, "clientId": CLIENT_ID, "tenantId": TENANT_ID, "every": "30s"},
    }
    objects = [each for each in template(values, namespace=namespace) if each["metadata"]["name"] == CANARY]
    deployment = next(each for each in objects if each["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"] |= entra.pod
    apply(node, namespace, *objects)
    await_by_kubectl(node, "-n", namespace, "rollout", "status", f"deployment/{CANARY}")
    selector = f"--selector=app.kubernetes.io/name={CANARY}"
    pods = node.kubectl("-n", namespace, "get", "pods", selector, "--output=jsonpath={.items[*].metadata.name}").stdout
    path = f"/api/v1/namespaces/{namespace}/pods/{pods}:9464/proxy/metrics"
    succeeded = re.compile(r'^m365_identity_exchanges_total\{code="",outcome="ok"\} [1-9]', re.MULTILINE)
    # kube-apiserver connects to the pod, as Prometheus does. Ready is a canary whose first attempt failed, too.
    wait_until(lambda: bool(succeeded.search(node.kubectl("get", "--raw", path).stdout)), "a sign-in")
    doctor = ("exec", f"deployment/{CANARY}", "--", *HELPER, "doctor", "-o", "json")
    checks = json.loads(node.kubectl("-n", namespace, *doctor).stdout)["checks"]
    assert [check for check in checks if check["status"] != "ok"] == []
    node.kubectl("-n", namespace, "delete", f"deployment/{CANARY}", "--wait=false")

"""Helper containers behind a proxy, as a user of the namespace's own range, and behind the proxy of a mesh."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.cluster.processes import wait_until
from testbed.node import images
from testbed.node.emulator import KNOWN, PREFLIGHT, Emulator
from testbed.node.pods import (
    CLIENT_ID,
    RESTRICTED_CONTAINER,
    RESTRICTED_POD,
    AnyNode,
    a_pod,
    apply,
    claims,
    log,
    run_to_end,
    wait_for,
)
from tests.node.test_sign_in import MANAGED

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

ENDPOINT = {"m365.workload.identity/token-endpoint": "true"}
PORT = 3128
PROXY = f"""
import signal
from testbed.entra.proxy import Proxy
proxy = Proxy(host="0.0.0.0", port={PORT}, is_closed=False)
signal.sigwait([signal.SIGTERM])
"""
# A range of users as OpenShift gives one to each namespace; the SCC restricted-v2 allows no other.
FIRST, LAST = 1000650000, 1000659999
RANGE = f"""
[object.spec.securityContext].all(pod,
  (object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : [])).all(c,
    [has(c.securityContext) && has(c.securityContext.runAsUser) ? c.securityContext.runAsUser : pod.runAsUser].all(user,
      user >= {FIRST} && user <= {LAST})))
"""
# As where a CNI plugin sends all connections to a proxy: until that listens, each is refused.
MESH = """
import socket, sys, threading, time

def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass

time.sleep(3)
server = socket.create_server(("127.0.0.1", 443))
while True:
    client, _ = server.accept()
    upstream = socket.create_connection((sys.argv[1], 443))
    for pair in ((client, upstream), (upstream, client)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""
LISTENS = "import socket; socket.create_connection(('127.0.0.1', 443), 1)"


def container(name: str, command: list[str], **members: Any) -> dict[str, Any]:
    """A container of the tests' image that meets `restricted`."""
    usual = {"image": images.TESTS, "imagePullPolicy": "Never", "securityContext": RESTRICTED_CONTAINER}
    return {"name": name, "command": command, **usual, **members}


@pytest.fixture
def proxy(entra: Emulator) -> str:
    """The address of a proxy in a pod that knows Microsoft's names, as other pods do not."""
    serve = container("main", ["python", "-c", PROXY], readinessProbe={"tcpSocket": {"port": PORT}, "periodSeconds": 1})
    spec = {"containers": [serve], "restartPolicy": "Always", **entra.pod}
    pod = a_pod("proxy", [], labels={}, pod=spec, restricted=True)
    apply(entra.node, entra.namespace, pod)
    found = wait_for(entra.node, entra.namespace, "proxy", "condition=Ready")
    return f"http://{found['status']['podIP']}:{PORT}"


def test_preflight_goes_through_the_proxy_of_the_pods_own_container(entra: Emulator, proxy: str) -> None:
    """The proxy alone knows the names, and its address is in a ConfigMap; so is the file with the authority."""
    node, namespace = entra.node, entra.namespace
    authority = node.kubectl(
        "-n", namespace, "exec", "entra", "--", "python", "-c", "print(open('/tests/ca.pem').read())"
    )
    data = {"proxy": proxy, "ca.pem": authority.stdout}
    apply(node, namespace, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "company"}, "data": data})
    pod = a_pod("behind-a-proxy", ["true"], account=KNOWN, annotations=PREFLIGHT, restricted=True)
    pod["spec"]["volumes"] = [{"name": "company", "configMap": {"name": "company"}}]
    pod["spec"]["containers"][0] |= {
        "env": [
            {"name": "HTTPS_PROXY", "valueFrom": {"configMapKeyRef": {"name": "company", "key": "proxy"}}},
            {"name": "REQUESTS_CA_BUNDLE", "value": "/etc/company/ca.pem"},
        ],
        "volumeMounts": [{"name": "company", "mountPath": "/etc/company"}],
    }
    run_to_end(node, namespace, pod)
    assert f"application {CLIENT_ID}" in log(node, namespace, "behind-a-proxy", "m365-preflight")
    (preflight,) = (
        node.api.get(f"/api/v1/namespaces/{namespace}/pods/behind-a-proxy").expect().json["spec"]["initContainers"]
    )
    assert {"name": "REQUESTS_CA_BUNDLE", "value": "/etc/company/ca.pem"} in preflight["env"]


@pytest.fixture
def range_of_users(entra: Emulator) -> None:
    """In place of an SCC: a policy that lets pods with the label `scc` run as users of a range only."""
    node, api = entra.node, "/apis/admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "range-of-users"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule], "objectSelector": {"matchLabels": {"scc": "restricted-v2"}}},
            "validations": [{"expression": RANGE, "message": "a user outside of the range"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "range-of-users"},
        "spec": {"policyName": "range-of-users", "validationActions": ["Deny"]},
    }
    node.api.post(f"{api}/validatingadmissionpolicies", policy).expect(201, 409)
    node.api.post(f"{api}/validatingadmissionpolicybindings", binding).expect(201, 409)
    other = a_pod("other", ["true"], labels={"scc": "restricted-v2"}, restricted=True)
    wait_until(lambda: refusal(node, entra.namespace, other) != "", "the policy refuses user 65532")


def refusal(node: AnyNode, namespace: str, pod: dict[str, Any]) -> str:
    """Why the pod is refused, "" if it is not."""
    answer = node.api.post(f"/api/v1/namespaces/{namespace}/pods", pod, params={"dryRun": "All"})
    return "" if answer.status == 201 else answer.message


@pytest.mark.usefixtures("range_of_users")
def test_helpers_run_as_a_user_of_the_namespaces_range(entra: Emulator) -> None:
    """Both: the user that the pod has is one that the namespace allows, and any user can run the image."""
    labels = {"azure.workload.identity/use": "true", "scc": "restricted-v2"}
    user = {**RESTRICTED_POD, "runAsUser": FIRST, "fsGroup": FIRST}
    del user["runAsGroup"]
    spec = {**entra.pod, "securityContext": user}
    command = ["python", "-c", MANAGED]
    asked = PREFLIGHT | ENDPOINT
    pod = a_pod(
        "of-the-range",
        command,
        account=KNOWN,
        image=images.TESTS,
        labels=labels,
        annotations=asked,
        pod=spec,
        restricted=True,
    )
    pod["spec"]["securityContext"] = user
    assert claims(run_to_end(entra.node, entra.namespace, pod).strip())["appid"] == CLIENT_ID
    assert f"application {CLIENT_ID}" in log(entra.node, entra.namespace, "of-the-range", "m365-preflight")


def test_preflight_waits_for_the_native_sidecar_that_opens_the_network(entra: Emulator) -> None:
    """Before it listens each connection is refused; behind it the first attempt succeeds."""
    sidecar = container(
        "istio-proxy",
        ["python", "-c", MESH, entra.address],
        restartPolicy="Always",
        startupProbe={"exec": {"command": ["python", "-c", LISTENS]}, "periodSeconds": 1, "failureThreshold": 60},
    )
    names = entra.pod["hostAliases"][0]["hostnames"]
    low_ports = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    spec = {
        "hostAliases": [{"ip": "127.0.0.1", "hostnames": names}],
        "initContainers": [sidecar],
        "securityContext": {**RESTRICTED_POD, "sysctls": low_ports},
    }
    annotations = PREFLIGHT | {"azure.workload.identity/skip-containers": "istio-proxy"}
    pod = a_pod("meshed", ["true"], account=KNOWN, annotations=annotations, pod=spec, restricted=True)
    run_to_end(entra.node, entra.namespace, pod)
    said = log(entra.node, entra.namespace, "meshed", "m365-preflight")
    assert f"application {CLIENT_ID}" in said
    assert "again" not in said

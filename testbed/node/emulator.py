"""The emulator of Entra and Graph as a pod behind a Service; pods that know its address sign in there.

It fetches the keys of the cluster's issuer from the API server, as its own ServiceAccount. `KNOWN` can sign in, with
the credential that `webhook fic` prints for it, and so can `CANARY`. Another ServiceAccount, `STRANGER`, belongs to the
same application but has no credential.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from testbed.chart.helm import NAME
from testbed.cluster.processes import ClusterError, wait_until
from testbed.node import images
from testbed.node.images import CHECKOUT, GRAPH, LOGIN
from testbed.node.pods import (
    CLIENT_ID,
    RESTRICTED_CONTAINER,
    RESTRICTED_POD,
    TENANT_ID,
    AnyNode,
    a_pod,
    apply,
    make_account,
    wait_for,
)

__all__ = ["CANARY", "KNOWN", "PREFLIGHT", "STRANGER", "Emulator", "await_address", "start", "stranger"]

KNOWN, STRANGER = "terraform", "stranger"
CANARY = f"{NAME}-canary"
PREFLIGHT = {"m365.workload.identity/preflight": "true"}
PORT = 8443
ROLES = ["Organization.Read.All"]
MOUNTED = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass(frozen=True)
class Emulator:
    """A running emulator. `namespace` has KNOWN and STRANGER; `address` is its Service's."""

    node: AnyNode
    namespace: str
    address: str

    @property
    def pod(self) -> dict[str, Any]:
        """The part of a pod's spec by which Microsoft's names lead to the emulator."""
        return {"hostAliases": [{"ip": self.address, "hostnames": [LOGIN, GRAPH]}]}


def start(node: AnyNode, namespace: str) -> Emulator:
    """Creates both ServiceAccounts, the credential of one, the emulator and its Service. Returns when it answers."""
    for account in (KNOWN, STRANGER):
        make_account(node, namespace, account)
    apply(node, namespace, *documents(configuration(node, namespace)))
    return Emulator(node, namespace, await_address(node, namespace))


def await_address(node: AnyNode, namespace: str) -> str:
    """The address of its Service, once that leads to the pod: kube-proxy hears later than others that it is ready."""
    wait_for(node, namespace, "entra", "condition=Ready")
    service = node.api.get(f"/api/v1/namespaces/{namespace}/services/entra").expect().json
    address = str(service["spec"]["clusterIP"])

    def answers() -> bool:
        node.run("bash", "-c", f"exec 3<>/dev/tcp/{address}/443")
        return True

    wait_until(answers, f"a connection to Service {namespace}/entra")
    return address


def stranger(entra: Emulator) -> dict[str, Any]:
    """A pod of STRANGER that runs on once it has signed in."""
    spec = {**entra.pod, "restartPolicy": "Always"}
    return a_pod(STRANGER, ["true"], account=STRANGER, annotations=PREFLIGHT, pod=spec, restricted=True)


def credential(node: AnyNode, namespace: str) -> dict[str, Any]:
    """What `webhook fic` prints."""
    command = [sys.executable, "-m", "webhook", "fic", "--namespace", namespace, "--service-account", KNOWN]
    command += ["--output", "json", "--no-lookup", "--kubeconfig", str(node.kubeconfig)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise ClusterError(f"webhook fic: exit status {done.returncode}: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def configuration(node: AnyNode, namespace: str) -> dict[str, Any]:
    """The emulator's configuration (testbed/entra/configuration.py)."""
    wanted = credential(node, namespace)
    kubernetes = node.api.get("/api/v1/namespaces/default/services/kubernetes").expect().json["spec"]["clusterIP"]
    source = {"issuer": wanted["issuer"], "fetch_from": f"https://{kubernetes}", "ca": f"{MOUNTED}/ca.crt"}
    federated = {"issuer": wanted["issuer"], "subject": wanted["subject"], "audience": wanted["audiences"][0]}
    canary = federated | {"subject": f"system:serviceaccount:{namespace}:{CANARY}"}
    application = {"client_id": CLIENT_ID, "tenant_id": TENANT_ID, "roles": ROLES}
    return {
        "issuers": [source | {"token_file": f"{MOUNTED}/token"}],
        "applications": [application | {"federated_credentials": [federated, canary]}],
    }


def documents(known: dict[str, Any]) -> list[dict[str, Any]]:
    """The emulator's pod, its Service, and its configuration, which is JSON, and so YAML."""
    flags = ["--config=/etc/entra/entra.yaml", "--host=0.0.0.0", f"--login-port={PORT}", "--log"]
    container = {
        "name": "main",
        "image": images.TESTS,
        "imagePullPolicy": "Never",
        "command": ["python", "-m", "testbed.entra", *flags, "--tls-cert=/tests/tls.crt", "--tls-key=/tests/tls.key"],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "volumeMounts": [{"name": "known", "mountPath": "/etc/entra"}],
        "securityContext": RESTRICTED_CONTAINER,
    }
    volume = {"name": "known", "configMap": {"name": "entra"}}
    spec = {
        "containers": [container],
        "volumes": [volume],
        "terminationGracePeriodSeconds": 1,
        "securityContext": RESTRICTED_POD,
    }
    port = {"port": 443, "targetPort": PORT}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "entra"},
            "data": {"entra.yaml": json.dumps(known)},
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "entra", "labels": {"app": "entra"}}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "entra"},
            "spec": {"selector": {"app": "entra"}, "ports": [port]},
        },
    ]

"""What is posted, and how an answer is checked.

One pod, as the ReplicaSet controller makes it from a Deployment. kube-apiserver sends it to webhooks with the defaults
filled in and with what the ServiceAccount plugin adds; `review` is such a body, 2.3 KB, as compact as kube-apiserver's.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jsonpatch

__all__ = [
    "ACCOUNT",
    "CLIENT_ID",
    "NAMESPACE",
    "TENANT_ID",
    "WrongAnswer",
    "check_answer",
    "check_pod",
    "pod",
    "review",
    "service_account",
]

NAMESPACE = "shop"
ACCOUNT = "terraform"
CLIENT_ID = "7d8cdf74-5d4f-4b9c-8e0a-3f2c9a51d0e6"
TENANT_ID = "2fc1b0a7-9a2b-4c55-a3c4-6c5b3f1f7d21"
AUDIENCE = "api://AzureADTokenExchange"
API_TOKENS = "/var/run/secrets/kubernetes.io/serviceaccount"


class WrongAnswer(Exception):
    """A webhook or kube-apiserver did not return the pod with its identity."""


def service_account() -> dict[str, Any]:
    """The ServiceAccount of the pod."""
    annotations = {"azure.workload.identity/client-id": CLIENT_ID, "azure.workload.identity/tenant-id": TENANT_ID}
    metadata = {"name": ACCOUNT, "namespace": NAMESPACE, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def pod(labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The pod as its controller sends it to kube-apiserver, with more `labels` than its own."""
    own = {"app.kubernetes.io/name": "stock", "azure.workload.identity/use": "true", "pod-template-hash": "6d4cf56db6"}
    container = {
        "name": "stock",
        "image": "registry.example.com/shop/stock:4.2.1",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "CURRENCY", "value": "EUR"}],
        "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "stock-6d4cf56db6-", "labels": own | dict(labels or {})},
        "spec": {
            "containers": [container],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": ACCOUNT,
            "securityContext": {"runAsNonRoot": True},
            "schedulerName": "default-scheduler",
        },
    }


def review() -> bytes:
    """The AdmissionReview of that pod."""
    user = "system:serviceaccount:kube-system:replicaset-controller"
    groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"]
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    request = {
        "uid": "9c1f0a3e-5a53-4c0f-9b6e-2f4f7f0b1c77",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "namespace": NAMESPACE,
        "operation": "CREATE",
        "userInfo": {"username": user, "uid": "c2b6c0a4-5a0c-4d61-9c39-b1f7c1a8b6f0", "groups": groups},
        "object": _as_admitted(pod()),
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    document = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(document, separators=(",", ":")).encode()


def check_answer(posted: bytes, answer: bytes) -> None:
    """Raises WrongAnswer unless `answer` to `posted` has a patch that gives the pod its identity."""
    request = json.loads(posted)["request"]
    response = json.loads(answer)["response"]
    if response["uid"] != request["uid"] or response["allowed"] is not True or not response.get("patch"):
        raise WrongAnswer(f"no patch: {answer[:500].decode(errors='replace')}")
    patch = jsonpatch.JsonPatch(json.loads(base64.b64decode(response["patch"])))
    check_pod(patch.apply(request["object"]))


def check_pod(admitted: Mapping[str, Any]) -> None:
    """Raises WrongAnswer unless the pod's container has its identity, and a token where the variable points."""
    container = admitted["spec"]["containers"][0]
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}
    file = variables.get("AZURE_FEDERATED_TOKEN_FILE") or ""
    wanted = {
        "AZURE_CLIENT_ID": CLIENT_ID,
        "AZURE_TENANT_ID": TENANT_ID,
        "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
        "CURRENCY": "EUR",
    }
    if missing := {name for name, value in wanted.items() if variables.get(name) != value}:
        raise WrongAnswer(f"without {', '.join(sorted(missing))}")
    mounts = [mount["name"] for mount in container["volumeMounts"] if file.startswith(mount["mountPath"] + "/")]
    if not any(_token(volume).get("audience") == AUDIENCE for volume in _named(admitted["spec"]["volumes"], mounts)):
        raise WrongAnswer("without a token at AZURE_FEDERATED_TOKEN_FILE")


def _as_admitted(created: Mapping[str, Any]) -> dict[str, Any]:
    """The pod as mutating webhooks get it: after the ServiceAccount and the DefaultTolerationSeconds plugin."""
    admitted = copy.deepcopy(dict(created))
    spec = admitted["spec"]
    volume = "kube-api-access-x7k2p"
    certificate = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": certificate},
        {"downwardAPI": {"items": [namespace]}},
    ]
    spec["volumes"] = [{"name": volume, "projected": {"sources": sources, "defaultMode": 420}}]
    spec["containers"][0]["volumeMounts"] = [{"name": volume, "readOnly": True, "mountPath": API_TOKENS}]
    spec["serviceAccount"] = spec["serviceAccountName"]
    spec["tolerations"] = [
        {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for state in ("not-ready", "unreachable")
    ]
    spec |= {"priority": 0, "enableServiceLinks": True, "preemptionPolicy": "PreemptLowerPriority"}
    admitted["status"] = {}
    return admitted


def _named(volumes: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[Mapping[str, Any]]:
    return [volume for volume in volumes if volume["name"] in names]


def _token(volume: Mapping[str, Any]) -> Mapping[str, Any]:
    sources = (volume.get("projected") or {}).get("sources") or [{}]
    token: Mapping[str, Any] = sources[0].get("serviceAccountToken") or {}
    return token

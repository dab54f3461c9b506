"""The MutatingWebhookConfiguration of each scope, and its registration in a test cluster.

| scope | entry | pods | failurePolicy |
|---|---|---|---|
| pod-label | labelled | labelled | Fail |
| namespace-label | labelled | labelled, in any namespace | Fail |
| | unlabelled | without the label, in namespaces labelled m365.workload.identity/inject=true | Fail |
| cluster | labelled | labelled | Fail |
| | unlabelled | without the label | Ignore |

"Labelled" is azure.workload.identity/use: "true" on the pod; "false" opts out and matches no entry; any other value
counts as no label. No pod matches two entries, so none is reviewed twice. Our own namespace, kube-system,
kube-node-lease and mirror pods match none.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any, Literal

from tests.cluster.api import Api
from tests.cluster.processes import wait_until

__all__ = ["OWN_NAMESPACE", "Scope", "configuration", "settle", "webhook_registration"]

Scope = Literal["pod-label", "namespace-label", "cluster"]

OWN_NAMESPACE = "m365-workload-identity-system"
NAME = "m365-workload-identity"
USE_LABEL = "azure.workload.identity/use"
INJECT_LABEL = "m365.workload.identity/inject"
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
NOT_A_MIRROR_POD = f"!has(object.metadata.annotations) || !('{MIRROR_ANNOTATION}' in object.metadata.annotations)"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
EFFECTIVE_SECONDS = 20.0


def configuration(
    url: str,
    ca_bundle: bytes,
    *,
    scope: Scope = "pod-label",
    own_namespace: str = OWN_NAMESPACE,
    timeout_seconds: int = 5,
    name: str = NAME,
) -> dict[str, Any]:
    """The MutatingWebhookConfiguration that sends pods of `scope` to `url` (https), trusted by `ca_bundle` (PEM)."""
    elsewhere = {
        "key": "kubernetes.io/metadata.name",
        "operator": "NotIn",
        "values": [own_namespace, "kube-system", "kube-node-lease"],
    }
    labelled = {"matchLabels": {USE_LABEL: "true"}}
    unlabelled = {"matchExpressions": [{"key": USE_LABEL, "operator": "NotIn", "values": ["true", "false"]}]}

    def entry(
        which: str, pods: dict[str, Any], *, failure_policy: str = "Fail", inject_only: bool = False
    ) -> dict[str, Any]:
        namespaces = {"matchExpressions": [elsewhere]} | (
            {"matchLabels": {INJECT_LABEL: "true"}} if inject_only else {}
        )
        return {
            "name": f"{which}.m365.workload.identity",
            "clientConfig": {"url": url, "caBundle": base64.b64encode(ca_bundle).decode()},
            "rules": [
                {
                    "operations": ["CREATE"],
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "resources": ["pods"],
                    "scope": "Namespaced",
                }
            ],
            "namespaceSelector": namespaces,
            "objectSelector": pods,
            "matchConditions": [{"name": "not-a-mirror-pod", "expression": NOT_A_MIRROR_POD}],
            "matchPolicy": "Equivalent",
            "reinvocationPolicy": "IfNeeded",
            "failurePolicy": failure_policy,
            "sideEffects": "None",
            "timeoutSeconds": timeout_seconds,
            "admissionReviewVersions": ["v1"],
        }

    entries = [entry("labelled", labelled)]
    if scope == "namespace-label":
        entries.append(entry("unlabelled", unlabelled, inject_only=True))
    elif scope == "cluster":
        entries.append(entry("unlabelled", unlabelled, failure_policy="Ignore"))
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": entries,
    }


@contextlib.contextmanager
def webhook_registration(
    api: Api,
    url: str,
    ca_bundle: bytes,
    *,
    scope: Scope = "pod-label",
    own_namespace: str = OWN_NAMESPACE,
    timeout_seconds: int = 5,
    name: str | None = None,
    probe: Callable[[], bool] | None = None,
) -> Iterator[dict[str, Any]]:
    """Registers the webhook, gives the object once kube-apiserver acts on it, and takes it away again, likewise.

    `probe`, when given, must also say yes: it may create a pod by dry run and look whether the webhook was called.
    `name` is made up when not given, so that no registration is in another's way.
    """
    wanted = configuration(
        url,
        ca_bundle,
        scope=scope,
        own_namespace=own_namespace,
        timeout_seconds=timeout_seconds,
        name=name or f"{NAME}-{secrets.token_hex(4)}",
    )
    registered = api.post(CONFIGURATIONS, wanted).expect().json
    try:
        settle(api)
        if probe is not None:
            wait_until(probe, "webhook registration seen by its probe", seconds=EFFECTIVE_SECONDS)
        yield registered
    finally:
        api.delete(f"{CONFIGURATIONS}/{registered['metadata']['name']}").expect(200, 202, 404)
        settle(api)


def settle(api: Api) -> None:
    """Returns once kube-apiserver acts on every webhook configuration written, changed or deleted so far.

    Configurations reach admission through one watch, in the order of their writing. So a last one is written, a
    barrier that refuses one made-up ConfigMap (its URL is a port that nobody listens on): when that is refused, all
    that came before is in force.
    """
    mark = f"barrier-{secrets.token_hex(4)}"
    label = {"barrier.m365.workload.identity/name": mark}
    barrier = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": mark},
        "webhooks": [
            {
                "name": "barrier.m365.workload.identity",
                "clientConfig": {"url": "https://127.0.0.1:1/"},
                "rules": [
                    {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
                ],
                "objectSelector": {"matchLabels": label},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "timeoutSeconds": 1,
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
    refused = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": mark, "labels": label}}

    def in_force() -> bool:
        answer = api.post("/api/v1/namespaces/default/configmaps", refused, params={"dryRun": "All"})
        return answer.status == 500 and "barrier.m365.workload.identity" in answer.message

    api.post(CONFIGURATIONS, barrier).expect()
    try:
        wait_until(in_force, "webhook configurations in force", seconds=EFFECTIVE_SECONDS)
    finally:
        api.delete(f"{CONFIGURATIONS}/{mark}").expect(200, 202, 404)

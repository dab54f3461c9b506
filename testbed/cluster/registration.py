"""The MutatingWebhookConfiguration of each scope, as the chart has it, and its registration in a test cluster.

| scope | entry | pods | failurePolicy |
|---|---|---|---|
| pod-label | labelled | labelled | Fail |
| namespace-label | labelled | labelled, in any namespace | Fail |
| | unlabelled | without the label, in namespaces labelled m365.workload.identity/inject=true | Fail |
| cluster | labelled | labelled | Fail |
| | unlabelled | without the label | Ignore |

"Labelled" is azure.workload.identity/use: "true" on the pod; "false" opts out and matches no entry; any other value
counts as no label. A pod matches at most one entry, so it is reviewed once. Our own namespace, kube-system,
kube-node-lease and mirror pods match no entry.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import functools
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from testbed.cluster.api import Api
from testbed.cluster.processes import wait_until
from webhook.core.policy import SCOPES

__all__ = ["OWN_NAMESPACE", "PLAIN", "Scope", "configuration", "settle", "webhook_registration"]

Scope = Literal["pod-label", "namespace-label", "cluster"]

OWN_NAMESPACE = "m365-workload-identity-system"
NAME = "m365-workload-identity"
USE_LABEL = "azure.workload.identity/use"
INJECT_LABEL = "m365.workload.identity/inject"
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
MANIFESTS = Path(__file__).parents[2] / "manifests"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
# The file of each scope, in manifests/. The default scope has the name that people look for.
PLAIN: Final[Mapping[str, str]] = {
    scope: "install.yaml" if scope == "pod-label" else f"install-{scope}.yaml" for scope in SCOPES
}


def configuration(
    url: str,
    ca_bundle: bytes,
    *,
    scope: Scope = "pod-label",
    own_namespace: str = OWN_NAMESPACE,
    timeout_seconds: int = 5,
    name: str = NAME,
) -> dict[str, Any]:
    """The configuration of `scope` as the chart renders it, but calling `url` (https), trusted by `ca_bundle` (PEM)."""
    made = copy.deepcopy(render(scope))
    made["metadata"] = {"name": name}
    for entry in made["webhooks"]:
        entry["clientConfig"] = {"url": url, "caBundle": base64.b64encode(ca_bundle).decode()}
        entry["timeoutSeconds"] = timeout_seconds
        (elsewhere,) = entry["namespaceSelector"]["matchExpressions"]
        elsewhere["values"] = [own_namespace if each == OWN_NAMESPACE else each for each in elsewhere["values"]]
    return made


@functools.cache
def render(scope: Scope) -> dict[str, Any]:
    """The configuration in the plain manifests, which `make check` compares with what the chart renders."""
    with (MANIFESTS / PLAIN[scope]).open(encoding="utf-8") as file:
        (found,) = (each for each in yaml.safe_load_all(file) if each["kind"] == "MutatingWebhookConfiguration")
    document: dict[str, Any] = found
    return document


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
    """Registers the webhook for the block. Waits until kube-apiserver acts on it, and after the block until it is gone.

    If `probe` is given, it must be true, too: it may create a pod by dry run to see whether the webhook is called.
    Without `name` each registration gets a new one, so that tests do not disturb each other.
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
            wait_until(probe, "webhook registration seen by its probe")
        yield registered
    finally:
        api.delete(f"{CONFIGURATIONS}/{registered['metadata']['name']}").expect(200, 202, 404)
        settle(api)


def settle(api: Api) -> None:
    """Returns once kube-apiserver acts on every webhook configuration written, changed or deleted so far.

    Configurations reach admission through one watch, in the order in which they are written. So a last one is
    written, a barrier that refuses one made-up ConfigMap, because no server listens at its URL. Once that ConfigMap
    is refused, all earlier configurations are in force.
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
        wait_until(in_force, "webhook configurations in force")
    finally:
        api.delete(f"{CONFIGURATIONS}/{mark}").expect(200, 202, 404)

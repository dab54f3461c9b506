"""Azure's workload identity webhook, as far as it matters to one that stands beside it in the same cluster.

Written from its source (pkg/webhook of v1.5.1, v1.6.0 and what came after), with its habits: variables after the
user's own, a volume or mount of its own name overwritten in place, a volume's name that depends on the pod's. Its
custom token endpoint, since 1.6.0, is set up as on AKS: identity bindings.
"""

import copy
import hashlib
from collections.abc import Mapping
from typing import Any

from tests.core.cases import CLIENT, TENANT

Json = dict[str, Any]
VERSIONS = ("1.5.1", "1.6.0", "later")
BINDING = "azure.workload.identity/use-identity-binding"
BINDING_AUDIENCE = "api://AKSIdentityBinding"


def mutate(pod: Mapping[str, Any], version: str) -> Json:
    """The pod as this version of the webhook leaves it."""
    after = copy.deepcopy(dict(pod))
    metadata, spec = after["metadata"], after["spec"]
    identity = hashlib.sha256((metadata.get("name") or metadata["generateName"] + " (prefix)").encode()).hexdigest()[
        :30
    ]
    if version == "1.5.1":
        volume, directory, path = "azure-identity-token", "/var/run/secrets/azure/tokens", "azure-identity-token"
    else:
        volume, path = f"azure-workload-identity-reserved-{identity}", "token/azure-identity-token"
        directory = "/var/run/secrets/azure/wi" + (f"/{identity}" if version == "later" else "")
    annotations = metadata.get("annotations") or {}
    binding = version != "1.5.1" and annotations.get(BINDING, "").lower() == "true"
    skipped = [name.strip() for name in annotations.get("azure.workload.identity/skip-containers", "").split(";")]
    variables = {
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_FEDERATED_TOKEN_FILE": f"{directory}/{path}",
        "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
    }
    if binding:
        variables |= {
            "AZURE_KUBERNETES_TOKEN_PROXY": "https://token-proxy.example.com",
            "AZURE_KUBERNETES_SNI_NAME": "token-proxy.example.com",
            "AZURE_KUBERNETES_CA_FILE": f"{directory}/ca-cert/ca.crt",
        }
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        if container["name"] in skipped:
            continue
        env = container.setdefault("env", [])
        env += [{"name": k, "value": v} for k, v in variables.items() if k not in [each["name"] for each in env]]
        _put(container.setdefault("volumeMounts", []), {"name": volume, "mountPath": directory, "readOnly": True})
    audience = BINDING_AUDIENCE if binding else "api://AzureADTokenExchange"
    sources: list[Json] = [{"serviceAccountToken": {"audience": audience, "expirationSeconds": 3600, "path": path}}]
    if binding:
        items = [{"key": "ca.crt", "path": "ca-cert/ca.crt"}]
        sources.append({"configMap": {"name": "kube-root-ca.crt", "items": items, "optional": False}})
    _put(spec.setdefault("volumes", []), {"name": volume, "projected": {"sources": sources}})
    return after


def _put(entries: list[Json], entry: Json) -> None:
    for index, existing in enumerate(entries):
        if existing["name"] == entry["name"]:
            entries[index] = entry
            return
    entries.append(entry)

"""Azure's workload identity webhook, as far as it matters to one that stands beside it in the same cluster.

Written from its source (pkg/webhook of v1.5.1, v1.6.0 and what came after), with its habits: variables after the
user's own, a volume or mount of its own name overwritten in place, a volume's name that depends on the pod's.
"""

import copy
import hashlib
from collections.abc import Mapping
from typing import Any

from tests.core.cases import CLIENT, TENANT

Json = dict[str, Any]
VERSIONS = ("1.5.1", "1.6.0", "later")


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
    variables = {
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_FEDERATED_TOKEN_FILE": f"{directory}/{path}",
        "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
    }
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        env = container.setdefault("env", [])
        env += [{"name": k, "value": v} for k, v in variables.items() if k not in [each["name"] for each in env]]
        _put(container.setdefault("volumeMounts", []), {"name": volume, "mountPath": directory, "readOnly": True})
    token = {"audience": "api://AzureADTokenExchange", "expirationSeconds": 3600, "path": path}
    source = {"name": volume, "projected": {"sources": [{"serviceAccountToken": token}]}}
    _put(spec.setdefault("volumes", []), source)
    return after


def _put(entries: list[Json], entry: Json) -> None:
    for index, existing in enumerate(entries):
        if existing["name"] == entry["name"]:
            entries[index] = entry
            return
    entries.append(entry)

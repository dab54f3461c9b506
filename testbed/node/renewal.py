"""A pod that waits until its token is renewed. The token lives for ten minutes, the shortest time in Kubernetes."""

from __future__ import annotations

from typing import Any

from testbed.node import images
from testbed.node.emulator import KNOWN, Emulator
from testbed.node.pods import a_pod

__all__ = ["NAME", "pod"]

NAME = "renewal"
LIFETIME_SECONDS = 600
# One credential for both exchanges, for two resources, because an access token is valid for longer than this takes.
PROGRAM = """
import os, pathlib, time
from m365_identity import WorkloadIdentityCredential, graph_scope

file = pathlib.Path(os.environ["AZURE_FEDERATED_TOKEN_FILE"])
with WorkloadIdentityCredential() as credential:
    first = file.read_text()
    print(first, flush=True)
    credential.get_token(graph_scope())
    while file.read_text() == first:
        time.sleep(1)
    print(file.read_text(), flush=True)
    credential.get_token("https://management.azure.com/.default")
"""


def pod(entra: Emulator) -> dict[str, Any]:
    """The pod. It has a volume with a token of our audience, which the webhook makes it use."""
    token = {"audience": "api://AzureADTokenExchange", "expirationSeconds": LIFETIME_SECONDS, "path": "short"}
    volume = {"name": "short-lived", "projected": {"sources": [{"serviceAccountToken": token}]}}
    spec = {**entra.pod, "volumes": [volume]}
    return a_pod(NAME, ["python", "-c", PROGRAM], account=KNOWN, image=images.TESTS, pod=spec, restricted=True)

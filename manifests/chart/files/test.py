"""What `helm test` runs: it creates a labelled pod by dry run, and checks that the pod has its token."""

import http.client
import json
import os
import ssl
import sys
import time
from pathlib import Path
from typing import Any

ACCOUNT = Path(os.environ.get("TEST_ACCOUNT", "/var/run/secrets/kubernetes.io/serviceaccount"))
PATIENCE = float(os.environ.get("TEST_PATIENCE", "120"))
PAUSE = 1.0
# Waiting does not change this: kube-apiserver knows a new configuration after a second or two.
FINAL_PATIENCE = min(PATIENCE, 10.0)
ADMITTED = "the pod was admitted without a token"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "generateName": "m365-workload-identity-test-",
        "labels": json.loads(os.environ["TEST_LABELS"]),
    },
    # Its ServiceAccount has no annotation: the pod gets everything but a client id.
    "spec": {
        "automountServiceAccountToken": False,
        "containers": [
            {
                "name": "app",
                "image": os.environ["TEST_IMAGE"],
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "16Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "runAsNonRoot": True,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
            }
        ],
    },
}


def main() -> int:
    """Tries until the pod is injected or PATIENCE, in seconds, is over. Prints what is wrong each time that changes."""
    start, said = time.monotonic(), ""
    while wrong := what_is_wrong():
        if wrong != said:
            say(f"not yet: {wrong}")
        final = wrong.startswith(ADMITTED) or "is forbidden: User" in wrong
        if time.monotonic() > start + (FINAL_PATIENCE if final else PATIENCE):
            say("failed: docs/runbook.md says what to do")
            return 1
        said = wrong
        time.sleep(PAUSE)
    say("ok: a labelled pod gets its token")
    return 0


def what_is_wrong() -> str:
    """Why the pod does not get its token; empty if it does."""
    try:
        answer = create()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"the API server: {str(error) or type(error).__name__}"
    if answer.get("kind") != "Pod":
        return str(answer.get("message", "the API server's answer is not a pod"))
    variables = {entry["name"] for entry in answer["spec"]["containers"][0].get("env", [])}
    if "AZURE_FEDERATED_TOKEN_FILE" not in variables:
        hint = os.environ.get("TEST_HINT", "")
        return f"{ADMITTED}: kube-apiserver did not ask the webhook" + (f" ({hint})" if hint else "")
    return ""


def create() -> dict[str, Any]:
    """The pod as kube-apiserver would store it, or a Status with the reason why not."""
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    # The strict mode, Python's default since 3.13, refuses the authorities of many clusters, EKS' among them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    connection = http.client.HTTPSConnection(
        os.environ["KUBERNETES_SERVICE_HOST"],
        int(os.environ["KUBERNETES_SERVICE_PORT"]),
        timeout=40,
        context=context,
    )
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": "application/json"}
    try:
        path = f"/api/v1/namespaces/{os.environ['TEST_NAMESPACE']}/pods?dryRun=All"
        connection.request("POST", path, json.dumps(POD), headers)
        answer: dict[str, Any] = json.load(connection.getresponse())
        return answer
    finally:
        connection.close()


def say(line: str) -> None:
    """One line of the pod's log, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

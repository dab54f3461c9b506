"""What the webhook's own decision gives to a pod: the variables of its container, its token, its helper container."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonpatch

from testbed.entra import Application, Entra
from webhook.core import names
from webhook.core.decision import decide
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.core.review import Request

__all__ = ["SUBJECT", "StandIn"]

NAMESPACE, ACCOUNT = "shop", "terraform"
SUBJECT = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
_HELPER = (sys.executable, "-m", "m365_identity")  # what `m365-identity` is in the image


class StandIn:
    """A pod of the ServiceAccount shop/terraform with one container, after the webhook's decision about it.

    annotations: the pod's. Raises ValueError if the webhook injects nothing.
    """

    def __init__(self, application: Application, annotations: Mapping[str, str]) -> None:
        metadata = {"name": "tool", "labels": {names.USE_LABEL: "true"}, "annotations": dict(annotations)}
        container = {"name": "tool", "image": "tool"}
        spec = {"serviceAccountName": ACCOUNT, "containers": [container]}
        pod: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        account = Account(
            NAMESPACE,
            ACCOUNT,
            {names.AZURE_CLIENT_ID: application.client_id, names.AZURE_TENANT_ID: application.tenant_id},
        )
        decision = decide(
            Request(uid="", namespace=NAMESPACE, pod=pod), account, Policy(helper_image="m365-workload-identity:1")
        )
        if decision.outcome != "injected":
            raise ValueError(f"{decision.outcome}: {[str(problem) for problem in decision.problems]}")
        self._pod = jsonpatch.apply_patch(copy.deepcopy(pod), [*decision.operations])
        self._uid = str(uuid.uuid4())
        self.warnings = [str(warning) for warning in decision.warnings]

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the container."""
        (container,) = self._pod["spec"]["containers"]
        return self._variables(container)

    def write_token(self, entra: Entra, *, lifetime: float | None = None) -> None:
        """Does what the kubelet does: puts a token for the volume's audience into the file of the container's mount."""
        (container,) = self._pod["spec"]["containers"]
        mounts = {mount["name"]: Path(mount["mountPath"]) for mount in container["volumeMounts"]}
        for volume in self._pod["spec"]["volumes"]:
            for source in volume["projected"]["sources"]:
                wanted = source["serviceAccountToken"]
                seconds = wanted["expirationSeconds"] if lifetime is None else lifetime
                token = entra.issuer.token(subject=SUBJECT, audience=wanted["audience"], lifetime=seconds)
                (mounts[volume["name"]] / wanted["path"]).write_text(token)

    @contextmanager
    def helper(self, trust: Mapping[str, str], log: Path) -> Iterator[None]:
        """Runs the pod's native sidecar, if it has one, as the kubelet does: until its startup probe is content."""
        sidecars = self._pod["spec"].get("initContainers", [])
        if not sidecars:
            yield
            return
        (container,) = sidecars
        environment = {"PATH": os.environ["PATH"], **self._variables(container), **trust}
        with log.open("w") as file:
            process = subprocess.Popen(
                [*_HELPER, *container["command"][1:]], env=environment, stdin=subprocess.DEVNULL, stderr=file
            )
        try:
            probe = [*_HELPER, *container["startupProbe"]["exec"]["command"][1:]]
            for _ in range(container["startupProbe"]["failureThreshold"]):
                asked = subprocess.run(probe, env=environment, capture_output=True, timeout=30, check=False)
                if asked.returncode == 0:
                    break
                process.poll()
            else:
                raise TimeoutError(f"the helper container is not ready: {log.read_text()}")
            yield
        finally:
            process.terminate()
            process.wait(30)

    def _variables(self, container: Mapping[str, Any]) -> dict[str, str]:
        values = {}
        for entry in container["env"]:
            if "valueFrom" in entry:
                assert entry["valueFrom"] == {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.uid"}}
            values[entry["name"]] = entry.get("value", self._uid)
        return values

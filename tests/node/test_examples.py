"""The example with the helper, as a pod that runs: our image, the kubelet's token, and an Entra that is a pod, too."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from testbed.node import images
from testbed.node.emulator import KNOWN, Emulator
from testbed.node.images import CHECKOUT
from testbed.node.pods import apply, run_to_end

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

REPORT = CHECKOUT / "examples" / "graph-python" / "report.yaml"


def test_the_script_reads_the_organization(entra: Emulator) -> None:
    """The CronJob's pod, with the emulator's ServiceAccount, image and address; in a namespace that is `restricted`."""
    documents: dict[str, dict[str, Any]] = {each["kind"]: each for each in yaml.safe_load_all(REPORT.read_text())}
    script = documents["ConfigMap"]
    apply(entra.node, entra.namespace, {**script, "metadata": {"name": script["metadata"]["name"]}})
    template = documents["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    spec = {
        **template["spec"],
        **entra.pod,
        "serviceAccountName": KNOWN,
        "containers": [{**container, "name": "main", "image": images.TESTS, "imagePullPolicy": "Never"}],
    }
    metadata = {"name": "example-report", "labels": template["metadata"]["labels"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    assert "Contoso" in run_to_end(entra.node, entra.namespace, pod)

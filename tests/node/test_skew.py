"""This release and the one before it work together, part by part, as docs/support.md says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from testbed.chart.helm import CHART
from testbed.node import images, previous
from testbed.node.emulator import KNOWN, PREFLIGHT, Emulator
from testbed.node.images import CHECKOUT
from testbed.node.pods import CLIENT_ID, apply, claims, run_to_end
from testbed.node.release import Release
from tests.node.test_helper_containers import ENDPOINT
from tests.node.test_sign_in import MANAGED, helped

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

AUTHORITIES = {"configMap": "company"}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the release before this one: its chart and its commands."""
    folder = tmp_path_factory.mktemp("before")
    previous.extract(folder)
    return folder


@pytest.fixture(scope="module")
def company(entra: Emulator) -> Emulator:
    """The emulator, and its authority in the ConfigMap that helper containers trust."""
    shown = ("exec", "entra", "--", "python", "-c", "print(open('/tests/ca.pem').read())")
    authority = entra.node.kubectl("-n", entra.namespace, *shown).stdout
    metadata = {"name": AUTHORITIES["configMap"]}
    apply(
        entra.node,
        entra.namespace,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": authority}},
    )
    return entra


def test_the_chart_before_with_this_image_and_the_helper_before(
    company: Emulator, release: Release, before: Path
) -> None:
    """Pods that the webhook of this release patches start the helper of the release before."""
    helper = {"image": images.PREVIOUS, "authorities": AUTHORITIES}
    release.install(chart=before / "manifests/chart", image=images.WEBHOOK, helper=helper)
    assert signs_in(company, "new-webhook") == {images.PREVIOUS}
    assert check(company, CHECKOUT) == check(company, before) == ""


def test_this_chart_with_the_image_before_and_this_helper(company: Emulator, release: Release, before: Path) -> None:
    """And the reverse: as after an upgrade of the chart whose image stayed, with the newer helper in the pods."""
    helper = {"image": images.WEBHOOK, "authorities": AUTHORITIES}
    release.install(chart=CHART, image=images.PREVIOUS, helper=helper)
    assert signs_in(company, "old-webhook") == {images.WEBHOOK}
    assert check(company, CHECKOUT) == check(company, before) == ""


def signs_in(entra: Emulator, name: str) -> set[str]:
    """Runs a pod that signs in at its sidecar, after its preflight. Returns the images of its helper containers."""
    command = ["python", "-c", MANAGED]
    pod = helped(name, command, entra, account=KNOWN, annotations=PREFLIGHT | ENDPOINT)
    token = claims(run_to_end(entra.node, entra.namespace, pod).strip())
    assert token["appid"] == CLIENT_ID
    path = f"/api/v1/namespaces/{entra.namespace}/pods/{name}"
    found = entra.node.api.get(path).expect().json["spec"]["initContainers"]
    assert {each["name"] for each in found} == {"m365-preflight", "m365-token-endpoint"}
    return {each["image"] for each in found}


def check(entra: Emulator, source: Path) -> str:
    """What `check` of the commands in `source` says about KNOWN; "" if it is content."""
    command = [sys.executable, "-m", "webhook", "check", "-n", entra.namespace, "--service-account", KNOWN]
    command += ["--kubeconfig", str(entra.node.kubeconfig)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr if done.returncode else ""

"""The script that `helm test` runs, as the chart renders it, with the rights that the chart gives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from demo.server import running
from testbed.chart.helm import template
from testbed.cluster import kubeconfig
from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.pki import Authority
from testbed.cluster.processes import wait_until
from testbed.cluster.registration import webhook_registration
from tests.chart.objects import HOOK, one
from webhook.checks.selectors import selects

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Job:
    """The test's pod, run here."""

    command: list[str]
    environment: dict[str, str]

    def run(self, **changed: str) -> subprocess.CompletedProcess[str]:
        """To its end, with other variables; impatient unless told otherwise."""
        environment = {**self.environment, "TEST_PATIENCE": "0", **changed}
        return subprocess.run(self.command, env=environment, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def job(owned_control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Job:
    """The pod of `helm test` with its ServiceAccount, Role and RoleBinding, in a namespace of its own."""
    return made(owned_control_plane, namespace, tmp_path)


def made(owned_control_plane: ControlPlane, namespace: str, tmp_path: Path, **webhook: Any) -> Job:
    """The same, with values about what kube-apiserver is told."""
    values = {"name": namespace, "test": {"namespace": namespace}, "webhook": webhook}
    objects = template(values)  # of a release elsewhere: pods in its own namespace are left alone
    hooks = [each for each in objects if HOOK in each["metadata"].get("annotations", {})]
    for each in hooks:
        each["metadata"]["namespace"] = namespace
    for subject in one(hooks, "RoleBinding")["subjects"]:
        subject["namespace"] = namespace
    rights = yaml.safe_dump_all([each for each in hooks if each["kind"] != "Pod"])
    owned_control_plane.kubectl("apply", "-f", "-", input=rights)
    pod = one(hooks, "Pod")["spec"]
    user = f"system:serviceaccount:{namespace}:{pod['serviceAccountName']}"
    may_create = lambda: owned_control_plane.allows(user, "create", "pods", namespace=namespace)  # noqa: E731
    wait_until(may_create, "its rights, which kube-apiserver hears of by and by")
    (container,) = pod["containers"]
    access = kubeconfig.read(owned_control_plane.kubeconfig)
    (tmp_path / "token").write_text(owned_control_plane.token(namespace, pod["serviceAccountName"]))
    (tmp_path / "ca.crt").write_bytes(access.authority or b"")
    where = urlsplit(access.server)
    python, *arguments = container["command"]
    assert python == "python"
    variables = {each["name"]: each["value"] for each in container["env"]}
    api_server = {"KUBERNETES_SERVICE_HOST": str(where.hostname), "KUBERNETES_SERVICE_PORT": str(where.port)}
    environment = {**variables, **api_server, "TEST_ACCOUNT": str(tmp_path), "PATH": os.defpath}
    return Job([sys.executable, "-I", *arguments], environment)


def test_it_succeeds_when_pods_are_injected(job: Job, owned_control_plane: ControlPlane, tmp_path: Path) -> None:
    """Exit status 0, and nothing was created."""
    (tmp_path / "webhook").mkdir()
    with running(tmp_path / "webhook", ["--kubeconfig", str(owned_control_plane.kubeconfig)]) as process:
        with webhook_registration(owned_control_plane.api, process.url, process.authority.encode()):
            done = job.run()
    assert (done.returncode, done.stdout) == (0, "ok: a labelled pod gets its token\n"), done.stderr
    place = job.environment["TEST_NAMESPACE"]
    assert owned_control_plane.api.get(f"/api/v1/namespaces/{place}/pods").expect().json["items"] == []


def test_its_pod_has_the_labels_that_the_selector_wants(
    owned_control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    """Else it would never succeed where webhook.objectSelector is set."""
    expressions = [
        {"key": "stage", "operator": "In", "values": ["test", "beta"]},
        {"key": "owner", "operator": "Exists"},
        {"key": "legacy", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"team": "shop"}, "matchExpressions": expressions}
    job = made(owned_control_plane, namespace, tmp_path, objectSelector=selector)
    labels = {"azure.workload.identity/use": "true", "team": "shop", "stage": "test", "owner": "true"}
    assert json.loads(job.environment["TEST_LABELS"]) == labels
    assert selects(selector, labels)


def test_an_unmet_namespace_selector_is_named_when_no_webhook_is_called(
    owned_control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    """The chart does not know the labels of the namespace, so it cannot refuse it before."""
    job = made(owned_control_plane, namespace, tmp_path, namespaceSelector={"matchLabels": {"stage": "test"}})
    said = f"kube-apiserver did not ask the webhook (webhook.namespaceSelector must match the namespace {namespace}"
    assert said in job.run().stdout


def test_it_fails_when_no_webhook_is_called(job: Job) -> None:
    """And says so."""
    start = time.monotonic()
    done = job.run(TEST_PATIENCE="1000")
    assert time.monotonic() < start + 60, "that is not repaired while the test waits"
    assert done.returncode == 1
    assert "not yet: the pod was admitted without a token: kube-apiserver did not ask the webhook\n" in done.stdout
    assert "docs/runbook.md" in done.stdout


def test_it_tries_again_and_tells_each_reason_once(job: Job, owned_control_plane: ControlPlane) -> None:
    """What kube-apiserver says of a webhook that is away, not once for each attempt."""
    nowhere = Authority().certificate
    with webhook_registration(owned_control_plane.api, "https://127.0.0.1:1/mutate", nowhere, timeout_seconds=1):
        done = job.run(TEST_PATIENCE="1.5")
    assert done.returncode == 1
    assert done.stdout.count('failed calling webhook "labelled.m365.workload.identity"') == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"TEST_NAMESPACE": "kube-system"}, "is forbidden"), ({"KUBERNETES_SERVICE_PORT": "1"}, "the API server: ")],
    ids=["not allowed", "no API server"],
)
def test_what_keeps_it_from_trying_is_told(job: Job, changed: dict[str, str], said: str) -> None:
    """In a sentence, not in a traceback."""
    done = job.run(**changed)
    assert (done.returncode, done.stderr) == (1, "")
    assert said in done.stdout

"""The folder examples/: each object is valid, and each pod goes through the webhook of a real kube-apiserver."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from demo.server import Running
from testbed.chart.helm import NAME, helm
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import environment
from testbed.cluster.registration import OWN_NAMESPACE
from tests.admission.conftest import another_webhook, webhook_kubeconfig  # noqa: F401 - fixtures
from tests.chart import kinds
from tests.chart.objects import container, installed, one
from webhook.core.workload_kinds import workload_kind

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
# For other programs than kubectl: the values of a chart, and a workflow.
NOT_OBJECTS: Final = {"values.yaml", "workflow.yaml"}
RESTRICTED: Final = {"pod-security.kubernetes.io/enforce": "restricted"}
# Namespaces whose pods are of our own making; those of Tekton and of GitHub's runners are not.
STRICT: Final = {"m365-cli", "m365-python", "m365-reports", "m365-sdk", "terraform-m365"}

Object = dict[str, Any]


def objects(folder: str = "*") -> list[Object]:
    """The objects of an example, or of all."""
    files = sorted(file for file in EXAMPLES.glob(f"{folder}/*.yaml") if file.name not in NOT_OBJECTS)
    return [each for file in files for each in yaml.safe_load_all(file.read_text())]


def runner_set() -> Object:
    """The AutoscalingRunnerSet that GitHub's chart makes of our values, and of where its controller is."""
    chart = kinds.definitions(kinds.EXAMPLES) / "charts" / "gha-runner-scale-set"
    controller = {"controllerServiceAccount": {"name": "controller", "namespace": "arc-systems"}}
    ours = ("--values", str(EXAMPLES / "github-runner" / "values.yaml"))
    text = helm("template", "m365", str(chart), "--namespace", "m365-runners", *ours, values=controller)
    return one(yaml.safe_load_all(text), "AutoscalingRunnerSet")


@pytest.fixture(scope="module")
def prepared(control_plane: Cluster) -> Iterator[Cluster]:
    """The cluster with the kinds, namespaces and ServiceAccounts of the examples; without the controllers."""
    kinds.establish(control_plane, kinds.EXAMPLES)
    namespaces = {each["metadata"].get("namespace") or each["metadata"]["name"] for each in objects()}
    own = sorted(namespaces - {OWN_NAMESPACE})
    delete = ("delete", "namespace", *own, "--ignore-not-found", "--timeout=110s")
    control_plane.kubectl(*delete)  # another test may have had one of them, which has not quite gone
    for name in own:
        control_plane.create_namespace(name, labels=RESTRICTED if name in STRICT else {})
    if control_plane.api.get(f"/api/v1/namespaces/{OWN_NAMESPACE}").status == 404:
        control_plane.create_namespace(OWN_NAMESPACE)  # it stays, since other tests run webhooks there
    accounts = yaml.safe_dump_all(each for each in objects() if each["kind"] == "ServiceAccount")
    control_plane.kubectl("apply", "-f", "-", input=accounts)
    yield control_plane
    control_plane.kubectl(*delete)


def test_every_object_is_valid(prepared: Cluster) -> None:
    """By Kubernetes' own schemas and the definitions of the others, strictly: nothing is misspelt or deprecated."""
    everything = [*objects(), runner_set()]
    text = yaml.safe_dump_all(everything)
    done = prepared.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", input=text, check=False)
    there = [line for line in done.stderr.splitlines() if "AlreadyExists" in line]  # of those that `prepared` made
    assert [line for line in done.stderr.splitlines() if line not in there] == []
    assert len(done.stdout.splitlines()) + len(there) == len(everything)


@pytest.mark.parametrize("kind", ["Application", "HelmRelease", "Kustomization", "AutoscalingRunnerSet"])
def test_a_misspelt_field_is_seen(prepared: Cluster, kind: str) -> None:
    """So the definitions are in force."""
    document = next(each for each in (*objects(), runner_set()) if each["kind"] == kind)
    text = yaml.safe_dump({**document, "spec": {**document["spec"], "misspelt": True}})
    done = prepared.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", input=text, check=False)
    assert 'unknown field "spec.misspelt"' in done.stderr


@pytest.mark.parametrize(
    ("kind", "way"), [("Application", ("source", "helm", "valuesObject")), ("HelmRelease", ("values",))]
)
def test_the_chart_takes_the_values(kind: str, way: tuple[str, ...]) -> None:
    """What GitOps installs is the chart, with the registry and the tenant of the example."""
    (values,) = (each["spec"] for each in objects() if each["kind"] == kind and each["metadata"]["name"] == NAME)
    for step in way:
        values = values[step]
    rendered = installed(values)
    assert container(rendered)["image"].startswith("registry.example.com/m365-workload-identity:")
    assert "contoso.onmicrosoft.com" in yaml.safe_dump(one(rendered, "Deployment"))


def tekton_pod() -> Object:
    """The pod that Tekton makes of the run: its labels, its ServiceAccount, and a container for each step."""
    task = one(objects("tekton"), "Task")
    run = one(objects("tekton"), "TaskRun")
    steps = [{"name": f"step-{step['name']}", "image": step["image"]} for step in task["spec"]["steps"]]
    prepare = {"name": "prepare", "image": "ghcr.io/tektoncd/pipeline/entrypoint"}
    return {
        "metadata": {**run["metadata"], "labels": {**run["metadata"]["labels"], "tekton.dev/task": "who-is-signed-in"}},
        "spec": {
            "serviceAccountName": run["spec"]["serviceAccountName"],
            "securityContext": run["spec"]["podTemplate"]["securityContext"],
            "initContainers": [prepare],
            "containers": steps,
        },
    }


def pods() -> dict[str, Object]:
    """The pod of each example that has one, by its folder, with its namespace."""
    found = {}
    for folder in sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()):
        for each in objects(folder):
            if kind := workload_kind("", each["kind"]) or workload_kind(each["apiVersion"].split("/")[0], each["kind"]):
                pod = each
                for step in kind.steps:
                    pod = pod[step]
                found[folder] = {**pod, "metadata": {**pod["metadata"], "namespace": each["metadata"]["namespace"]}}
    found["tekton"] = tekton_pod()
    runner = runner_set()["spec"]["template"]
    found["github-runner"] = {**runner, "metadata": {**runner["metadata"], "namespace": "m365-runners"}}
    return found


def test_every_pod_gets_its_identity(prepared: Cluster, another_webhook: Callable[..., Running]) -> None:  # noqa: F811
    """Each container the client id of its ServiceAccount; and what the example has asked for."""
    another_webhook("--helper-image", "registry.example.com/m365-workload-identity:1")
    ids: Mapping[str, str] = {
        each["metadata"]["namespace"]: each["metadata"]["annotations"]["azure.workload.identity/client-id"]
        for each in objects()
        if each["kind"] == "ServiceAccount"
    }
    found = {folder: created(prepared, pod) for folder, pod in pods().items()}
    assert set(found) == {path.name for path in EXAMPLES.iterdir() if path.is_dir()} - {"argo-cd", "flux"}
    for folder, pod in found.items():
        for each in pod["spec"]["containers"]:
            variables = environment(each)
            assert variables["AZURE_CLIENT_ID"] == ids[pod["metadata"]["namespace"]], folder
            assert ("M365_CLIENT_ID" in variables) is (folder != "azure-cli"), folder
            assert ("IDENTITY_ENDPOINT" in variables) is (folder == "cli-microsoft365"), folder
    helpers = [each["name"] for each in found["cli-microsoft365"]["spec"]["initContainers"]]
    assert helpers == ["m365-token-endpoint"]


def created(cluster: Cluster, pod: Object) -> Object:
    """The pod as kube-apiserver would create it."""
    metadata = {"generateName": "example-", **{key: pod["metadata"].get(key) for key in ("labels", "annotations")}}
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods?dryRun=All"
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}
    answer = cluster.api.post(path, document)
    assert answer.status == 201, json.dumps(answer.json)
    return {**answer.json, "metadata": {**answer.json["metadata"], "namespace": pod["metadata"]["namespace"]}}

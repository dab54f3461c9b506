"""A workload: its kind, its pod, its labels."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.checks.support import CLIENT, USE, narrowed, the_pod, the_registration
from webhook.checks import workloads
from webhook.checks.workloads import Workload, kind_and_name
from webhook.core.identity import Account
from webhook.core.messages import workloads as rows
from webhook.core.messages.annotations import CLIENT_ID_PLACEHOLDER, UNKNOWN_ANNOTATION
from webhook.core.messages.pods import TOKEN_FILE_IN_NO_VOLUME
from webhook.core.policy import Policy
from webhook.findings import Status

PATCH = (
    "spec.template.metadata.labels: kubectl patch deployment web -n shop --type merge -p "
    """'{"spec":{"template":{"metadata":{"labels":{"team":"shop"}}}}}'"""
)
ZEROS = "00000000-0000-0000-0000-000000000000"
TENANT = {"azure.workload.identity/tenant-id": "contoso.com"}
ACCOUNT = Account("shop", "default", {"azure.workload.identity/client-id": CLIENT, **TENANT})


@pytest.mark.parametrize(
    ("labels", "put"),
    [
        ({USE: "true"}, f"put team=shop into {PATCH}; or change webhook.objectSelector"),
        ({}, f"put team=shop into {PATCH}; or change webhook.objectSelector"),
        ({USE: "true", "team": "shop"}, ""),
        ({"team": "shop"}, ""),
    ],
)
def test_labels_that_a_selector_wants_are_in_the_fix(labels: dict[str, str], put: str) -> None:
    """The selector is the platform engineer's own, and so are the labels."""
    found, stage = narrowed("cluster"), {"stage": "test"}
    workload = a_deployment(labels=labels)
    (only,) = workloads.findings(workload, ACCOUNT, stage, Policy(scope="cluster"), found)
    assert only.fix.startswith(put)
    assert only.status is (Status.FAIL if put else Status.OK)


CONTAINERS = ("app", "annotation-sync", "no-tenant", "nothing-was-injected")


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_token_file_in_no_volume_is_reported_whatever_the_container_is_called(container: str) -> None:
    """Names of containers are in the text of a warning and do not decide whether it is reported."""
    env = [{"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/nowhere/token"}]
    workload = a_deployment({"name": container, "env": env}, {"name": "other"})
    found = workloads.findings(workload, ACCOUNT, {}, Policy(), the_registration())
    (warning,) = (each for each in found if each.status is Status.WARN)
    assert warning.message.kind is TOKEN_FILE_IN_NO_VOLUME
    assert container in warning.detail
    assert warning.fix


def test_warnings_about_the_service_account_are_reported_where_it_is_looked_at() -> None:
    """And not a second time, with the workload; those about the pod template are reported here."""
    misplaced = {**ACCOUNT.annotations, "azure.workload.identity/skip-containers": "app"}
    account = replace(ACCOUNT, annotations={**misplaced, "azure.workload.identity/tenant-id": ZEROS})
    workload = a_deployment(
        annotations={"m365.workload.identity/client-id": ZEROS, "m365.workload.identity/clouds": "x"}
    )
    found = [*workloads.findings(workload, account, {}, Policy(), the_registration())]
    assert [each.message.kind for each in found] == [UNKNOWN_ANNOTATION, CLIENT_ID_PLACEHOLDER, rows.WORKLOAD_TAKEN]


def test_annotations_of_a_workload_itself_have_a_command_that_moves_them() -> None:
    """With the value that they have, as far as it is known where they belong."""
    own = {"azure.workload.identity/client-id": CLIENT, "azure.workload.identity/skip-containers": "app"}
    workload = replace(a_deployment(), document={**a_deployment().document, "metadata": {"annotations": own}})
    first, second, _ = workloads.findings(workload, ACCOUNT, {}, Policy(), the_registration())
    assert first.fix == (
        f"kubectl annotate serviceaccount default -n shop azure.workload.identity/client-id={CLIENT}; "
        "kubectl annotate deployment web -n shop azure.workload.identity/client-id-"
    )
    assert "it belongs on spec.template.metadata.annotations" in second.detail


def test_a_template_that_is_not_a_pod_has_one_problem() -> None:
    """The API server would not store it; nothing else is asked of it then."""
    workload = replace(a_deployment(), document={"spec": {"template": {"spec": {"containers": "app"}}}})
    problem = workload.problem()
    assert problem is not None
    assert problem.place.field == "spec.template.spec.containers"
    assert a_deployment().problem() is None


def a_deployment(
    *containers: Mapping[str, Any],
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> workloads.Workload:
    """Deployment shop/web, whose pod template has these containers, or one that is called app."""
    metadata = {"labels": {USE: "true"} if labels is None else labels, "annotations": annotations or {}}
    template = {"metadata": metadata, "spec": {"containers": containers or ({"name": "app"},)}}
    template = json.loads(json.dumps(template))  # as the API server returns it
    kind, name = workloads.kind_and_name("deployment/web")
    return workloads.Workload(kind, "shop", name, {"metadata": {"name": name}, "spec": {"template": template}})


def test_a_missing_service_account_is_reported_where_it_is_looked_at() -> None:
    """And not a second time, with the workload."""
    kind, name = workloads.kind_and_name("pod/web")
    pod = {**the_pod(name), "spec": {"containers": [{"name": "app"}]}}
    workload = workloads.Workload(kind, "shop", name, pod)
    assert [*workloads.findings(workload, None, {}, Policy(), the_registration())] == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("deploy/web", "Deployment"),
        ("Deployments/web", "Deployment"),
        ("deployments.apps/web", "Deployment"),
        ("po/web-0", "Pod"),
        ("CJ/nightly", "CronJob"),
        ("rc/old", "ReplicationController"),
    ],
)
def test_kinds_are_spelled_as_for_kubectl(text: str, kind: str) -> None:
    """Singular, plural, short, with the group, in any case."""
    assert workloads.kind_and_name(text)[0].name == kind


def test_a_stateful_sets_pod_has_the_volumes_of_its_claims() -> None:
    """Its template mounts volumes that it does not have: the controller adds them, or replaces those of that name."""
    template = {
        "spec": {
            "containers": [{"name": "app", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "volumes": [{"name": "work", "emptyDir": {}}, {"name": "data", "emptyDir": {}}],
        }
    }
    claims = [{"metadata": {"name": "data"}, "spec": {}}]
    spec = {"template": template, "volumeClaimTemplates": claims, "ordinals": {"start": 3}}
    kind, name = workloads.kind_and_name("sts/db")
    pod = workloads.Workload(kind, "shop", name, {"metadata": {"name": name}, "spec": spec}).pod
    assert pod["spec"]["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-3"}},
        {"name": "work", "emptyDir": {}},
    ]


def test_a_rollout_of_argo_is_a_workload() -> None:
    """By its names; kubectl cannot restart it, so it is patched as its operator wants it."""
    for text in ("rollout/web", "ro/web", "Rollouts/web"):
        kind, name = kind_and_name(text)
        assert (kind.path("shop", name), name) == ("/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web", "web")
    template = {"metadata": {}, "spec": {"containers": [{"name": "app"}]}}
    rollout = Workload(kind, "shop", "web", {"metadata": {"name": "web"}, "spec": {"template": template}})
    assert rollout.problem() is None
    assert rollout.restart() == (
        "kubectl patch rollout web -n shop --type merge -p "
        r'"{\"spec\":{\"restartAt\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"}}"'
    )


def test_a_rollout_of_another_workloads_template_names_it() -> None:
    """With the command that looks at that one."""
    kind, _ = kind_and_name("rollout/web")
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "base"}
    problem = Workload(kind, "shop", "web", {"spec": {"workloadRef": reference}}).problem()
    assert str(problem) == (
        "Rollout shop/web takes its pod template from deployment/base: that one was not looked at "
        "(m365wi check -n shop --workload deployment/base) [WI760]"
    )

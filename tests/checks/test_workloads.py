"""A workload: its kind, its pod, its labels."""

import pytest

from tests.checks.support import CLIENT, USE, narrowed, the_pod, the_registration
from webhook.checks import workloads
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.findings import Status


@pytest.mark.parametrize(
    ("labels", "put"),
    [
        ({USE: "true"}, "put team=shop into spec.template.metadata.labels; or change webhook.objectSelector"),
        ({}, "put team=shop into spec.template.metadata.labels; or change webhook.objectSelector"),
        ({USE: "true", "team": "shop"}, ""),
        ({"team": "shop"}, ""),
    ],
)
def test_a_workload_that_a_selector_leaves_out_is_told_the_label(labels: dict[str, str], put: str) -> None:
    """The platform engineer's, not ours."""
    found, stage = narrowed("cluster"), {"stage": "test"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app"}]}}
    kind, name = workloads.kind_and_name("deployment/web")
    workload = workloads.Workload(kind, "shop", name, {"metadata": {"name": name}, "spec": {"template": template}})
    account = Account("shop", "default", {"azure.workload.identity/client-id": CLIENT})
    (said,) = workloads.findings(workload, account, stage, Policy(scope="cluster"), found)
    assert said.fix.startswith(put)
    assert said.status is (Status.FAIL if put else Status.OK)


def test_a_service_account_that_is_absent_is_told_where_it_is_looked_at() -> None:
    """And not a second time, of the workload."""
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
    """As its controller makes them: its template mounts what it does not have. A volume of that name is replaced."""
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

"""A pod gets its identity, whatever creates it."""

import json
from typing import Any

import pytest

from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import LABELLED, a_pod, create, environment, is_injected, make_account
from testbed.cluster.processes import wait_until

pytestmark = pytest.mark.usefixtures("webhook")

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web", **LABELLED}},
    "spec": {"serviceAccountName": "terraform", "containers": [{"name": "app", "image": "example.test/app:1"}]},
}
JOB_TEMPLATE = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
SELECTED = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        ("apps/v1/Deployment", {"replicas": 2, **SELECTED}),
        ("apps/v1/StatefulSet", {"replicas": 1, "serviceName": "web", **SELECTED}),
        ("apps/v1/ReplicaSet", {"replicas": 1, **SELECTED}),
        ("batch/v1/Job", {"template": JOB_TEMPLATE}),
    ],
)
def test_the_pods_of_controllers_are_injected(
    control_plane: Cluster, namespace: str, path: str, spec: dict[str, Any]
) -> None:
    """A controller's pods are reviewed like others; they have generateName and no name."""
    if not control_plane.has_controllers:
        pytest.skip("the cluster has no controller-manager")
    make_account(control_plane, namespace)
    group, version, kind = path.split("/")
    body = {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": {"name": "web"}, "spec": spec}
    control_plane.api.post(f"/apis/{group}/{version}/namespaces/{namespace}/{kind.lower()}s", body).expect()
    wanted = spec.get("replicas", 1)

    def pods() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = control_plane.api.get(f"/api/v1/namespaces/{namespace}/pods").json["items"]
        return found

    wait_until(lambda: len(pods()) >= wanted, f"{wanted} pods of the {kind}")
    assert all(is_injected(pod) for pod in pods())


def test_the_pods_of_a_cron_job_are_injected(control_plane: Cluster, namespace: str) -> None:
    """A CronJob makes Jobs, and those make pods."""
    if not control_plane.has_controllers:
        pytest.skip("the cluster has no controller-manager")
    make_account(control_plane, namespace)
    body = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": JOB_TEMPLATE}}},
    }
    control_plane.api.post(f"/apis/batch/v1/namespaces/{namespace}/cronjobs", body).expect()
    control_plane.kubectl("create", "job", "now", "--from=cronjob/nightly", "-n", namespace)
    path = f"/api/v1/namespaces/{namespace}/pods"
    wait_until(lambda: bool(control_plane.api.get(path).json["items"]), "a pod of the Job")
    assert is_injected(control_plane.api.get(path).json["items"][0])


def test_a_pod_that_names_no_account_has_the_identity_of_default(control_plane: Cluster, namespace: str) -> None:
    """The ServiceAccount plugin runs before webhooks, so an empty serviceAccountName arrives as `default`."""
    annotations = {"azure.workload.identity/client-id": "11111111-2222-3333-4444-555555555555"}
    control_plane.api.patch(
        f"/api/v1/namespaces/{namespace}/serviceaccounts/default", {"metadata": {"annotations": annotations}}
    ).expect()
    pod = a_pod()
    del pod["spec"]["serviceAccountName"]
    assert is_injected(create(control_plane, namespace, pod))


def test_a_dry_run_shows_the_injected_pod(control_plane: Cluster, namespace: str) -> None:
    """kubectl create --dry-run=server prints the pod as it would be, and creates none."""
    make_account(control_plane, namespace)
    done = control_plane.kubectl(
        "create", "--dry-run=server", "-n", namespace, "-o", "json", "-f", "-", input=json.dumps(a_pod())
    )
    assert is_injected(json.loads(done.stdout))
    assert control_plane.api.get(f"/api/v1/namespaces/{namespace}/pods/web").status == 404


def test_a_copy_made_for_debugging_is_accepted(control_plane: Cluster, namespace: str) -> None:
    """kubectl debug --copy-to sends an injected pod again under another name; nothing is added twice."""
    make_account(control_plane, namespace)
    first = create(control_plane, namespace, a_pod())
    control_plane.kubectl(
        *("debug", "web", "-n", namespace, "--copy-to=web-debug", "--keep-labels", "--image=example.test/tools:1"),
        *("--attach=false", "--stdin=false", "--profile=general", "--container=tools"),
    )
    copy = control_plane.api.get(f"/api/v1/namespaces/{namespace}/pods/web-debug").expect().json
    app = next(each for each in copy["spec"]["containers"] if each["name"] == "app")
    tools = next(each for each in copy["spec"]["containers"] if each["name"] == "tools")
    assert app["env"] == first["spec"]["containers"][0]["env"]
    assert environment(tools)["M365_CLIENT_ID"] == "11111111-2222-3333-4444-555555555555"
    assert [volume["name"] for volume in copy["spec"]["volumes"]].count("azure-identity-token") == 1


def test_a_denied_pod_tells_its_user_what_to_fix(control_plane: Cluster, namespace: str) -> None:
    """kubectl prints the annotation, its value and what was expected; the API server answers 422."""
    make_account(control_plane, namespace, annotations={"azure.workload.identity/client-id": "contoso-app"})
    answer = control_plane.api.post(f"/api/v1/namespaces/{namespace}/pods", a_pod())
    assert answer.status == 422
    assert (
        f"ServiceAccount {namespace}/terraform: annotation azure.workload.identity/client-id is "
        '"contoso-app", expected the application\'s GUID'
    ) in answer.message


def test_warnings_reach_the_user(control_plane: Cluster, namespace: str) -> None:
    """A labelled pod whose ServiceAccount has no client id is created, with a warning that says what is missing."""
    name = "terraform-of-the-production-payments-in-west-europe"
    make_account(control_plane, namespace, name, annotations={})
    answer = control_plane.api.post(f"/api/v1/namespaces/{namespace}/pods", a_pod(account=name)).expect()
    expected = "no client id: annotation azure.workload.identity/client-id is missing on ServiceAccount"
    assert any(expected in warning for warning in answer.warnings)


def test_the_audit_log_says_who_the_pod_is(owned_control_plane: Any, namespace: str) -> None:
    """Audit annotations carry outcome, reason, identity and containers, under the webhook's name."""
    make_account(owned_control_plane, namespace)
    create(owned_control_plane, namespace, a_pod("audited"))

    def annotations() -> dict[str, str]:
        for event in owned_control_plane.audit_events():
            reference = event.get("objectRef", {})
            if event["verb"] == "create" and (reference.get("resource"), reference.get("namespace")) == (
                "pods",
                namespace,
            ):
                found: dict[str, str] = event.get("annotations", {})
                return found
        return {}

    wait_until(lambda: bool(annotations()), "the audit event of the pod")
    prefix = "labelled.m365.workload.identity/"
    ours = {key.removeprefix(prefix): value for key, value in annotations().items() if key.startswith(prefix)}
    assert ours == {
        "outcome": "injected",
        "reason": "injected",
        "identity": "11111111-2222-3333-4444-555555555555@contoso.onmicrosoft.com",
        "containers": "app",
    }

"""`check -A` on a real cluster: every state that was made is found, and none that was not."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from demo.server import Running
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import CLIENT_ID, a_pod, make_account
from testbed.cluster.processes import wait_until
from testbed.cluster.states import STATES, Seeded, seed
from tests.commands.live import check, ours
from webhook.core.names import AZURE_CLIENT_ID

ACCOUNTS, PODS = 60, 150


@pytest.fixture(scope="module")
def seeded(control_plane: Cluster, live_webhook: Running) -> Iterator[Seeded]:
    """A cluster with all the states; the webhook is registered."""
    with ExitStack() as stack:
        registration = ours(control_plane, live_webhook)
        made = seed(
            control_plane, lambda: stack.enter_context(registration), accounts=ACCOUNTS, pods=PODS, namespaces=3
        )
        yield made
        for each in made.namespaces:
            control_plane.delete_namespace(each)


@pytest.fixture(scope="module")
def report(control_plane: Cluster, seeded: Seeded) -> Any:
    """The report as JSON."""
    return check(control_plane, seeded.namespaces[0], "-A", "-o", "json").json


def found_codes(report: Any, seeded: Seeded) -> dict[tuple[str, str], set[str]]:
    """The codes of what is wrong, by ServiceAccount."""
    codes = defaultdict(set)
    for each in report["findings"]:
        if each.get("namespace") in seeded.namespaces:
            codes[each["namespace"], each["serviceAccount"]].add(each["code"])
    return codes


def test_every_state_is_found_and_none_is_invented(report: Any, seeded: Seeded) -> None:
    """Exactly the codes of its state for each ServiceAccount."""
    codes = found_codes(report, seeded)
    expected = {key: set(STATES[state]) for key, state in seeded.accounts.items() if STATES[state]}
    assert codes == expected


def test_the_rows_count_the_pods(report: Any, seeded: Seeded) -> None:
    """Every ServiceAccount that has opted in is there, with its pods by what became of them."""
    rows = {(row["namespace"], row["name"]): row for row in report["serviceAccounts"]}
    for key, state in seeded.accounts.items():
        assert (key in rows) == (state != "plain"), (key, state)
        if state == "plain":
            continue
        where = {
            "older-than-installation": "didNotGetIn",
            "older-than-annotation": "createAgain",
            "unlabelled": "out",
            "opted-out": "out",
            "misspelt-label": "out",
        }.get(state, "right")
        pods = rows[key]["pods"]
        assert pods["running"] == pods[where] == seeded.pods[key], (key, pods)


def make_deployment(cluster: Cluster, namespace: str, account: str) -> None:
    """`web`, with two labelled pods."""
    pod = a_pod(account=account)
    labels = {"app": "web"}
    template = {"metadata": {"labels": {**pod["metadata"]["labels"], **labels}}, "spec": pod["spec"]}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    body = {"metadata": {"name": "web"}, "spec": spec}
    cluster.api.post(f"/apis/apps/v1/namespaces/{namespace}/deployments", body).expect()


def findings_of(cluster: Cluster, namespace: str) -> tuple[Any, dict[str, Any]]:
    """The report, and its problems in a namespace by code."""
    report = check(cluster, namespace, "-A", "-o", "json").json
    return report, {each["code"]: each for each in report["findings"] if each.get("namespace") == namespace}


def test_pods_to_create_again_are_named_by_their_owner(
    control_plane: Cluster, namespace: str, live_webhook: Running
) -> None:
    """Two pods of a Deployment are one problem with one command, and its template makes it certain."""
    with ours(control_plane, live_webhook):
        make_account(control_plane, namespace)
        make_deployment(control_plane, namespace, "terraform")
        pods = f"/api/v1/namespaces/{namespace}/pods"
        wait_until(lambda: len(control_plane.api.get(pods).json["items"]) == 2, "two pods")
        body = {"metadata": {"annotations": {AZURE_CLIENT_ID: CLIENT_ID.replace("1", "9")}}}
        control_plane.api.patch(f"/api/v1/namespaces/{namespace}/serviceaccounts/terraform", body).expect()
        report, problems = findings_of(control_plane, namespace)
    assert [*problems] == ["WI752"]
    (restart,) = (each for each in report["restart"] if each["namespace"] == namespace)
    assert restart["owner"] == "Deployment web"
    assert restart["command"] == f"kubectl rollout restart deployment/web -n {namespace}"
    assert len(restart["pods"]) == 2


def test_pods_that_are_refused_are_found_by_their_events(
    control_plane: Cluster, namespace: str, live_webhook: Running
) -> None:
    """They do not exist; an event of their ReplicaSet tells. Scaled to 0, no pod is missing."""
    with ours(control_plane, live_webhook):
        make_account(control_plane, namespace, "broken", {AZURE_CLIENT_ID: "contoso"})
        make_deployment(control_plane, namespace, "broken")
        events = f"/api/v1/namespaces/{namespace}/events?fieldSelector=reason%3DFailedCreate"
        wait_until(lambda: bool(control_plane.api.get(events).json["items"]), "an event")
        _, problems = findings_of(control_plane, namespace)
        assert sorted(problems) == ["WI102", "WI120", "WI725", "WI762"]
        assert problems["WI762"]["owner"] == "Deployment web"
        assert f"m365wi check -n {namespace} --workload deployment/web" in problems["WI762"]["fix"]
        control_plane.kubectl("scale", "deployment/web", "-n", namespace, "--replicas=0")
        replicas = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
        wait_until(
            lambda: all(each["spec"]["replicas"] == 0 for each in control_plane.api.get(replicas).json["items"]),
            "the ReplicaSet",
        )
        _, problems = findings_of(control_plane, namespace)
    assert "WI762" not in problems


def test_what_may_not_be_seen_is_said(control_plane: Cluster, namespace: str) -> None:
    """A user without rights gets a report all the same, which counts nothing that was not looked at."""
    kubeconfig = control_plane.kubeconfig_for_account(namespace, "default")
    done = check(control_plane, namespace, "-A", "-o", "json", kubeconfig=kubeconfig)
    skipped = " ".join(done.json["skipped"])
    for resource in ("namespaces", "serviceaccounts"):
        assert f"{resource} of the whole cluster" in skipped
    assert done.json["serviceAccounts"] == []
    assert "WI761" not in {each["code"] for each in done.json["findings"]}


def test_pods_that_may_not_be_seen_are_not_none(control_plane: Cluster, namespace: str) -> None:
    """Who may read ServiceAccounts and not pods is told that the number of pods is not known."""
    rights = f"{namespace}-accounts"
    kubeconfig = control_plane.kubeconfig_for_account(namespace, "default")
    for command in (
        f"create clusterrole {rights} --verb=list --resource=serviceaccounts,namespaces",
        f"create clusterrolebinding {rights} --clusterrole={rights} --serviceaccount={namespace}:default",
    ):
        control_plane.kubectl(*command.split())

    def counted() -> list[str]:
        found = check(control_plane, namespace, "-A", "-o", "json", kubeconfig=kubeconfig).json["findings"]
        return [each["detail"] for each in found if each["code"] == "WI761"]

    try:
        wait_until(lambda: bool(counted()), "the right", seconds=30)
        assert counted()[0].endswith("; an unknown number of pods run as one of them")
    finally:
        for kind in ("clusterrole", "clusterrolebinding"):
            control_plane.kubectl("delete", kind, rights)


def test_page_and_text_have_the_same_verdict(control_plane: Cluster, seeded: Seeded) -> None:
    """The page is a whole document; the text has the same verdict and says what it left out."""
    where = (control_plane, seeded.namespaces[0], "-A")
    page = check(*where, "-o", "html")
    assert page.code == 1
    assert page.out.startswith("<!doctype html>")
    assert page.out.endswith("</html>\n")
    text = check(*where)
    assert text.code == 1
    assert "Something is wrong." in text.out
    assert "SERVICEACCOUNT" in text.out

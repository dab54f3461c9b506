"""The policy of client ids on a real kube-apiserver: whom it refuses, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import yaml

from testbed.chart.helm import NAME
from testbed.cluster.api import Response
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import CLIENT_ID, a_pod
from testbed.cluster.processes import wait_until
from tests.chart.objects import Object, installed
from webhook.checks.refusals import RefusalKind, classify
from webhook.core.messages import message
from webhook.core.messages.pod_refusals import CLIENT_ID_NOT_ALLOWED

pytestmark = pytest.mark.slow

AZURE, M365 = "azure.workload.identity/client-id", "m365.workload.identity/client-id"
OWN: Final = "AbCdEf00-2222-4333-8444-555555555555"
FOREIGN: Final = CLIENT_ID


def policy_for(allowed: Mapping[str, Any], *, here: str, **values: Any) -> list[Object]:
    """The policy and its binding, for one namespace."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": here}}
    ids = {"enabled": True, "allowed": allowed, "namespaceSelector": selector}
    objects = installed({**values, "name": here, "clientIds": ids})
    return [each for each in objects if each["metadata"]["name"] == f"{here}-client-ids"]


@pytest.fixture(scope="module")
def policy(control_plane: Cluster) -> Iterator[str]:
    """A namespace that may name OWN and no other client id; its name. Shared, as it takes seconds to be in force."""
    namespace = control_plane.create_namespace()
    manifest = yaml.safe_dump_all(policy_for({namespace: [OWN]}, here=namespace))
    account(control_plane, namespace, "before", {AZURE: FOREIGN}).expect()
    control_plane.kubectl("apply", "--validate=strict", "-f", "-", input=manifest)
    probe = {M365: FOREIGN}
    wait_until(lambda: account(control_plane, namespace, "probe", probe, dry=True).status == 403, "the policy in force")
    yield namespace
    control_plane.kubectl("delete", "-f", "-", input=manifest)
    control_plane.delete_namespace(namespace)


def account(
    cluster: Cluster, namespace: str, name: str, annotations: Mapping[str, str], *, dry: bool = False
) -> Response:
    """What becomes of a new ServiceAccount."""
    body = {"metadata": {"name": name, "annotations": dict(annotations)}}
    params = {"dryRun": "All"} if dry else {}
    return cluster.api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", body, params=params)


@pytest.mark.parametrize(
    ("annotations", "admitted"),
    [
        ({}, True),
        ({AZURE: OWN}, True),
        ({AZURE: f" {OWN.upper()} ", M365: OWN.lower()}, True),
        ({AZURE: ""}, True),
        ({"azure.workload.identity/tenant-id": FOREIGN}, True),
        ({AZURE: FOREIGN}, False),
        ({M365: FOREIGN.upper()}, False),
        ({AZURE: OWN, M365: FOREIGN}, False),
        ({AZURE: "contoso-app"}, False),
    ],
)
def test_a_service_account_names_only_what_its_namespace_may(
    control_plane: Cluster, policy: str, annotations: Mapping[str, str], admitted: bool
) -> None:
    """Both annotations count, in any case; one without a client id is not concerned."""
    answer = account(control_plane, policy, "new", annotations, dry=True)
    assert answer.status == (201 if admitted else 403), answer.message


def test_the_refusal_says_what_is_allowed(control_plane: Cluster, policy: str) -> None:
    """The sentence is that of the table, with the code by which `check` knows it; a namespace may be without any."""
    said = account(control_plane, policy, "new", {AZURE: FOREIGN}, dry=True).message
    row = message(CLIENT_ID_NOT_ALLOWED, namespace=policy, client=FOREIGN, allowed=OWN.lower(), name=policy)
    assert said.endswith(f"denied request: {row}")
    assert classify(403, said).kind is RefusalKind.NOT_ALLOWED


def test_changes_are_checked_and_what_was_there_may_stay(control_plane: Cluster, policy: str) -> None:
    """A controller can change the rest of a ServiceAccount, and delete it; its client id cannot become another one."""
    path = f"/api/v1/namespaces/{policy}/serviceaccounts/before"

    def change(**metadata: Any) -> int:
        return control_plane.api.patch(path, {"metadata": metadata}).status

    assert change(labels={"team": "x"}, finalizers=["example.com/x"]) == 200
    assert change(annotations={"example.com/x": "y"}) == 200
    assert change(annotations={M365: FOREIGN}) == 403
    assert change(annotations={AZURE: FOREIGN.replace("1", "9")}) == 403
    assert change(annotations={AZURE: OWN}) == 200
    assert change(annotations={AZURE: FOREIGN}) == 403
    assert change(annotations={AZURE: None}, finalizers=[]) == 200


def test_pods_cannot_name_another_one_either(control_plane: Cluster, policy: str) -> None:
    """Their own annotation wins over that of the ServiceAccount; what it becomes afterwards has no effect."""
    pods = f"/api/v1/namespaces/{policy}/pods"

    def pod(client: str, name: str) -> Response:
        body = a_pod(name, account="default")
        body["metadata"]["annotations"] = {M365: client}
        return control_plane.api.post(pods, body)

    assert pod(FOREIGN, "foreign").status == 403
    pod(OWN, "own").expect()
    assert control_plane.api.patch(f"{pods}/own", {"metadata": {"annotations": {M365: FOREIGN}}}).status == 200


def test_a_namespace_that_is_not_listed_may_name_none(control_plane: Cluster, namespace: str) -> None:
    """Also if no namespace is listed at all."""
    manifest = yaml.safe_dump_all(policy_for({}, here=namespace))
    control_plane.kubectl("apply", "--validate=strict", "-f", "-", input=manifest)
    try:

        def refused() -> bool:
            answer = account(control_plane, namespace, "new", {AZURE: OWN}, dry=True)
            return answer.status == 403 and "it may name none (correct" in answer.message

        wait_until(refused, "the policy in force")
        assert account(control_plane, namespace, "new", {}, dry=True).status == 201
    finally:
        control_plane.kubectl("delete", "-f", "-", input=manifest)


def test_it_is_off_by_default_and_allows_what_the_chart_itself_names() -> None:
    """`federation` and `canary` have ServiceAccounts with a client id in the release's namespace."""
    assert not [each for each in installed() if each["metadata"]["name"] == f"{NAME}-client-ids"]
    federation = {"enabled": True, "clientId": OWN, "tenantId": "contoso.com"}
    found, _ = policy_for({}, here="here", federation=federation, tenantId="contoso.com")
    (allowed,) = (each["expression"] for each in found["spec"]["variables"] if each["name"] == "allowed")
    assert allowed == f'{{"m365-workload-identity-system":["{OWN.lower()}"]}}'

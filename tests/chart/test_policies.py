"""The two policies on a real kube-apiserver: what they stop, what they give, and what they leave alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from testbed.chart.helm import NAME
from testbed.cluster.api import Response
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import CLIENT_ID, LABELLED, TENANT_ID, a_pod, environment, make_account
from testbed.cluster.processes import wait_until
from tests.chart.objects import Object, installed, some
from tests.commands.live import Change, another_webhook, check, registered
from webhook.core.messages import message
from webhook.core.messages.calls import POLICY_REFUSES

pytestmark = pytest.mark.slow

POLICIES: Final = "/apis/admissionregistration.k8s.io/v1"
PATH: Final = "/var/run/secrets/azure/tokens"
FILE: Final = f"{PATH}/azure-identity-token"
USUAL: Final = {
    "AZURE_FEDERATED_TOKEN_FILE": FILE,
    "M365_CLIENT_ID": CLIENT_ID,
    "M365_TENANT_ID": TENANT_ID,
    "M365_AUTH_METHOD": "workload_identity",
    "M365_CLOUD": "public",
    "AZURE_CLIENT_ID": CLIENT_ID,
    "AZURE_TENANT_ID": TENANT_ID,
    "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
}
SKIP: Final = "azure.workload.identity/skip-containers"


def tried(cluster: Cluster, namespace: str, pod: Mapping[str, Any]) -> Response:
    """What becomes of a pod, by dry run."""
    return cluster.api.post(f"/api/v1/namespaces/{namespace}/pods", pod, params={"dryRun": "All"})


@contextlib.contextmanager
def in_force(cluster: Cluster, kind: str, namespace: str, values: Mapping[str, Any]) -> Iterator[list[Object]]:
    """Installs the policy of a kind and its binding, for the pods of one namespace."""
    here = {"kubernetes.io/metadata.name": namespace}
    all_values = {**values, "name": namespace, "webhook": {"namespaceSelector": {"matchLabels": here}}}
    objects = [each for each in installed(all_values) if each["metadata"]["name"] == namespace]
    objects = [each for each in objects if each["kind"].startswith(kind)]
    assert [each["kind"] for each in objects] == [kind, f"{kind}Binding"]
    manifest = yaml.safe_dump_all(objects)
    cluster.kubectl("apply", "--validate=strict", "-f", "-", input=manifest)
    try:
        yield objects
    finally:
        cluster.kubectl("delete", "-f", "-", input=manifest)


def pod(
    *containers: Mapping[str, Any],
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A labelled pod of the usual ServiceAccount; each container is called app, log, … unless it has a name."""
    made = a_pod(labels=labels)
    made["metadata"]["annotations"] = dict(annotations or {})
    made["spec"]["containers"] = [
        {"name": name, "image": "example.test/app:1", **container}
        for name, container in zip(("app", "log", "web"), containers or ({},), strict=False)
    ]
    made["spec"].update(spec)
    return made


BY_HAND: Final = {"env": [{"name": "AZURE_FEDERATED_TOKEN_FILE", "value": FILE}]}
MOUNTED: Final = {"volumeMounts": [{"name": "token", "mountPath": PATH}]}
GIVEN: Final = {**BY_HAND, **MOUNTED}
TOKEN: Final = {"serviceAccountToken": {"path": "azure-identity-token", "audience": "api://AzureADTokenExchange"}}
VOLUMES: Final[Mapping[str, Any]] = {"volumes": [{"name": "token", "projected": {"sources": [TOKEN]}}]}
ELSEWHERE: Final[Mapping[str, Any]] = {
    "env": [{"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/spiffe/token"}],
    "volumeMounts": [{"name": "token", "mountPath": "/spiffe"}],
}
BY_REFERENCE: Final[Mapping[str, Any]] = {
    "env": [
        {
            "name": "AZURE_FEDERATED_TOKEN_FILE",
            "valueFrom": {"configMapKeyRef": {"name": "files", "key": "token"}},
        }
    ]
}

# A pod, and whether the validating policy lets it be.
PODS: Final[Mapping[str, tuple[dict[str, Any], bool]]] = {
    "without its token": (pod(), False),
    "with its token": (pod(GIVEN, **VOLUMES), True),
    "with the variable alone, by hand": (pod(BY_HAND), False),
    "with the variable by hand, where something else is mounted": (
        pod({**BY_HAND, "volumeMounts": [{"name": "token", "mountPath": "/work"}]}, **VOLUMES),
        False,
    ),
    "with the variable by hand, next to a mount whose path only begins alike": (
        pod({**BY_HAND, "volumeMounts": [{"name": "token", "mountPath": PATH[:-1]}]}, **VOLUMES),
        False,
    ),
    "with its token on the file's own path": (
        pod(
            {**BY_HAND, "volumeMounts": [{"name": "token", "mountPath": FILE, "subPath": "azure-identity-token"}]},
            **VOLUMES,
        ),
        True,
    ),
    "with everything mounted at the root of a volume": (
        pod({**BY_HAND, "volumeMounts": [{"name": "token", "mountPath": PATH + "/"}]}, **VOLUMES),
        True,
    ),
    "with the variable set to nothing": (pod({"env": [{"name": "AZURE_FEDERATED_TOKEN_FILE"}]}), False),
    "with a file of its author's": (pod(ELSEWHERE, volumes=[{"name": "token", "emptyDir": {}}]), True),
    "with a path that only the cluster knows": (pod(BY_REFERENCE), True),
    "with a container that another webhook added last": (pod({}, GIVEN, **VOLUMES), True),
    "with other variables": (pod({"env": [{"name": "A", "value": "b"}]}), False),
    "unlabelled": (pod(labels={}), True),
    "opted out": (pod(labels={"azure.workload.identity/use": "false"}), True),
    "with all its containers skipped": (pod({}, {}, annotations={SKIP: "app; log"}), True),
    "with all its containers skipped, by commas": (pod({}, {}, annotations={SKIP: "log,app"}), True),
    "with one of two skipped": (pod({}, {}, annotations={SKIP: "app"}), False),
    "with its token where it is skipped only": (pod(GIVEN, {}, annotations={SKIP: "app"}, **VOLUMES), False),
    "a mirror of a static one": (pod(annotations={"kubernetes.io/config.mirror": "0123456789abcdef"}), True),
}


def test_what_the_policy_says_is_a_row_of_the_table() -> None:
    """With its code, by which `check` knows it."""
    policies = some(installed({"validatingAdmissionPolicy": {"enabled": True}}), "ValidatingAdmissionPolicy")
    (policy,) = (each for each in policies if each["metadata"]["name"] == NAME)
    assert policy["spec"]["validations"][0]["message"] == str(message(POLICY_REFUSES, name=NAME))


@pytest.mark.parametrize(
    ("actions", "refused"), [(["Deny"], True), (["Warn", "Audit"], False)], ids=["Deny", "Warn and Audit"]
)
def test_labelled_pods_without_a_token_are_stopped(
    control_plane: Cluster, namespace: str, actions: list[str], refused: bool
) -> None:
    """They and no others, with a sentence; or only warned about."""
    make_account(control_plane, namespace)
    values = {"validatingAdmissionPolicy": {"enabled": True, "actions": actions}}

    def said(of: Mapping[str, Any]) -> str:
        answer = tried(control_plane, namespace, of)
        return answer.message if answer.status != 201 else " ".join(answer.warnings)

    with in_force(control_plane, "ValidatingAdmissionPolicy", namespace, values):
        wait_until(lambda: "was given no token" in said(pod()), "the policy in force")
        for name, (each, allowed) in PODS.items():
            assert ("was given no token" in said(each)) is not allowed, name
        answer = tried(control_plane, namespace, pod())
        assert answer.status == (403 if refused else 201)
        assert "create the pod again" in said(pod())


def test_check_knows_the_policys_words_and_goes_on_to_the_cause(control_plane: Cluster, namespace: str) -> None:
    """With failurePolicy Ignore the policy is who refuses, and why the webhook was not asked is behind it."""
    make_account(control_plane, namespace)
    ignore: Change = lambda entry: entry.update(failurePolicy="Ignore")  # noqa: E731
    values = {"validatingAdmissionPolicy": {"enabled": True}}
    with in_force(control_plane, "ValidatingAdmissionPolicy", namespace, values):
        with registered(control_plane.api, "https://127.0.0.1:1/mutate", change=ignore):
            refused = lambda: "was given no token" in tried(control_plane, namespace, pod()).message  # noqa: E731
            wait_until(refused, "the policy in force")
            done = check(control_plane, namespace, "--service-account", "terraform")
    assert done.code == 1
    found = done.finding("call")
    assert "A labelled pod is refused by the webhook's ValidatingAdmissionPolicy" in found
    assert "failurePolicy of labelled.m365.workload.identity is Ignore, and the call to https://127.0.0.1:1" in found
    assert "its caBundle is empty" in found
    assert "another namespace" not in found


def test_check_tells_of_a_variable_that_the_policy_does_not_believe(
    control_plane: Cluster, namespace: str, tmp_path: Path
) -> None:
    """The webhook leaves such a container alone, so it is the workload that has to change."""
    make_account(control_plane, namespace)
    of = pod({"env": ELSEWHERE["env"]})
    template = {"metadata": {"labels": {**LABELLED, "app": "web"}}, "spec": of["spec"]}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    control_plane.api.post(deployments, {"metadata": {"name": "web"}, "spec": spec}).expect()
    values = {"validatingAdmissionPolicy": {"enabled": True}}
    with in_force(control_plane, "ValidatingAdmissionPolicy", namespace, values):
        with another_webhook(control_plane, tmp_path):
            refused = lambda: "was given no token" in tried(control_plane, namespace, of).message  # noqa: E731
            wait_until(refused, "the policy in force")
            done = check(control_plane, namespace, "--workload", "deployment/web")
    assert "is injected" in done.finding("call", "ok")
    found = done.finding("workload")
    assert f"A pod of Deployment {namespace}/web is refused by the webhook's ValidatingAdmissionPolicy" in found
    assert "sets AZURE_FEDERATED_TOKEN_FILE itself, and no container has a volume there" in found


@pytest.fixture
def policy(control_plane: Cluster, namespace: str) -> Iterator[str]:
    """A namespace in which the mutating policy is in force; the usual ServiceAccount is there, and one with nothing."""
    served = control_plane.api.get(POLICIES).expect().json["resources"]
    if not any(each["name"] == "mutatingadmissionpolicies" for each in served):
        pytest.skip(f"the cluster {control_plane.name} has no MutatingAdmissionPolicy")  # one that is not ours
    make_account(control_plane, namespace)
    make_account(control_plane, namespace, "plain", {})
    make_account(control_plane, namespace, "ours", {"m365.workload.identity/client-id": OTHER})
    values = {"mutatingAdmissionPolicy": {"enabled": True}, "tenantId": "fallback.example.com"}
    with in_force(control_plane, "MutatingAdmissionPolicy", namespace, values):
        # Each account is a parameter, and kube-apiserver hears of those by and by.
        probes = [pod(serviceAccountName=account) for account in ("terraform", "plain", "ours")]
        wait_until(
            lambda: all(volumes(given(control_plane, namespace, probe)) for probe in probes),
            "the policy in force for every account",
        )
        yield namespace


OTHER: Final = "33333333-3333-4333-8333-333333333333"


def given(cluster: Cluster, namespace: str, of: Mapping[str, Any]) -> Object:
    """The pod as kube-apiserver would store it."""
    made: Object = tried(cluster, namespace, of).expect(201).json
    return made


def volumes(of: Object) -> list[Object]:
    """Its projected tokens of another audience than the API server's."""
    return [
        {"name": volume["name"], **source["serviceAccountToken"]}
        for volume in of["spec"].get("volumes", ())
        for source in volume.get("projected", {}).get("sources", ())
        if "audience" in source.get("serviceAccountToken", {})
    ]


def mounts(container: Object) -> list[tuple[str, str]]:
    """Name and path of what is mounted, without the API server's token."""
    return [
        (mount["name"], mount["mountPath"])
        for mount in container.get("volumeMounts", ())
        if not mount["mountPath"].startswith("/var/run/secrets/kubernetes.io")
    ]


OURS: Final = ("azure-identity-token", PATH)


@pytest.mark.since("1.36")
def test_the_policy_gives_every_container_what_the_webhook_gives(control_plane: Cluster, policy: str) -> None:
    """Init containers too; the volume is there once."""
    made = given(control_plane, policy, pod({}, {}, initContainers=[{"name": "init", "image": "example.test/init:1"}]))
    for container in (*made["spec"]["initContainers"], *made["spec"]["containers"]):
        assert environment(container) == USUAL
        assert mounts(container) == [OURS]
    assert volumes(made) == [
        {
            "name": "azure-identity-token",
            "audience": "api://AzureADTokenExchange",
            "expirationSeconds": 3600,
            "path": "azure-identity-token",
        }
    ]


@pytest.mark.since("1.36")
def test_the_policy_takes_nothing_away(control_plane: Cluster, policy: str) -> None:
    """The user's variables, by value and by reference, mounts and volumes stay; skipped containers get nothing."""
    mine = [
        {"name": "M365_CLOUD", "value": "dod"},
        {"name": "AZURE_CLIENT_ID", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
    ]
    work = {"name": "work", "mountPath": "/work"}
    made = given(
        control_plane,
        policy,
        pod(
            {"env": mine, "volumeMounts": [work]},
            {},
            annotations={SKIP: " log , none"},
            volumes=[{"name": "work", "emptyDir": {}}],
        ),
    )
    app, log = made["spec"]["containers"]
    assert environment(app) == {**USUAL, "M365_CLOUD": "dod", "AZURE_CLIENT_ID": None}
    assert [each for each in app["env"] if each["name"] == "AZURE_CLIENT_ID"] == mine[1:]
    assert sorted(mounts(app)) == [OURS, ("work", "/work")]
    assert (environment(log), mounts(log)) == ({}, [])
    assert [each["name"] for each in made["spec"]["volumes"]] == ["work", "azure-identity-token"]


@pytest.mark.since("1.36")
def test_the_policy_reads_the_pods_own_service_account(control_plane: Cluster, policy: str) -> None:
    """Not its neighbour's; without a client id there is none, and the tenant is the chart's."""
    plain = given(control_plane, policy, pod(serviceAccountName="plain"))["spec"]["containers"][0]
    rest = {name: value for name, value in USUAL.items() if not name.endswith("CLIENT_ID")}
    tenant = {"M365_TENANT_ID": "fallback.example.com", "AZURE_TENANT_ID": "fallback.example.com"}
    assert environment(plain) == {**rest, **tenant}
    ours = given(control_plane, policy, pod(serviceAccountName="ours"))["spec"]["containers"][0]
    assert environment(ours) == {**rest, **tenant, "M365_CLIENT_ID": OTHER}
    annotations = {"azure.workload.identity/service-account-token-expiration": "7200"}
    longer = given(control_plane, policy, pod(annotations=annotations))
    assert [each["expirationSeconds"] for each in volumes(longer)] == [7200]


@pytest.mark.since("1.36")
def test_the_policy_run_again_adds_nothing(control_plane: Cluster, policy: str) -> None:
    """What it made is admitted as it is."""
    first = given(control_plane, policy, pod({}, {}))
    again = given(control_plane, policy, {**first, "metadata": {"name": "again", "labels": LABELLED}})
    assert again["spec"] == first["spec"]


@pytest.mark.since("1.36")
@pytest.mark.parametrize(
    ("labels", "annotations"),
    [
        ({}, {}),
        ({"azure.workload.identity/use": "false"}, {}),
        (LABELLED, {"kubernetes.io/config.mirror": "0123456789abcdef"}),
    ],
    ids=["unlabelled", "opted out", "mirror"],
)
def test_the_policy_leaves_others_alone(
    control_plane: Cluster, policy: str, labels: dict[str, str], annotations: dict[str, str]
) -> None:
    """As the webhook does."""
    of = pod(labels=labels, annotations=annotations)
    answer = tried(control_plane, policy, of)
    if answer.status == 201:
        assert (volumes(answer.json), environment(answer.json["spec"]["containers"][0])) == ([], {})
    else:
        assert "mirror pod" in answer.message  # by kube-apiserver, which wants it bound to a node


@pytest.mark.since("1.36")
def test_the_policy_takes_any_audience(control_plane: Cluster, namespace: str) -> None:
    """It stands in a text of an expression, whose quotes and backslashes it must not end."""
    make_account(control_plane, namespace)
    audience = "api://it's\\" + '"mine"'
    values = {"mutatingAdmissionPolicy": {"enabled": True}, "audience": audience}
    with in_force(control_plane, "MutatingAdmissionPolicy", namespace, values):
        probe = lambda: bool(volumes(given(control_plane, namespace, pod())))  # noqa: E731
        wait_until(probe, "the policy in force")
        assert [each["audience"] for each in volumes(given(control_plane, namespace, pod()))] == [audience]


def test_with_the_policy_there_is_no_webhook() -> None:
    """Nothing of it: no replica, no right, no Secret; the guard may stand beside the policy."""
    both = {"mutatingAdmissionPolicy": {"enabled": True}, "validatingAdmissionPolicy": {"enabled": True}}
    assert [each["kind"] for each in installed(both)] == [
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ]


@pytest.mark.parametrize(
    ("values", "authority", "audience"),
    [
        ({"cloud": "gcchigh"}, "https://login.microsoftonline.us/", "api://AzureADTokenExchangeUSGov"),
        ({"audience": "api://mine"}, "https://login.microsoftonline.com/", "api://mine"),
    ],
    ids=["another cloud", "an audience of one's own"],
)
def test_the_policy_knows_the_cloud(values: dict[str, str], authority: str, audience: str) -> None:
    """Login host and audience by cloud, the audience of the values first."""
    policy = installed({**values, "mutatingAdmissionPolicy": {"enabled": True}})[0]["spec"]
    assert f"['AZURE_AUTHORITY_HOST', '{authority}']" in policy["variables"][-1]["expression"]
    assert f"audience: '{audience}'" in policy["mutations"][-1]["jsonPatch"]["expression"]

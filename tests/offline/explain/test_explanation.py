"""The explanation of manifests: rules, settings, containers, credential."""

from typing import Any

import pytest
import yaml

from tests.core import cases
from tests.offline.mutating import ACCOUNT, CLIENT, pod
from webhook.core.policy import CLUSTER, NAMESPACE_LABEL, POD_LABEL, Policy
from webhook.documents.files import manifests_in
from webhook.offline.explain.as_text import as_text
from webhook.offline.explain.explanation import Explained, Explanation, explain
from webhook.offline.explain.rules import BY_REASON, RULES

POLICY = Policy(helper_image="registry.example/m365:1", tenant_id=cases.TENANT)


def explained(*objects: Any, policy: Policy = POLICY) -> Explanation:
    return explain(manifests_in("text", yaml.safe_dump_all(objects).encode()), policy, "shop")


def only(*objects: Any, policy: Policy = POLICY) -> Explained:
    (found,) = explained(*objects, policy=policy).objects
    return found


def with_(base: dict[str, Any], *, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {**base["metadata"], "annotations": {**base["metadata"].get("annotations", {}), **(annotations or {})}}
    return {**base, "metadata": metadata, **({"spec": {**base["spec"], **spec}} if spec else {})}


def test_every_step_names_its_rule_and_what_it_found() -> None:
    """In the order in which the webhook decides."""
    found = only(ACCOUNT, pod())
    assert (found.outcome, found.summary) == ("injected", "The pod gets what it is missing.")
    assert [(step.rule.name, step.found) for step in found.steps] == [
        ("scope", 'The scope is pod-label; the pod has the label azure.workload.identity/use: "true".'),
        ("account", "ServiceAccount shop/terraform is in this text."),
        ("token", "The webhook adds a volume with the token, and mounts it."),
        ("variables", "The pod gets what it is missing."),
    ]


@pytest.mark.parametrize(
    ("scope", "label", "said"),
    [
        (
            POD_LABEL,
            None,
            'The scope is pod-label; the pod does not have the label azure.workload.identity/use: "true".',
        ),
        (
            NAMESPACE_LABEL,
            None,
            "The scope is namespace-label; the namespace's label m365.workload.identity/inject decides.",
        ),
        (CLUSTER, None, "The scope is cluster; every pod is asked about."),
        (CLUSTER, "false", 'The pod has the label azure.workload.identity/use: "false".'),
    ],
)
def test_the_scope_is_told_as_it_is(scope: str, label: str | None, said: str) -> None:
    """And a pod that opts out is told so in every scope."""
    labels = {"azure.workload.identity/use": label} if label else {}
    made = {**pod(), "metadata": {**pod()["metadata"], "labels": labels}}
    found = only(ACCOUNT, made, policy=Policy(scope=scope))
    assert found.steps[0].found == said


def test_each_setting_says_where_its_value_comes_from() -> None:
    """The pod's annotation, the ServiceAccount's, the webhook's setting, the default."""
    made = with_(pod(), annotations={"m365.workload.identity/cloud": "dod"})
    account = {**ACCOUNT, "metadata": {**ACCOUNT["metadata"], "annotations": {CLIENT: cases.CLIENT}}}
    rows = {row.title: (row.value, row.source) for row in only(account, made).settings}
    assert rows["client id"] == (cases.CLIENT, f"{CLIENT} on ServiceAccount shop/terraform")
    assert rows["tenant id"] == (cases.TENANT, "the webhook's setting")
    assert rows["cloud"] == ("dod", "m365.workload.identity/cloud on Pod shop/p")
    assert rows["audience of the token"] == ("api://AzureADTokenExchangeUSGov", "the cloud")
    assert rows["sign-in method"] == ("workload_identity", "the default")


def test_an_annotation_that_counts_only_on_the_service_account_is_not_the_source_on_a_pod() -> None:
    """Azure's ids and the audience on a pod have no effect, so the values come from elsewhere."""
    ineffective = {
        CLIENT: "99999999-9999-4999-8999-999999999999",
        "azure.workload.identity/tenant-id": "other.example",
        "m365.workload.identity/audience": "api://other",
    }
    rows = {row.title: (row.value, row.source) for row in only(ACCOUNT, with_(pod(), annotations=ineffective)).settings}
    assert rows["client id"] == (cases.CLIENT, f"{CLIENT} on ServiceAccount shop/terraform")
    assert rows["tenant id"][1] == "azure.workload.identity/tenant-id on ServiceAccount shop/terraform"
    assert rows["audience of the token"] == ("api://AzureADTokenExchange", "the cloud")


def test_a_container_shows_what_it_gets_and_what_it_has() -> None:
    """Its own variables for signing in, too, but no secret; the others are counted."""
    env = [
        {"name": "M365_CLOUD", "value": "public"},
        {"name": "AZURE_CLIENT_SECRET", "value": "hush"},
        {"name": "A", "value": "b"},
    ]
    made = with_(pod(), containers=[{"name": "c", "image": "i", "env": env}])
    (container,) = only(ACCOUNT, made).containers
    variables = {each.name: (each.value, each.is_new) for each in container.variables}
    assert variables["M365_CLOUD"] == ("public", False)
    assert variables["AZURE_CLIENT_SECRET"] == ("(a secret, not shown)", False)
    assert variables["M365_CLIENT_ID"] == (cases.CLIENT, True)
    assert container.others == 1
    (file,) = container.files
    assert file.variable == "AZURE_FEDERATED_TOKEN_FILE"
    assert file.path == "/var/run/secrets/azure/tokens/azure-identity-token"
    assert file.details.startswith("a token for api://AzureADTokenExchange, renewed by the kubelet, 3600 s")


def test_a_file_that_no_volume_has_is_told() -> None:
    """The variable of the container's own names a path that is not mounted."""
    env = [{"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/elsewhere/token"}]
    made = with_(pod(), containers=[{"name": "c", "image": "i", "env": env}])
    found = only(ACCOUNT, made)
    assert found.containers[0].files[0].details == ""
    assert "no volume has this file" in as_text(explained(ACCOUNT, made))


def test_helper_containers_are_shown_as_added() -> None:
    """Preflight comes first, as an init container of ours."""
    found = only(ACCOUNT, with_(pod(), annotations={"m365.workload.identity/preflight": "true"}))
    assert [(each.name, each.role, each.is_new) for each in found.containers] == [
        ("m365-preflight", "helper container", True),
        ("app", "container", False),
    ]
    assert "Added: m365-preflight." in [step.found for step in found.steps]


def test_the_credential_that_entra_needs_is_named() -> None:
    """Subject and audience; the issuer is the cluster's."""
    credential = only(ACCOUNT, pod()).credential
    assert credential is not None
    assert (credential.subject, credential.applications) == ("system:serviceaccount:shop:terraform", (cases.CLIENT,))


def test_a_refusal_has_its_problems_and_no_diff() -> None:
    """Nothing is half-said: a pod that is refused has no containers to show."""
    found = explained(with_(ACCOUNT, annotations={CLIENT: "contoso-app"}), pod())
    assert found.objects[0].outcome == "refused"
    assert [each.code for each in found.objects[0].problems] == ["WI120"]
    assert (found.diff, found.objects[0].containers, found.objects[0].settings) == ((), (), ())


def test_the_diff_knows_its_lines() -> None:
    """Added, the same, and where."""
    kinds = [line.kind for line in explained(ACCOUNT, pod()).diff]
    assert kinds[:3] == ["file", "file", "place"]
    assert {"added", "same"} <= {*kinds}


def test_what_cannot_be_read_is_a_problem() -> None:
    """With the place in the text."""
    found = explain(manifests_in("text", b"a: b\n\tc"), POLICY, "shop")
    assert [str(each.place.object) for each in found.problems] == ["text:2:1"]
    assert explain(manifests_in("text", b""), POLICY, "shop").problems[0].code == "WI410"


def test_every_reason_of_a_decision_has_a_rule() -> None:
    """So that no decision is without an explanation."""
    assert {name for name, _ in BY_REASON.values()} <= RULES.keys()
    assert {case.expect.reason for case in cases.load()} <= BY_REASON.keys()


@pytest.mark.parametrize(("value", "port"), [("true", "9464"), ("9465", "9465")])
def test_the_port_for_metrics_is_a_setting_with_its_source(value: str, port: str) -> None:
    """If the pod has the container that shows them."""
    key, asked = "m365.workload.identity/metrics", {"m365.workload.identity/token-endpoint": "true"}
    account = with_(ACCOUNT, annotations={key: value})
    rows = {each.title: each for each in only(account, with_(pod(), annotations=asked)).settings}
    found = rows["port for metrics"]
    assert (found.value, found.source) == (port, f"{key} on ServiceAccount shop/terraform")
    assert "port for metrics" not in {each.title for each in only(account, pod()).settings}

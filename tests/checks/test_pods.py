"""Running pods: which of them must be created again, why, and with which command."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from testbed.cluster.registration import Scope
from tests.checks.support import CLIENT, EARLIER, LATER, USE, the_pod, the_registration
from webhook.checks import differences, pods
from webhook.checks.new_pod import NewPod, without_volume
from webhook.checks.workloads import Workload, kind_and_name
from webhook.core.families import FAMILIES, VARIABLES
from webhook.core.identity import Account, read_identity
from webhook.core.messages import workloads as rows
from webhook.core.policy import Policy
from webhook.core.review import Request
from webhook.core.variables import missing
from webhook.findings import Finding, Status

INJECTED = {
    "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token",
    "M365_CLIENT_ID": CLIENT,
    "AZURE_CLIENT_ID": CLIENT,
    "M365_TENANT_ID": "contoso.com",
    "AZURE_TENANT_ID": "contoso.com",
    "M365_AUTH_METHOD": "workload_identity",
    "M365_CLOUD": "gcchigh",
    "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/",
}

M365 = FAMILIES["m365"].variables


def findings(
    *running: dict[str, Any],
    annotations: Mapping[str, str] | None = None,
    annotated: str = EARLIER,
    scope: Scope = "pod-label",
    template: differences.Template | None = None,
    new: NewPod | None = None,
    now: str = "2026-07-01T12:00:00Z",
) -> list[Finding]:
    """What is found about pods of shop/terraform."""
    given = {"azure.workload.identity/client-id": CLIENT} if annotations is None else annotations
    expected = differences.Expectation(
        account=Account("shop", "terraform", given),
        annotated=datetime.fromisoformat(annotated),
        found=the_registration(scope),
        namespace_labels={"m365.workload.identity/inject": "true"},
        policy=Policy(scope=scope),
        template=template,
        new=new,
        now=datetime.fromisoformat(now),
    )
    return [*pods.findings(running, expected, "X", None)]


def test_pods_that_have_what_a_new_pod_would_get_are_fine() -> None:
    """Tenant and cloud of the webhook's settings are compared only if a new pod shows them; the finding says which."""
    (found,) = findings(the_pod(variables=INJECTED), the_pod("web-2", variables=INJECTED))
    assert (found.message.kind, found.detail) == (
        rows.PODS_MATCH_ANNOTATIONS,
        "2 pods of X, with all that the annotations decide",
    )
    (found,) = findings(the_pod(variables=INJECTED), new=NewPod(INJECTED))
    assert (found.message.kind, found.detail) == (rows.PODS_CURRENT, "1 pod of X, with what a new one would get")


@pytest.mark.parametrize(("now", "waits"), [("2026-07-01T10:00:10Z", True), ("2026-07-01T10:00:40Z", False)])
def test_pods_are_restarted_when_no_replica_remembers_the_old_annotations(now: str, waits: bool) -> None:
    """A replica remembers a ServiceAccount for 30 s, so a pod that is created at once has the old client id."""
    old = the_pod(variables={**INJECTED, "M365_CLIENT_ID": CLIENT.replace("1", "9")})
    (found,) = findings(old, annotated="2026-07-01T10:00:00Z", now=now)
    assert found.message.kind is rows.VARIABLE_DIFFERS_OR_OWN
    assert found.fix.startswith("in 30 seconds, ") is waits
    assert found.fix.endswith("kubectl delete pod web-1 -n shop")


def test_a_labelled_pod_of_a_namespace_that_is_left_out_is_not_told_to_have_a_label() -> None:
    """The finding about the selection says what is wrong; the pod has the label."""
    selector = {"matchLabels": {"team": "other"}}
    found = the_registration(namespaceSelector=selector)
    expected = differences.Expectation(Account("shop", "terraform", {}), None, found, {}, Policy())
    assert not [*pods.findings([the_pod()], expected, "X", None)]


def test_pods_of_a_replica_set_are_deleted_by_name() -> None:
    """The names are known."""
    document = {"spec": {"template": {"metadata": {"labels": {USE: "true"}}, "spec": the_pod()["spec"]}}}
    workload = Workload(kind_and_name("rs/web")[0], "shop", "web", document)
    assert workload.restart(["web-1", "web-2"]).endswith("kubectl delete pod web-1 web-2 -n shop")


def test_a_pod_without_a_volume_for_its_token_is_found() -> None:
    """The webhook leaves the variable alone that the pod template sets itself, and adds no volume then."""
    (found,) = findings(the_pod(variables=INJECTED, mounted=False), new=NewPod(INJECTED))
    assert found.message.kind is rows.TOKEN_FILE_ABSENT
    assert "AZURE_FEDERATED_TOKEN_FILE is /var/run/secrets/azure/tokens/azure-identity-token" in found.detail
    assert found.fix.startswith("remove AZURE_FEDERATED_TOKEN_FILE from the containers of the pod template")


@pytest.mark.parametrize(
    ("file", "mount", "absent"),
    [
        ("/tokens/a", "/tokens", False),
        ("/tokens/a/../b", "/tokens/", False),
        ("/tokens/a", "/tokens/a", False),
        ("/tokens-of-mine/a", "/tokens", True),
        ("/tokens/../a", "/tokens", True),
        ("$(FOLDER)/a", "/tokens", False),
        ("", "/tokens", False),
    ],
)
def test_a_file_is_there_if_a_volume_is_mounted_at_or_above_it(file: str, mount: str, absent: bool) -> None:
    """What a variable of the container decides is not known."""
    env = [{"name": "M365_OIDC_TOKEN_FILE_PATH", "value": file}]
    found = without_volume({"env": env, "volumeMounts": [{"name": "tokens", "mountPath": mount}]})
    assert found == (("M365_OIDC_TOKEN_FILE_PATH", file) if absent else None)


@pytest.mark.parametrize(
    ("made", "labels", "annotated", "scope", "why"),
    [
        (LATER, {USE: "true"}, EARLIER, "pod-label", "created while the webhook was away"),
        ("2026-07-01T09:00:00Z", {USE: "true"}, EARLIER, "pod-label", "older than the installation of the webhook"),
        (EARLIER, {}, LATER, "cluster", "older than the annotations of the ServiceAccount"),
        (LATER, {}, EARLIER, "cluster", "created while the webhook was away"),
    ],
)
def test_why_a_pod_has_no_identity(made: str, labels: dict[str, str], annotated: str, scope: Scope, why: str) -> None:
    """The times that the API server keeps tell it."""
    (found,) = findings(the_pod(created=made, labels=labels), annotated=annotated, scope=scope)
    assert found.status is Status.FAIL
    assert why in found.detail


def test_containers_of_other_webhooks_and_pods_that_have_ended_do_not_count() -> None:
    """The sidecar of a mesh has none of our variables, and a pod that has ended needs none."""
    pod = the_pod(variables=INJECTED)
    pod["spec"]["containers"].append({"name": "istio-proxy"})
    over = {**the_pod("done"), "status": {"phase": "Succeeded"}}
    going = the_pod("going", deletionTimestamp=LATER)
    skipping = the_pod("skipping", annotations={"azure.workload.identity/skip-containers": "app"})
    (found,) = findings(pod, over, going, skipping)
    assert found.status is Status.OK
    assert "No pod of X is running" in findings(over)[0].detail


@pytest.mark.parametrize(
    ("owner", "labels", "command"),
    [
        (("ReplicaSet", "web-5f7"), {"pod-template-hash": "5f7"}, "kubectl rollout restart deployment/web -n shop"),
        (("ReplicaSet", "alone"), {}, "kubectl delete pod web-1 -n shop (ReplicaSet alone makes a new one)"),
        (("DaemonSet", "agent"), {}, "kubectl rollout restart daemonset/agent -n shop"),
        (("StatefulSet", "db"), {}, "kubectl rollout restart statefulset/db -n shop"),
        (("Job", "nightly-1"), {}, "delete Job nightly-1 and create it again, or let the next one come"),
        (None, {}, "delete the pod and create it again: kubectl delete pod web-1 -n shop"),
    ],
)
def test_the_command_for_a_pod_depends_on_its_owner(
    owner: tuple[str, str] | None, labels: dict[str, str], command: str
) -> None:
    """The command for each controller."""
    references = [{"kind": owner[0], "name": owner[1], "controller": True}] if owner else []
    assert pods.restart(the_pod(labels=labels, ownerReferences=references)) == command


OTHER = "66666666-7777-8888-9999-aaaaaaaaaaaa"


@pytest.mark.parametrize(
    ("annotations", "variable"),
    [
        ({"azure.workload.identity/client-id": OTHER}, "M365_CLIENT_ID"),
        (
            {"azure.workload.identity/client-id": CLIENT, "azure.workload.identity/tenant-id": "fabrikam.com"},
            "M365_TENANT_ID",
        ),
        ({"azure.workload.identity/client-id": CLIENT, "m365.workload.identity/cloud": "dod"}, "M365_CLOUD"),
        (
            {"azure.workload.identity/client-id": CLIENT, "m365.workload.identity/auth-method": "oidc"},
            "M365_AUTH_METHOD",
        ),
    ],
)
def test_pods_older_than_an_annotation_have_another_variable(annotations: dict[str, str], variable: str) -> None:
    """Their variables are compared, and no times."""
    (found,) = findings(the_pod(variables=INJECTED), annotations=annotations)
    assert found.status is Status.FAIL
    assert variable in found.detail
    assert "1 pod of X must be created again" in found.detail
    assert found.pods == ("web-1",)


def with_token(pod: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """The pod with the volume and the mount that the webhook adds. changed: fields of its token."""
    token = {
        "audience": "api://AzureADTokenExchange",
        "expirationSeconds": 3600,
        "path": "azure-identity-token",
        **changed,
    }
    volume = {"name": "azure-identity-token", "projected": {"sources": [{"serviceAccountToken": token}]}}
    mount = {"name": "azure-identity-token", "mountPath": "/var/run/secrets/azure/tokens"}
    (container,) = pod["spec"]["containers"]
    container["volumeMounts"] = [mount]
    return {**pod, "spec": {**pod["spec"], "volumes": [volume]}}


NEW = NewPod(INJECTED, "api://AzureADTokenExchange")
NOTHING = differences.Template({}, frozenset())


@pytest.mark.parametrize(
    ("annotations", "changed", "new", "why"),
    [
        ({"m365.workload.identity/audience": "api://mine"}, {}, None, "is for api://AzureADTokenExchange and not for"),
        ({}, {"audience": "api://mine"}, NEW, "their token is for api://mine and not for api://AzureADTokenExchange"),
        ({"azure.workload.identity/service-account-token-expiration": "7200"}, {}, None, "lives 3600 s and not 7200 s"),
        ({}, {"expirationSeconds": 7200}, None, "their token lives 7200 s and not 3600 s"),
    ],
    ids=["audience", "an audience that was taken away", "expiration", "an expiration that was taken away"],
)
def test_pods_older_than_an_annotation_have_another_token(
    annotations: dict[str, str], changed: dict[str, Any], new: NewPod | None, why: str
) -> None:
    """Audience and lifetime are in the volume. Without a template, somebody may have written them by hand."""
    given = {"azure.workload.identity/client-id": CLIENT, **annotations}
    pod = with_token(the_pod(variables=INJECTED), **changed)
    (found,) = findings(pod, annotations=given, template=NOTHING, new=new)
    assert found.status is Status.FAIL
    assert why in found.detail
    assert "older than the annotation" in found.detail
    (found,) = findings(pod, annotations=given, new=new)
    assert found.status is Status.WARN
    assert why in found.detail
    assert "or it was set by hand" in found.detail
    assert found.pods == ("web-1",)
    written = differences.Template({}, frozenset({"azure-identity-token"}))
    assert findings(pod, annotations=given, template=written, new=new)[0].status is Status.OK


@pytest.mark.parametrize(
    ("annotations", "variable"),
    [
        ({"azure.workload.identity/client-id": CLIENT, "m365.workload.identity/env": "azure"}, "M365_CLIENT_ID"),
        ({"azure.workload.identity/client-id": CLIENT, "m365.workload.identity/env": "m365"}, "AZURE_CLIENT_ID"),
        ({"azure.workload.identity/tenant-id": "contoso.com"}, "M365_CLIENT_ID"),
    ],
    ids=["only Azure's", "only Microsoft 365's", "no client id any more"],
)
def test_pods_older_than_an_annotation_have_a_variable_too_many(annotations: dict[str, str], variable: str) -> None:
    """A family or a client id was removed. Without a template, somebody may have written it by hand."""
    (found,) = findings(the_pod(variables=INJECTED), annotations=annotations, template=NOTHING)
    assert found.status is Status.FAIL
    assert f"{variable} is there and would not be in a new pod" in found.detail
    (found,) = findings(the_pod(variables=INJECTED), annotations=annotations)
    assert found.status is Status.WARN
    assert "if it was not set by hand: " in found.fix


def test_pods_older_than_a_setting_of_the_webhook_differ_from_a_new_pod() -> None:
    """Tenant and cloud that no annotation sets are compared with those of the pod of the dry run."""
    new = NewPod({**INJECTED, "M365_TENANT_ID": "fabrikam.com"})
    (found,) = findings(the_pod(variables=INJECTED), template=NOTHING, new=new)
    assert found.status is Status.FAIL
    assert "M365_TENANT_ID has another value than in a new pod" in found.detail
    assert "or a setting of the webhook" in found.detail


def test_what_a_pod_sets_itself_is_not_compared_with_a_new_pod() -> None:
    """It may have its own cloud and tenant, and families of variables that the new pod does not have."""
    annotations = {"m365.workload.identity/cloud": "dod", "m365.workload.identity/tenant-id": "fabrikam.com"}
    pod = with_token(
        the_pod(variables={**INJECTED, "M365_CLOUD": "dod", "M365_TENANT_ID": "fabrikam.com"}, annotations=annotations),
        audience="api://AzureADTokenExchangeUSGov",
    )
    assert findings(pod, template=NOTHING, new=NEW)[0].status is Status.OK
    only_azure = {name: value for name, value in INJECTED.items() if not name.startswith("M365_")}
    both = the_pod(variables=INJECTED, annotations={"m365.workload.identity/env": "m365,azure"})
    given = {"azure.workload.identity/client-id": CLIENT, "m365.workload.identity/env": "azure"}
    assert findings(both, annotations=given, template=NOTHING, new=NewPod(only_azure))[0].status is Status.OK


def test_every_variable_of_an_identity_is_compared() -> None:
    """All but the path of the token, which may differ from pod to pod."""
    values = {"cloud": "dod", "tenant-id": "contoso.com", "env": "m365,azure,arm,powerplatform,cli,ansible"}
    annotations = {f"m365.workload.identity/{key}": value for key, value in values.items()}
    annotations |= {"azure.workload.identity/client-id": CLIENT, "azure.workload.identity/tenant-id": "contoso.com"}
    request = Request(uid="", namespace="shop", pod=the_pod())
    identity = read_identity(request, Account("shop", "terraform", annotations), Policy()).identity
    assert identity is not None
    found = {
        each.name
        for method in ("oidc", "managed_identity")
        for each in missing(identity._replace(auth_method=method), {}, "/f").variables
    }
    assert found == {*VARIABLES, "AZURE_FEDERATED_TOKEN_FILE"}


def test_a_pod_with_a_token_beside_that_of_azures_webhook_is_fine() -> None:
    """Identity bindings: AZURE_FEDERATED_TOKEN_FILE is for another audience, or not there at all."""
    beside = {
        "M365_AUTH_METHOD": "oidc",
        "M365_OIDC_TOKEN_FILE_PATH": "/var/run/secrets/m365/tokens/azure-identity-token",
    }
    both = the_pod(variables={**INJECTED, **beside})
    (found,) = findings(both, new=NewPod({**INJECTED, **beside}))
    assert found.message.kind is rows.PODS_CURRENT
    alone = {name: value for name, value in {**INJECTED, **beside}.items() if name != "AZURE_FEDERATED_TOKEN_FILE"}
    (found,) = findings(the_pod(variables=alone), new=NewPod(alone))
    assert found.message.kind is rows.PODS_CURRENT


def test_families_that_the_webhooks_settings_add_are_seen_in_a_new_pod() -> None:
    """An older pod without them must be created again; one that has them is current."""
    arm = {"ARM_CLIENT_ID": CLIENT, "ARM_TENANT_ID": "contoso.com", "ARM_USE_OIDC": "true", "ARM_ENVIRONMENT": "dod"}
    variables = {**INJECTED, **arm, "ARM_OIDC_TOKEN_FILE_PATH": INJECTED["AZURE_FEDERATED_TOKEN_FILE"]}
    (found,) = findings(the_pod(variables=variables), new=NewPod(variables))
    assert found.message.kind is rows.PODS_CURRENT
    (found,) = findings(the_pod(variables=INJECTED), new=NewPod(variables))
    assert (found.message.kind, found.message.values["variable"]) == (rows.VARIABLE_MISSING, "ARM_CLIENT_ID")
    without_azure = {name: value for name, value in INJECTED.items() if name in M365 or "TOKEN_FILE" in name}
    (found,) = findings(the_pod(variables=INJECTED), new=NewPod(without_azure))
    assert (found.message.kind, found.message.values["variable"]) == (rows.VARIABLE_EXTRA_OR_OWN, "AZURE_CLIENT_ID")


def test_a_variable_that_the_user_sets_does_not_make_a_pod_outdated() -> None:
    """It is in the pod template, or comes from a Secret."""
    mine = the_pod(variables={**INJECTED, "M365_CLIENT_ID": OTHER})
    (found,) = findings(mine, template=differences.Template({"app": frozenset({"M365_CLIENT_ID"})}, frozenset()))
    assert found.status is Status.OK
    by_secret = the_pod(variables=INJECTED)
    by_secret["spec"]["containers"][0]["env"][1] = {"name": "M365_CLIENT_ID", "valueFrom": {"secretKeyRef": {}}}
    (found,) = findings(by_secret)
    assert found.status is Status.OK
    (found,) = findings(mine)
    assert "or it was set by hand" in found.detail


def test_the_managed_fields_tell_when_annotations_were_written() -> None:
    """The latest of our annotations counts; annotations of other tools do not."""

    def written(key: str, time: str) -> dict[str, Any]:
        return {"time": time, "fieldsV1": {"f:metadata": {"f:annotations": {f"f:{key}": {}}}}}

    fields = [
        written("azure.workload.identity/client-id", EARLIER),
        written("example.com/other", "2026-07-02T00:00:00Z"),
        written("m365.workload.identity/cloud", LATER),
        {"time": "?", "fieldsV1": None},
    ]
    assert differences.annotated_at({"metadata": {"managedFields": fields}}) == datetime.fromisoformat(LATER)
    assert differences.annotated_at({}) is None

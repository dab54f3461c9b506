"""What `check` makes of what it finds: pure, with kube-apiserver's own words as they were recorded."""

import argparse
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from certs.authority import make_authority
from testbed.chart.manifests import PLAIN
from testbed.cluster.registration import Scope, configuration
from tests.commands.live import run
from webhook.checks import accounts, api, installation, pods, refusals, registration, workloads
from webhook.checks.installation import Installation, Replica
from webhook.checks.new_pod import Given
from webhook.checks.refusals import Kind, classify
from webhook.checks.registration import Registration, registrations, selected
from webhook.commands import check, fic, issuer, reports
from webhook.core.identity import Account, read_identity
from webhook.core.messages import Kind as Row
from webhook.core.messages import Place, Severity
from webhook.core.policy import SCOPES, Policy
from webhook.core.review import Request
from webhook.core.variables import missing
from webhook.findings import Finding, Status, finding, ok

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
EARLIER, LATER = "2026-07-01T10:00:00Z", "2026-07-01T11:00:00Z"
CLIENT = "11111111-2222-3333-4444-555555555555"
OTHER = "66666666-7777-8888-9999-aaaaaaaaaaaa"
USE = "azure.workload.identity/use"
ENTRY = "labelled.m365.workload.identity"
SERVICE = "m365-workload-identity-system/m365-workload-identity"
POST = f'failed calling webhook "{ENTRY}": failed to call webhook: Post "https://a.b.svc:443/mutate?timeout=5s": '
CALLED = f'failed calling webhook "{ENTRY}": failed to call webhook: '
VERIFY = "tls: failed to verify certificate: x509: "


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (POST + 'service "a" not found', Kind.NO_SERVICE),
        (POST + 'no service port 444 found for service "a"', Kind.NO_PORT),
        (POST + 'no endpoints available for service "a"', Kind.NO_ENDPOINTS),
        (POST + "dial tcp 10.96.0.9:443: connect: connection refused", Kind.REFUSED),
        (POST + "dial tcp: lookup a.b on 10.0.0.10:53: no such host", Kind.UNREACHABLE),
        (POST + "dial tcp 10.96.0.9:443: connect: no route to host", Kind.UNREACHABLE),
        (POST + VERIFY + "certificate signed by unknown authority", Kind.UNKNOWN_AUTHORITY),
        (
            POST + VERIFY + 'certificate signed by unknown authority (possibly because of "x509: ECDSA verification '
            'failure" while trying to verify candidate authority certificate "a")',
            Kind.UNKNOWN_AUTHORITY,
        ),
        (
            POST + VERIFY + "certificate has expired or is not yet valid: current time 2026-07-01T12:00:00Z is after "
            "2026-06-30T12:00:00Z",
            Kind.EXPIRED,
        ),
        (POST + VERIFY + "certificate is valid for localhost, not a.b.svc", Kind.WRONG_NAME),
        (
            POST + VERIFY + "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
            Kind.WRONG_NAME,
        ),
        (POST + "tls: first record does not look like a TLS handshake", Kind.NO_TLS),
        (POST + "context deadline exceeded", Kind.TIMEOUT),
        (POST + "net/http: TLS handshake timeout", Kind.TIMEOUT),
        (POST + "net/http: request canceled (Client.Timeout exceeded while awaiting headers)", Kind.TIMEOUT),
        (POST + "EOF", Kind.CUT_OFF),
        (POST + "read tcp 10.0.0.1:1->10.0.0.2:2: read: connection reset by peer", Kind.CUT_OFF),
        (POST + "use of closed network connection", Kind.CUT_OFF),
        (CALLED + "the server is currently unable to handle the request", Kind.UNAVAILABLE),
        (CALLED + 'an error on the server ("internal error") has prevented the request from succeeding', Kind.INTERNAL),
        (CALLED + "the server could not find the requested resource", Kind.WRONG_PATH),
        (CALLED + "the server rejected our request for an unknown reason", Kind.NO_REVIEW),
        (
            f'failed calling webhook "{ENTRY}": received invalid webhook response: webhook response was absent',
            Kind.NO_REVIEW,
        ),
        (POST + "a text of a later Kubernetes", Kind.OTHER),
    ],
)
def test_kube_apiservers_words_about_a_call_are_known(message: str, kind: Kind) -> None:
    """Each as Kubernetes 1.34 to 1.37 write it, behind `Internal error occurred: `."""
    refusal = classify(500, f"Internal error occurred: {message}")
    assert (refusal.kind, refusal.webhook) == (kind, ENTRY)
    found = refusals.explain(refusal, the_registration(), None, namespace="shop", now=NOW)
    assert found.status is Status.FAIL
    assert found.detail.endswith(".")
    assert found.fix


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (422, f'admission webhook "{ENTRY}" denied the request: annotation …', Kind.DENIED),
        (403, 'pods is forbidden: User "joe" cannot create resource "pods" in API group "" …', Kind.FORBIDDEN),
        (403, 'pods "a" is forbidden: error looking up service account shop/a: not found', Kind.NO_ACCOUNT),
        (403, 'pods "a" is forbidden: exceeded quota: none, requested: pods=1', Kind.OTHER),
        (403, 'pods "a" is forbidden: violates PodSecurity "restricted:latest"', Kind.OTHER),
        (404, 'namespaces "shop" not found', Kind.NO_NAMESPACE),
        (500, "HTTP 500", Kind.OTHER),
    ],
)
def test_its_other_refusals_are_known(status: int, message: str, kind: Kind) -> None:
    """What has nothing to do with calling the webhook."""
    refusal = classify(status, message)
    assert refusal.kind is kind
    found = refusals.explain(refusal, the_registration(), None, namespace="shop", now=NOW)
    assert found.status is Status.FAIL
    assert found.fix


def test_another_webhook_that_refuses_is_named() -> None:
    """Nobody looks for the cause here."""
    refusal = classify(400, 'admission webhook "guard.example.com" denied the request: no\nthanks')
    found = refusals.explain(refusal, the_registration(), None, namespace="shop", now=NOW)
    assert "Another webhook, guard.example.com, refuses the pod: no thanks." in found.detail


def test_without_a_view_of_the_configuration_our_entry_is_still_ours() -> None:
    """Whoever may not read it is told what there is to be told."""
    refusal = classify(500, f"Internal error occurred: {POST}EOF")
    assert "Another" not in refusals.explain(refusal, None, None, namespace="shop", now=NOW).detail


@pytest.mark.parametrize(
    ("stands", "sentence"),
    [
        (Installation("a/b", exists=False), "does not exist"),
        (Installation("a/b", exists=True, has_port=False), "has no port 443"),
        (Installation("a/b", exists=True, has_port=True, endpoints=0), "has no ready endpoints; it has no pods"),
        (
            Installation("a/b", True, True, 0, (Replica("w-0", "w", "CrashLoopBackOff"), Replica("w-1", "w", ""))),
            "of 2 pods 1 are not ready (w-0: CrashLoopBackOff)",
        ),
        (
            Installation("a/b", True, True, 1, (Replica("w-0", "w", ""),), may_read=False),
            "RBAC forbids system:serviceaccount:a:w to `get` serviceaccounts",
        ),
    ],
)
def test_what_stands_behind_the_service_explains_a_timeout(stands: Installation, sentence: str) -> None:
    """A network without an answer says nothing of its own; the objects do."""
    refusal = classify(500, f"Internal error occurred: {POST}context deadline exceeded")
    found = the_registration(service=("a", "b"))
    assert sentence in refusals.explain(refusal, found, stands, namespace="shop", now=NOW).detail


def the_registration(
    scope: Scope = "pod-label", service: tuple[str, str] | None = None, **changes: Any
) -> Registration:
    """Our configuration, as it is read; changes are made to each entry."""
    document = configuration("https://127.0.0.1:1/mutate", b"", scope=scope)
    for entry in document["webhooks"]:
        entry.update(changes)
        if service:
            entry["clientConfig"] = {"service": {"namespace": service[0], "name": service[1]}}
    document["metadata"]["creationTimestamp"] = EARLIER
    (found,) = registrations([document], service=SERVICE)
    return found


@pytest.mark.parametrize("scope", SCOPES)
def test_the_scope_is_read_off_the_selectors(scope: Scope) -> None:
    """Whatever the entries are called."""
    assert the_registration(scope).scope == scope
    assert the_registration(scope, service=("m365-workload-identity-system", "m365-workload-identity")).scope == scope


def narrowed(scope: Scope, *, annotated: bool = False) -> Registration:
    """Our configuration with selectors of the platform engineer's own beside the chart's."""
    document = configuration("https://127.0.0.1:1/mutate", b"", scope=scope)
    document["metadata"]["annotations"] = {registration.SCOPE_ANNOTATION: scope} if annotated else {}
    for entry in document["webhooks"]:
        entry["namespaceSelector"].setdefault("matchLabels", {})["stage"] = "test"
        entry["objectSelector"].setdefault("matchLabels", {})["team"] = "shop"
    (found,) = registrations([document], service=SERVICE)
    return found


@pytest.mark.parametrize("annotated", [True, False], ids=["as the chart says", "by our own labels"])
@pytest.mark.parametrize("scope", SCOPES)
def test_the_scope_is_the_same_when_selectors_are_narrowed(scope: Scope, annotated: bool) -> None:
    """webhook.namespaceSelector and webhook.objectSelector take nothing of what the webhook is told."""
    assert narrowed(scope, annotated=annotated).scope == scope


def test_the_scope_that_the_chart_says_is_one() -> None:
    """Somebody else's annotation of that name is not believed."""
    document = configuration("https://127.0.0.1:1/mutate", b"", scope="cluster")
    document["metadata"]["annotations"] = {registration.SCOPE_ANNOTATION: "all"}
    assert registrations([document], service=SERVICE)[0].scope == "cluster"


def test_a_pod_that_is_to_be_taken_has_the_labels_that_the_selectors_want() -> None:
    """Else an installation that is narrowed on purpose would be called broken."""
    found, stage = narrowed("cluster"), {"stage": "test"}
    assert found.labelled() == {USE: "true", "team": "shop"}
    assert registration.unselected(found, "shop", stage, own_namespace="own") is None
    assert found.unlabelled("shop", stage) == {"team": "shop"}
    assert found.unlabelled("shop", {}) is None
    assert narrowed("pod-label").unlabelled("shop", stage) is None
    assert "scope cluster, only pods that have team=shop, too." in registration.present(found).detail
    assert "scope cluster." in registration.present(the_registration("cluster")).detail


def test_a_namespace_that_is_left_out_is_told_with_its_label() -> None:
    """It may be a roll-out in stages: nothing has to be put back."""
    found = registration.unselected(narrowed("cluster"), "shop", {}, own_namespace="own")
    assert found is not None
    assert "kubectl label --overwrite namespace shop stage=test; or change webhook.namespaceSelector" in found.fix
    excluded = the_registration(
        namespaceSelector={
            "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shop"]}]
        }
    )
    found = registration.unselected(excluded, "shop", {}, own_namespace="own")
    assert found is not None
    assert found.fix.startswith("if it is to be taken: change webhook.namespaceSelector or webhook.excludedNamespaces")


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


@pytest.mark.parametrize("scope", SCOPES)
def test_what_puts_things_back_is_of_the_scope(scope: Scope) -> None:
    """The manifests of another one would change it, and those of any scope have another image."""
    said = registration.restore(the_registration(scope))
    assert f"kubectl apply -f manifests/{PLAIN[scope]} with your image in it" in said
    assert "helm upgrade with your values" in said
    assert "or that of your scope" in registration.restore(None)


def test_an_entry_is_ours_by_its_service_too() -> None:
    """Someone renamed it; a configuration of somebody else's is left alone."""
    document = configuration("https://x/", b"")
    namespace, _, name = SERVICE.partition("/")
    document["webhooks"][0] |= {
        "name": "renamed.example.com",
        "clientConfig": {"service": {"namespace": namespace, "name": name, "port": 8443}},
    }
    (found,) = registrations([document], service=SERVICE)
    assert found.entries[0].service == (namespace, name, 8443)
    assert registrations([document], service="other/other") == []
    assert "(there are: a, b)" in registration.absent(name="x", service=SERVICE, others=["b", "a"]).detail


@pytest.mark.parametrize(
    ("scope", "labels", "namespace_labels", "taken"),
    [
        ("pod-label", {USE: "true"}, {}, True),
        ("pod-label", {}, {}, False),
        ("namespace-label", {}, {"m365.workload.identity/inject": "true"}, True),
        ("namespace-label", {}, {}, False),
        ("cluster", {}, {}, True),
        ("cluster", {USE: "false"}, {}, False),
    ],
)
def test_selectors_are_read_as_kube_apiserver_does(
    scope: Scope, labels: dict[str, str], namespace_labels: dict[str, str], taken: bool
) -> None:
    """For each scope's own entries."""
    found = the_registration(scope)
    assert (found.taking(labels, "shop", namespace_labels) is not None) is taken


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        (None, True),
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "In", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_each_operator_of_a_selector(selector: Mapping[str, Any] | None, taken: bool) -> None:
    """By the rules of LabelSelector, on the label a=1."""
    assert selected(selector, {"a": "1"}) is taken


def test_selectors_become_queries() -> None:
    """As the API takes them; a ReplicationController's is a plain map."""
    expressions = [
        {"key": "b", "operator": "In", "values": ["1", "2"]},
        {"key": "c", "operator": "NotIn", "values": ["3"]},
        {"key": "d", "operator": "Exists"},
        {"key": "e", "operator": "DoesNotExist"},
    ]
    document = {"matchLabels": {"a": "1"}, "matchExpressions": expressions}
    assert api.selector(document) == "a=1,b in (1,2),c notin (3),d,!e"
    assert api.selector({"a": "1"}) == "a=1"


@pytest.mark.parametrize(
    ("bundle", "problem"), [("", "is empty"), ("AAAA", "holds no certificate"), ("old", "expired")]
)
def test_a_ca_bundle_that_nobody_can_use_is_told(bundle: str, problem: str) -> None:
    """Empty, rubbish, or past its time."""
    if bundle == "old":
        past = NOW - timedelta(days=3)
        bundle = base64.b64encode(make_authority(now=past, lifetime=timedelta(days=1)).pem.encode()).decode()
    entry = the_registration(clientConfig={"url": "https://x/", "caBundle": bundle}).entries[0]
    assert problem in registration.trust_problem(entry, NOW)


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        ({"conditions": [{"type": "Ready", "status": "True"}]}, ""),
        ({"phase": "Pending"}, "Pending"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
            "Unschedulable",
        ),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}, "ImagePullBackOff"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]}, "OOMKilled"),
    ],
)
def test_why_a_pod_of_the_webhook_is_not_ready(status: dict[str, Any], trouble: str) -> None:
    """In the word that `kubectl get pods` has for it."""
    found = installation.replica({"metadata": {"name": "w-0"}, "spec": {"serviceAccountName": "w"}, "status": status})
    assert found == Replica("w-0", "w", trouble)


def test_a_webhook_with_a_pod_that_is_not_ready_still_works() -> None:
    """A warning, before the others go too."""
    stands = Installation("a/b", True, True, 1, (Replica("w-0", "w", "OOMKilled"), Replica("w-1", "w", "")))
    found = installation.some_ill(stands)
    assert found is not None
    assert found.status is Status.WARN
    assert installation.some_ill(Installation("a/b", replicas=(Replica("w-1", "w", ""),))) is None


def test_endpoints_that_do_not_say_are_ready() -> None:
    """By the rule of EndpointSlice; those that are not do not count."""
    slices = [{"endpoints": [{"conditions": {"ready": True}}, {}, {"conditions": {"ready": False}}]}, {}]
    assert installation.ready_endpoints(slices) == 2


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


def test_wrong_usage_is_told_all_at_once(tmp_path: Path) -> None:
    """Exit code 2, a line for each mistake."""
    done = run("check", "-n", "A b", "--service-account", "..", "--workload", "service/web", "--own-namespace", "_")
    assert done.code == 2
    assert len(done.err.splitlines()) == 4
    config = tmp_path / "config"
    config.write_text("{}")
    done = run("check", "--workload", "web", environ={"KUBECONFIG": str(config)})
    assert "expected KIND/NAME, KIND one of deployment" in done.err
    assert "give --kubeconfig PATH" in run("check").err
    assert str(config) in run("check", "--kubeconfig", str(config)).err


@pytest.mark.parametrize("command", [check, fic, issuer])
def test_the_help_says_which_cluster_it_is(command: Any) -> None:
    """It is found as kubectl finds it, and not as `serve` does."""
    parser = argparse.ArgumentParser(prog="x")
    command.add_arguments(parser)
    assert "$KUBECONFIG, else ~/.kube/config" in " ".join(parser.format_help().split())


def the_pod(
    name: str = "web-1",
    *,
    variables: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    created: str = LATER,
    **metadata: Any,
) -> dict[str, Any]:
    """A pod that runs as shop/terraform; variables: of its one container."""
    env = [{"name": key, "value": value} for key, value in (variables or {}).items()]
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {USE: "true"} if labels is None else dict(labels),
            "creationTimestamp": created,
            **metadata,
        },
        "spec": {"serviceAccountName": "terraform", "containers": [{"name": "app", "env": env}]},
    }


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


def looked(
    *running: dict[str, Any],
    annotations: Mapping[str, str] | None = None,
    annotated: str = EARLIER,
    scope: Scope = "pod-label",
    own: pods.Own | None = None,
    new: Given | None = None,
) -> list[Finding]:
    """What is said of pods of shop/terraform."""
    given = {"azure.workload.identity/client-id": CLIENT} if annotations is None else annotations
    expected = pods.Expectation(
        account=Account("shop", "terraform", given),
        annotated=datetime.fromisoformat(annotated),
        found=the_registration(scope),
        namespace_labels={"m365.workload.identity/inject": "true"},
        policy=Policy(scope=scope),
        own=own,
        new=new,
    )
    return [*pods.findings(running, expected, "X", None)]


def test_pods_that_have_what_a_new_one_would_get_are_well() -> None:
    """What the webhook's own settings fill in, tenant and cloud, is not compared where no new pod shows it; said so."""
    (found,) = looked(the_pod(variables=INJECTED), the_pod("web-2", variables=INJECTED))
    assert found == ok("pods", "2 pods of X, with all that the annotations decide.")
    (found,) = looked(the_pod(variables=INJECTED), new=Given(INJECTED))
    assert found == ok("pods", "1 pod of X, with what a new one would get.")


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
def test_pods_older_than_an_annotation_are_told_by_the_variable(annotations: dict[str, str], variable: str) -> None:
    """By what is in them, whatever the clocks say."""
    (found,) = looked(the_pod(variables=INJECTED), annotations=annotations)
    assert found.status is Status.FAIL
    assert variable in found.detail
    assert "1 pod of X has to be made anew" in found.detail
    assert found.pods == ("web-1",)


def with_token(pod: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """The pod with the volume and the mount that the webhook adds; changed: of its token."""
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


NEW = Given(INJECTED, "api://AzureADTokenExchange")
NOTHING = pods.Own({}, frozenset())


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
def test_pods_older_than_an_annotation_are_told_by_the_token(
    annotations: dict[str, str], changed: dict[str, Any], new: Given | None, why: str
) -> None:
    """What the annotations say of it is in the volume; where there is no template, somebody may have written it."""
    given = {"azure.workload.identity/client-id": CLIENT, **annotations}
    pod = with_token(the_pod(variables=INJECTED), **changed)
    (found,) = looked(pod, annotations=given, own=NOTHING, new=new)
    assert found.status is Status.FAIL
    assert why in found.detail
    assert "older than the annotation" in found.detail
    (found,) = looked(pod, annotations=given, new=new)
    assert found.status is Status.WARN
    assert why in found.detail
    assert "or it was set by hand" in found.detail
    assert found.pods == ("web-1",)
    written = pods.Own({}, frozenset({"azure-identity-token"}))
    assert looked(pod, annotations=given, own=written, new=new)[0].status is Status.OK


@pytest.mark.parametrize(
    ("annotations", "variable"),
    [
        ({"azure.workload.identity/client-id": CLIENT, "m365.workload.identity/env": "azure"}, "M365_CLIENT_ID"),
        ({"azure.workload.identity/client-id": CLIENT, "m365.workload.identity/env": "m365"}, "AZURE_CLIENT_ID"),
        ({"azure.workload.identity/tenant-id": "contoso.com"}, "M365_CLIENT_ID"),
    ],
    ids=["only Azure's", "only Microsoft 365's", "no client id any more"],
)
def test_pods_older_than_an_annotation_are_told_by_what_is_too_much(annotations: dict[str, str], variable: str) -> None:
    """A family that was taken out, or a client id; where there is no template, somebody may have written it."""
    (found,) = looked(the_pod(variables=INJECTED), annotations=annotations, own=NOTHING)
    assert found.status is Status.FAIL
    assert f"{variable} is there and would not be now" in found.detail
    (found,) = looked(the_pod(variables=INJECTED), annotations=annotations)
    assert found.status is Status.WARN
    assert "if nobody meant it: " in found.fix


def test_pods_older_than_a_setting_of_the_webhook_are_told_by_a_new_pod() -> None:
    """Tenant and cloud that no annotation says are compared with what was given just now."""
    new = Given({**INJECTED, "M365_TENANT_ID": "fabrikam.com"})
    (found,) = looked(the_pod(variables=INJECTED), own=NOTHING, new=new)
    assert found.status is Status.FAIL
    assert "M365_TENANT_ID is another than it would be now" in found.detail
    assert "or a setting of the webhook" in found.detail


def test_what_a_pod_says_itself_is_not_compared_with_a_new_one() -> None:
    """Its own cloud and tenant are why it differs; of its families the new one may show nothing."""
    annotations = {"m365.workload.identity/cloud": "dod", "m365.workload.identity/tenant-id": "fabrikam.com"}
    pod = with_token(
        the_pod(variables={**INJECTED, "M365_CLOUD": "dod", "M365_TENANT_ID": "fabrikam.com"}, annotations=annotations),
        audience="api://AzureADTokenExchangeUSGov",
    )
    assert looked(pod, own=NOTHING, new=NEW)[0].status is Status.OK
    only_azure = {name: value for name, value in INJECTED.items() if not name.startswith("M365_")}
    both = the_pod(variables=INJECTED, annotations={"m365.workload.identity/env": "m365,azure"})
    given = {"azure.workload.identity/client-id": CLIENT, "m365.workload.identity/env": "azure"}
    assert looked(both, annotations=given, own=NOTHING, new=Given(only_azure))[0].status is Status.OK


def test_every_variable_of_an_identity_is_compared() -> None:
    """But the path of its token, which is the pod's own."""
    values = {"auth-method": "oidc", "cloud": "dod", "tenant-id": "contoso.com"}
    annotations = {f"m365.workload.identity/{key}": value for key, value in values.items()}
    annotations |= {"azure.workload.identity/client-id": CLIENT, "azure.workload.identity/tenant-id": "contoso.com"}
    request = Request(uid="", namespace="shop", pod=the_pod())
    identity = read_identity(request, Account("shop", "terraform", annotations), Policy()).identity
    assert identity is not None
    assert {each.name for each in missing(identity, {}, "/f").variables} == {
        *pods.VARIABLES,
        "AZURE_FEDERATED_TOKEN_FILE",
    }


def test_a_variable_of_the_users_own_is_no_sign_of_age() -> None:
    """It stands in the workload's template, or comes from a Secret."""
    mine = the_pod(variables={**INJECTED, "M365_CLIENT_ID": OTHER})
    (found,) = looked(mine, own=pods.Own({"app": frozenset({"M365_CLIENT_ID"})}, frozenset()))
    assert found.status is Status.OK
    by_secret = the_pod(variables=INJECTED)
    by_secret["spec"]["containers"][0]["env"][1] = {"name": "M365_CLIENT_ID", "valueFrom": {"secretKeyRef": {}}}
    (found,) = looked(by_secret)
    assert found.status is Status.OK
    (found,) = looked(mine)
    assert "or it was set by hand" in found.detail


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
    """By the times that the API server keeps."""
    (found,) = looked(the_pod(created=made, labels=labels), annotated=annotated, scope=scope)
    assert found.status is Status.FAIL
    assert why in found.detail


def test_containers_that_others_add_and_pods_that_are_over_do_not_count() -> None:
    """A mesh's sidecar has no variables of ours; what has ended needs none."""
    pod = the_pod(variables=INJECTED)
    pod["spec"]["containers"].append({"name": "istio-proxy"})
    over = {**the_pod("done"), "status": {"phase": "Succeeded"}}
    going = the_pod("going", deletionTimestamp=LATER)
    skipping = the_pod("skipping", annotations={"azure.workload.identity/skip-containers": "app"})
    (found,) = looked(pod, over, going, skipping)
    assert found.status is Status.OK
    assert "No pod of X runs" in looked(over)[0].detail


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
def test_a_pod_is_made_anew_by_what_made_it(
    owner: tuple[str, str] | None, labels: dict[str, str], command: str
) -> None:
    """The command for each controller."""
    references = [{"kind": owner[0], "name": owner[1], "controller": True}] if owner else []
    assert pods.restart(the_pod(labels=labels, ownerReferences=references)) == command


def test_when_annotations_were_written_is_in_the_managed_fields() -> None:
    """The latest of ours counts; other people's do not."""

    def written(key: str, time: str) -> dict[str, Any]:
        return {"time": time, "fieldsV1": {"f:metadata": {"f:annotations": {f"f:{key}": {}}}}}

    fields = [
        written("azure.workload.identity/client-id", EARLIER),
        written("example.com/other", "2026-07-02T00:00:00Z"),
        written("m365.workload.identity/cloud", LATER),
        {"time": "?", "fieldsV1": None},
    ]
    assert pods.annotated_at({"metadata": {"managedFields": fields}}) == datetime.fromisoformat(LATER)
    assert pods.annotated_at({}) is None


def test_a_placeholder_is_warned_about() -> None:
    """What was copied from a guide as it stands."""
    zeros = "00000000-0000-0000-0000-000000000000"
    document = {
        "metadata": {"name": "a", "namespace": "shop", "annotations": {"m365.workload.identity/client-id": zeros}}
    }
    found = [*accounts.findings(document, Policy(), tenant="contoso.com")]
    assert any("is a placeholder" in each.detail for each in found if each.status is Status.WARN)


def test_findings_are_shown_a_line_each() -> None:
    """With the code at the end and the fix below; whatever came from elsewhere cannot begin a line of its own."""
    many = tuple(f"pod-{number}" for number in range(12))

    def kind(severity: Severity, code: str = "", fix: str = "") -> Row:
        return Row(code, severity, "{text}", fix)

    shown = reports.text(
        [
            finding("a", kind(Severity.OK, "WI996"), text="fine"),
            finding("b", kind(Severity.SKIPPED, "WI997", "x"), text="unseen"),
            finding("c", kind(Severity.WARNING, "WI998", "y"), text="odd\nok    d  e"),
            finding("pods", kind(Severity.ERROR, "WI999", "f"), text="z", pods=many),
        ]
    )
    assert shown.splitlines() == [
        "ok    a     fine [WI996]",
        "skip  b     unseen [WI997]",
        "      fix: x",
        "warn  c     odd\\nok    d  e [WI998]",
        "      fix: y",
        "FAIL  pods  z [WI999]",
        f"      pods: {', '.join(many[:10])} and 2 more",
        "      fix: f",
        "",
        "Something is wrong.",
    ]


def test_findings_are_shown_as_json_with_all_that_is_known_of_them() -> None:
    """Status, code, place, text, fix and every pod."""
    kind = Row("WI999", Severity.WARNING, '{object}: annotation {annotation} is "{value}"', "set {annotation}")
    place = Place("ServiceAccount shop/web", "x/client-id")
    shown = json.loads(reports.document([finding("account", kind, place, pods=("web-1",), value="v")], restart=[]))
    assert shown == {
        "status": "warn",
        "restart": [],
        "findings": [
            {
                "status": "warn",
                "code": "WI999",
                "about": "account",
                "place": {"object": "ServiceAccount shop/web", "annotation": "x/client-id", "field": ""},
                "detail": 'ServiceAccount shop/web: annotation x/client-id is "v"',
                "fix": "set x/client-id",
                "pods": ["web-1"],
            }
        ],
    }

"""The webhook configuration: its scope, its selectors, and the authorities that it trusts."""

import base64
from datetime import timedelta

import pytest

from testbed.cluster.registration import PLAIN, Scope, configuration
from tests.authorities import make_authority
from tests.checks.support import NOW, SERVICE, USE, narrowed, the_registration
from webhook.checks import registration
from webhook.checks.registration import registrations
from webhook.core.policy import SCOPES


@pytest.mark.parametrize("scope", SCOPES)
def test_the_scope_is_read_off_the_selectors(scope: Scope) -> None:
    """The names of the entries do not matter."""
    assert the_registration(scope).scope == scope
    assert the_registration(scope, service=("m365-workload-identity-system", "m365-workload-identity")).scope == scope


@pytest.mark.parametrize("annotated", [True, False], ids=["as the chart says", "by our own labels"])
@pytest.mark.parametrize("scope", SCOPES)
def test_the_scope_is_the_same_when_selectors_are_narrowed(scope: Scope, annotated: bool) -> None:
    """webhook.namespaceSelector and webhook.objectSelector do not change the scope of the webhook."""
    assert narrowed(scope, annotated=annotated).scope == scope


def test_an_annotation_with_an_unknown_scope_is_ignored() -> None:
    """The scope is read off the selectors then."""
    document = configuration("https://127.0.0.1:1/mutate", b"", scope="cluster")
    document["metadata"]["annotations"] = {registration.SCOPE_ANNOTATION: "all"}
    assert registrations([document], service=SERVICE)[0].scope == "cluster"


def test_the_pod_of_the_dry_run_has_the_labels_that_the_selectors_want() -> None:
    """Otherwise `check` would call an installation broken that is narrowed on purpose."""
    found, stage = narrowed("cluster"), {"stage": "test"}
    assert found.labels_with_use() == {USE: "true", "team": "shop"}
    assert registration.selection_problem(found, "shop", stage, own_namespace="own") is None
    assert found.labels_without_use("shop", stage) == {"team": "shop"}
    assert found.labels_without_use("shop", {}) is None
    assert narrowed("pod-label").labels_without_use("shop", stage) is None
    assert "scope cluster, only pods that also have team=shop" in registration.present(found).detail
    assert registration.present(the_registration("cluster")).detail.endswith("scope cluster")


def test_a_namespace_that_is_left_out_has_a_fix_with_the_label() -> None:
    """It may be a roll-out in stages, in which nothing has to be restored."""
    found = registration.selection_problem(narrowed("cluster"), "shop", {}, own_namespace="own")
    assert found is not None
    assert "kubectl label --overwrite namespace shop stage=test; or change webhook.namespaceSelector" in found.fix
    excluded = the_registration(
        namespaceSelector={
            "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shop"]}]
        }
    )
    found = registration.selection_problem(excluded, "shop", {}, own_namespace="own")
    assert found is not None
    assert found.fix.startswith(
        "to include the namespace: change webhook.namespaceSelector or webhook.excludedNamespaces"
    )


@pytest.mark.parametrize("scope", SCOPES)
def test_the_command_that_restores_objects_is_for_the_scope(scope: Scope) -> None:
    """The manifests of another scope would change it. The image in the manifests is not the user's."""
    said = registration.restore(the_registration(scope))
    assert f"kubectl apply -f manifests/{PLAIN[scope]} with your image in it" in said
    assert "helm upgrade with your values" in said
    assert "or that of your scope" in registration.restore(None)


def test_an_entry_is_ours_if_it_calls_our_service() -> None:
    """Somebody may have renamed it. An entry that calls another Service belongs to another program."""
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
def test_selectors_are_read_as_kube_apiserver_reads_them(
    scope: Scope, labels: dict[str, str], namespace_labels: dict[str, str], taken: bool
) -> None:
    """For the entries of each scope."""
    found = the_registration(scope)
    assert (found.entry_taking(labels, "shop", namespace_labels) is not None) is taken


@pytest.mark.parametrize(
    ("bundle", "problem"), [("", "is empty"), ("AAAA", "holds no certificate"), ("old", "expired")]
)
def test_a_ca_bundle_that_cannot_be_used_has_a_reason(bundle: str, problem: str) -> None:
    """It is empty, is not PEM, or has expired."""
    if bundle == "old":
        past = NOW - timedelta(days=3)
        bundle = base64.b64encode(make_authority(now=past, lifetime=timedelta(days=1)).pem.encode()).decode()
    entry = the_registration(clientConfig={"url": "https://x/", "caBundle": bundle}).entries[0]
    assert problem in registration.trust_problem(entry, NOW)


def test_what_helm_has_installed_is_restored_by_its_release() -> None:
    """Helm writes name and namespace of the release on each object."""
    document = configuration("https://127.0.0.1:1/mutate", b"")
    document["metadata"]["annotations"] = {"meta.helm.sh/release-name": "m365", "meta.helm.sh/release-namespace": "ids"}
    (found,) = registrations([document], service=SERVICE)
    assert registration.restore(found).startswith(
        "helm upgrade m365 -n ids manifests/chart --reset-then-reuse-values ("
    )
    assert "kubectl apply -f manifests/install.yaml" in registration.restore(the_registration())

"""The MutatingWebhookConfiguration of each scope is what docs/scopes.md says."""

from __future__ import annotations

from typing import Any, Final

import pytest

from testbed.chart.helm import NAME, NAMESPACE
from tests.chart.objects import container, installed, one
from webhook.checks.registration import SCOPE_ANNOTATION, registrations
from webhook.core.names import WEBHOOKS
from webhook.core.policy import SCOPES

pytestmark = pytest.mark.slow

SYSTEM: Final[dict[str, Any]] = {
    "key": "kubernetes.io/metadata.name",
    "operator": "NotIn",
    "values": [NAMESPACE, "kube-system", "kube-node-lease"],
}
ANYWHERE: Final = {"matchExpressions": [SYSTEM]}
LABELLED: Final = {"matchLabels": {"azure.workload.identity/use": "true"}}
UNLABELLED: Final = {
    "matchExpressions": [{"key": "azure.workload.identity/use", "operator": "NotIn", "values": ["true", "false"]}]
}
INSIDE: Final = {**ANYWHERE, "matchLabels": {"m365.workload.identity/inject": "true"}}
# By scope: name, pods, namespaces, failurePolicy.
ENTRIES: Final[dict[str, list[tuple[str, dict[str, Any], dict[str, Any], str]]]] = {
    "pod-label": [("labelled", LABELLED, ANYWHERE, "Fail")],
    "namespace-label": [("labelled", LABELLED, ANYWHERE, "Fail"), ("unlabelled", UNLABELLED, INSIDE, "Fail")],
    "cluster": [("labelled", LABELLED, ANYWHERE, "Fail"), ("unlabelled", UNLABELLED, ANYWHERE, "Ignore")],
}


def webhooks(**values: Any) -> list[dict[str, Any]]:
    """The entries of the configuration that `values` give."""
    found: list[dict[str, Any]] = one(installed(values), "MutatingWebhookConfiguration")["webhooks"]
    return found


def test_every_scope_is_looked_at() -> None:
    assert set(ENTRIES) == set(SCOPES)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_is_its_row_of_the_table(scope: str) -> None:
    """Which pods are reviewed, and what happens without an answer; the webhook gets the same scope."""
    found = [
        (entry["name"].partition(".")[0], entry["objectSelector"], entry["namespaceSelector"], entry["failurePolicy"])
        for entry in webhooks(scope=scope)
    ]
    assert found == ENTRIES[scope]
    assert f"--scope={scope}" in container(installed({"scope": scope}))["args"]


@pytest.mark.parametrize("scope", SCOPES)
def test_what_every_entry_promises(scope: str) -> None:
    """No side effects, CREATE of namespaced v1 pods, no mirror pods, reinvoked if needed, five seconds."""
    for entry in webhooks(scope=scope):
        assert entry["name"] in WEBHOOKS
        assert entry["rules"] == [
            {
                "operations": ["CREATE"],
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "resources": ["pods"],
                "scope": "Namespaced",
            }
        ]
        assert (entry["sideEffects"], entry["reinvocationPolicy"], entry["matchPolicy"]) == (
            "None",
            "IfNeeded",
            "Equivalent",
        )
        assert (entry["timeoutSeconds"], entry["admissionReviewVersions"]) == (5, ["v1"])
        (condition,) = entry["matchConditions"]
        assert "'kubernetes.io/config.mirror' in object.metadata.annotations" in condition["expression"]
        assert entry["clientConfig"] == {
            "service": {"name": NAME, "namespace": NAMESPACE, "path": "/mutate", "port": 443}
        }


def test_fail_open_is_a_choice_for_those_who_asked_and_a_rule_for_the_rest() -> None:
    """failurePolicy is that of labelled pods and labelled namespaces; other pods are never refused."""
    ignored = {"failurePolicy": "Ignore"}
    assert [entry["failurePolicy"] for entry in webhooks(scope="namespace-label", webhook=ignored)] == ["Ignore"] * 2
    failing = {"failurePolicy": "Fail"}
    assert [entry["failurePolicy"] for entry in webhooks(scope="cluster", webhook=failing)] == ["Fail", "Ignore"]


@pytest.mark.parametrize("scope", SCOPES)
def test_selectors_of_ones_own_narrow_every_entry_and_widen_none(scope: str) -> None:
    """They are added to the chart's, which stay."""
    staged: dict[str, Any] = {
        "matchLabels": {"stage": "test"},
        "matchExpressions": [{"key": "team", "operator": "Exists"}],
    }
    mine: dict[str, Any] = {
        "matchLabels": {"app": "shop"},
        "matchExpressions": [{"key": "beta", "operator": "DoesNotExist"}],
    }
    narrowed = webhooks(
        scope=scope,
        webhook={
            "namespaceSelector": staged,
            "objectSelector": mine,
            "excludedNamespaces": ["build", "kube-system"],
            "timeoutSeconds": 10,
        },
    )
    excluded = {**SYSTEM, "values": [*SYSTEM["values"], "build"]}
    for entry, (_, pods, namespaces, _) in zip(narrowed, ENTRIES[scope], strict=True):
        assert entry["timeoutSeconds"] == 10
        assert entry["namespaceSelector"] == {
            "matchLabels": {"stage": "test", **namespaces.get("matchLabels", {})},
            "matchExpressions": [excluded, *staged["matchExpressions"]],
        }
        assert entry["objectSelector"] == {
            "matchLabels": {"app": "shop", **pods.get("matchLabels", {})},
            "matchExpressions": [*pods.get("matchExpressions", []), *mine["matchExpressions"]],
        }


@pytest.mark.parametrize("scope", SCOPES)
def test_check_reads_the_scope_that_the_chart_was_given(scope: str) -> None:
    """With narrowed selectors, too; the user's own annotations do not hide it."""
    narrow = {"matchLabels": {"stage": "test"}}
    webhook = {"namespaceSelector": narrow, "objectSelector": narrow, "annotations": {SCOPE_ANNOTATION: "other"}}
    document = one(installed({"scope": scope, "webhook": webhook}), "MutatingWebhookConfiguration")
    (found,) = registrations([document], service=f"{NAMESPACE}/{NAME}")
    assert (document["metadata"]["annotations"][SCOPE_ANNOTATION], found.scope) == (scope, scope)


def test_values_cannot_remove_our_rules() -> None:
    """A selector that contradicts the label of the scope does not replace it."""
    other = {"matchLabels": {"m365.workload.identity/inject": "false", "azure.workload.identity/use": "false"}}
    labelled, unlabelled = webhooks(
        scope="namespace-label", webhook={"namespaceSelector": other, "objectSelector": other}
    )
    assert labelled["objectSelector"]["matchLabels"]["azure.workload.identity/use"] == "true"
    assert unlabelled["namespaceSelector"]["matchLabels"]["m365.workload.identity/inject"] == "true"

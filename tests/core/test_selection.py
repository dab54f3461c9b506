"""Which pods are ours."""

import pytest

from tests.core.support import pod, request
from webhook.core import names
from webhook.core.policy import CLUSTER, NAMESPACE_LABEL, POD_LABEL, SCOPES, Policy
from webhook.core.selection import labelled, skip_reason

USE = names.USE_LABEL
INJECT = {names.INJECT_LABEL: "true"}


@pytest.mark.parametrize(
    ("labels", "scope", "namespace_labels", "reason"),
    [
        ({USE: "true"}, POD_LABEL, None, ""),
        ({USE: "true"}, POD_LABEL, {}, ""),
        ({USE: "true"}, NAMESPACE_LABEL, {}, ""),
        ({USE: "true"}, CLUSTER, {}, ""),
        ({USE: "false"}, POD_LABEL, None, "opted-out"),
        ({USE: "false"}, NAMESPACE_LABEL, INJECT, "opted-out"),
        ({USE: "false"}, CLUSTER, None, "opted-out"),
        ({}, POD_LABEL, None, "not-selected"),
        ({}, POD_LABEL, INJECT, "not-selected"),
        ({USE: "True"}, POD_LABEL, None, "not-selected"),
        ({USE: ""}, POD_LABEL, None, "not-selected"),
        (None, POD_LABEL, None, "not-selected"),
        ({}, NAMESPACE_LABEL, INJECT, ""),
        ({}, NAMESPACE_LABEL, {}, "not-selected"),
        ({}, NAMESPACE_LABEL, {names.INJECT_LABEL: "True"}, "not-selected"),
        ({}, NAMESPACE_LABEL, None, ""),
        ({}, CLUSTER, None, ""),
        ({}, CLUSTER, {}, ""),
        (None, CLUSTER, None, ""),
    ],
)
def test_scope_and_labels_decide(
    labels: dict[str, str] | None, scope: str, namespace_labels: dict[str, str] | None, reason: str
) -> None:
    """The pod's label comes first, then the scope; labels that are not known were looked at by kube-apiserver."""
    assert skip_reason(request(pod(labels=labels)), Policy(scope=scope), namespace_labels) == reason


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("namespace", ["kube-system", "kube-node-lease", "own"])
def test_a_system_namespace_is_never_ours(namespace: str, scope: str) -> None:
    """Not even a labelled pod in a labelled namespace is, whatever the scope."""
    policy = Policy(scope=scope, own_namespace="own")
    assert skip_reason(request(pod(), namespace), policy, INJECT) == "not-selected"


def test_our_namespace_is_the_one_we_run_in() -> None:
    """Where the webhook was installed elsewhere, a namespace of the default name is like any other."""
    policy = Policy(own_namespace="elsewhere")
    assert skip_reason(request(pod(), names.DEFAULT_NAMESPACE), policy) == ""


@pytest.mark.parametrize("scope", SCOPES)
def test_a_mirror_pod_is_never_ours(scope: str) -> None:
    """The annotation's presence tells, not its value."""
    mirror = pod(annotations={names.MIRROR_ANNOTATION: ""})
    assert skip_reason(request(mirror), Policy(scope=scope)) == "mirror-pod"


@pytest.mark.parametrize(("labels", "expected"), [({USE: "true"}, True), ({USE: "false"}, False), ({}, False)])
def test_a_pod_asks_for_an_identity_by_its_label(labels: dict[str, str], expected: bool) -> None:
    """Only the label's value "true" is a wish."""
    assert labelled(request(pod(labels=labels))) is expected


def test_a_pod_may_have_no_metadata() -> None:
    """Null metadata, labels and annotations count as none."""
    for metadata in (None, {}, {"labels": None, "annotations": None}):
        assert skip_reason(request({"metadata": metadata, "spec": {}}), Policy(scope=CLUSTER)) == ""

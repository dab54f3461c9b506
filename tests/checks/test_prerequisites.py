"""What must be so before an installation, from answers of the API server."""

import copy
from typing import Any

import pytest

from webhook.checks import prerequisites
from webhook.checks.registration import entry_of
from webhook.core.messages import Kind
from webhook.core.messages import prerequisites as kinds
from webhook.findings import Status

SERVICE = {"service": {"namespace": "other", "name": "other", "port": 443}}


@pytest.mark.parametrize(
    ("version", "status"),
    [("v1.29.9", Status.FAIL), ("v1.30.0", Status.OK), ("v1.37.2", Status.OK), ("v2.0.0", Status.OK)],
)
@pytest.mark.parametrize("suffix", ["", "-gke.100", "+k3s1", "-eks-abc"])
def test_kubernetes_1_30_is_the_first_version_that_will_do(version: str, suffix: str, status: Status) -> None:
    """Of any distribution; 1.30 is the first that has everything."""
    assert prerequisites.version({"gitVersion": version + suffix}).status is status


def test_a_pod_that_nobody_changes() -> None:
    """What kube-apiserver itself adds does not count."""
    sent = prerequisites.a_pod("default")
    made: dict[str, Any] = copy.deepcopy(sent)
    made["spec"]["volumes"] = [{"name": "kube-api-access-x"}]
    made["spec"]["priority"] = 2000000000
    assert prerequisites.changes(sent, made) == ""


def test_a_pod_that_a_mesh_changes() -> None:
    """A sidecar, a variable and a volume are named."""
    sent = prerequisites.a_pod("default")
    made: dict[str, Any] = copy.deepcopy(sent)
    made["spec"]["containers"][0]["env"] = [{"name": "HTTPS_PROXY", "value": "x"}]
    made["spec"]["initContainers"] = [{"name": "istio-proxy"}]
    made["spec"]["volumes"] = [{"name": "mesh"}]
    assert prerequisites.changes(sent, made) == "container istio-proxy, variable HTTPS_PROXY, volume mesh"


@pytest.mark.parametrize(
    ("document", "must"),
    [
        ({"clientConfig": SERVICE}, True),
        ({"clientConfig": SERVICE, "failurePolicy": "Ignore"}, False),
        ({"clientConfig": SERVICE, "matchConditions": [{"name": "x", "expression": "false"}]}, False),
        ({"clientConfig": {"url": "https://other.example.com/"}}, False),
    ],
)
def test_a_webhook_that_must_answer(document: dict[str, Any], must: bool) -> None:
    """Only such a one shows that kube-apiserver reaches Services."""
    assert prerequisites.must_answer(entry_of({"name": "other", **document})) is must


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ('pods "x" is forbidden: exceeded quota: small, requested: cpu=100m', kinds.POD_OVER_QUOTA),
        (
            'pods "x" is forbidden: no PriorityClass with name x was found',
            kinds.PRIORITY_CLASS_ABSENT,
        ),
        ('Internal error: failed calling webhook "a.b.c": connection refused', kinds.CALL_FAILS),
        ('admission webhook "a.b.c" denied the request: no', kinds.POD_REFUSED),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest"', kinds.POD_REFUSED),
    ],
)
def test_a_refusal_is_told_by_kube_apiservers_words(words: str, kind: Kind) -> None:
    """By kube-apiserver's words."""
    assert prerequisites.refused(403, words, "own", {}).message.kind is kind

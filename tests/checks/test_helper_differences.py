"""Running pods whose helper containers are, or are not, those that a new pod would have."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import datetime
from typing import Any

import pytest

from tests.checks.support import CLIENT, EARLIER, NOW, the_pod, the_registration
from webhook.checks import differences, pods
from webhook.checks.new_pod import NewPod, read_new_pod
from webhook.core.decision import decide
from webhook.core.families import VARIABLES
from webhook.core.identity import Account
from webhook.core.messages import helper_differences, workloads
from webhook.core.mutation import apply
from webhook.core.policy import Policy
from webhook.core.review import Request
from webhook.findings import Finding, Status

ASKED = {"m365.workload.identity/preflight": "true", "m365.workload.identity/token-endpoint": "true"}
ANNOTATED = {"azure.workload.identity/client-id": CLIENT, "azure.workload.identity/tenant-id": "contoso.com"}
METRICS = {"m365.workload.identity/metrics": "true"}
OTHER = "66666666-7777-8888-9999-aaaaaaaaaaaa"
OF_TEMPLATE = differences.Template({"app": frozenset()}, frozenset())

Pod = dict[str, Any]


def injected(
    annotations: Mapping[str, str] | None = None,
    *,
    account: Mapping[str, str] = ANNOTATED,
    change: Callable[[Pod], None] | None = None,
    **settings: Any,
) -> Pod:
    """A pod as the webhook made it. annotations: its own. change: made to the pod before. settings: of the webhook."""
    pod = the_pod(mounted=False, annotations={**(ASKED if annotations is None else annotations)})
    if change:
        change(pod)
    policy = Policy(**{"helper_image": "helper:1", **settings})
    decision = decide(Request(uid="", namespace="shop", pod=pod), Account("shop", "terraform", account), policy)
    assert decision.outcome == "injected"
    return deepcopy(apply(pod, decision.operations))


def the_finding(
    pod: Pod,
    *,
    now: Mapping[str, str] | None = None,
    account: Mapping[str, str] = ANNOTATED,
    template: differences.Template | None = OF_TEMPLATE,
    new: NewPod | None = None,
    annotated: str = EARLIER,
) -> Finding:
    """The one finding about a running pod. now: its own annotations as they are by now."""
    if now is not None:
        pod["metadata"]["annotations"] = dict(now)
    expected = differences.Expectation(
        account=Account("shop", "terraform", account),
        annotated=datetime.fromisoformat(annotated),
        found=the_registration(),
        namespace_labels={},
        policy=Policy(helper_image="unknown"),  # as in the command
        template=template,
        new=new,
        now=NOW,
    )
    (found,) = pods.findings([pod], expected, "X", None)
    return found


def helper(pod: Pod, name: str = "m365-token-endpoint") -> dict[str, Any]:
    """The helper container of a pod."""
    return next(each for each in pod["spec"]["initContainers"] if each["name"] == name)


@pytest.mark.parametrize("key", ["preflight", "token-endpoint"])
def test_a_helper_container_that_the_pod_does_not_have(key: str) -> None:
    """The annotation is newer than the pod, or the webhook was away; the other container is there."""
    before = {name: value for name, value in ASKED.items() if not name.endswith(key)}
    found = the_finding(injected(before), now=ASKED)
    assert (found.message.kind, found.status) == (helper_differences.HELPER_MISSING, Status.FAIL)
    assert found.detail.startswith(f"1 pod of X must be created again: container m365-{key} is missing (older than")
    assert found.fix.endswith("kubectl delete pod web-1 -n shop")


@pytest.mark.parametrize("key", ["preflight", "token-endpoint"])
@pytest.mark.parametrize("how", ["removed", "false", "skipped"])
def test_a_helper_container_that_is_no_longer_asked_for(key: str, how: str) -> None:
    """Without a template, somebody may have written it by hand; one that the template has is left alone."""
    full, name = f"m365.workload.identity/{key}", f"m365-{key}"
    now = {
        "removed": {other: value for other, value in ASKED.items() if other != full},
        "false": {**ASKED, full: "false"},
        "skipped": {**ASKED, "azure.workload.identity/skip-containers": name},
    }[how]
    found = the_finding(injected(), now=now)
    assert (found.message.kind, found.status) == (helper_differences.HELPER_EXTRA, Status.FAIL)
    assert f"must be created again: container {name} is there and would not be in a new pod" in found.detail
    found = the_finding(injected(), now=now, template=None)
    assert (found.message.kind, found.status) == (helper_differences.HELPER_EXTRA_OR_OWN, Status.WARN)
    assert found.fix.startswith("if it was not set by hand: ")
    written = differences.Template({"app": frozenset(), name: frozenset()}, frozenset())
    assert the_finding(injected(), now=now, template=written).status is Status.OK


@pytest.mark.parametrize(
    ("before", "after", "there", "wanted"),
    [
        ({}, METRICS, "no port", "port 9464"),
        (METRICS, {}, "port 9464", "no port"),
        (METRICS, {"m365.workload.identity/metrics": "9500"}, "port 9464", "port 9500"),
    ],
    ids=["added", "removed", "changed"],
)
@pytest.mark.parametrize("on_pod", [True, False])
def test_metrics_at_another_port(
    before: dict[str, str], after: dict[str, str], there: str, wanted: str, *, on_pod: bool
) -> None:
    """The annotation is on the pod or on its ServiceAccount."""
    if on_pod:
        found = the_finding(injected({**ASKED, **before}), now={**ASKED, **after})
    else:
        pod, account = injected(account={**ANNOTATED, **before}), {**ANNOTATED, **after}
        found = the_finding(pod, account=account, annotated=NOW.isoformat())
        assert found.fix.startswith("in 30 seconds, "), "a replica may remember the old annotations"
    assert (found.message.kind, found.status) == (helper_differences.METRICS_DIFFER, Status.FAIL)
    assert f"container m365-token-endpoint has its metrics at {there}, and in a new pod at {wanted}" in found.detail


@pytest.mark.parametrize(
    ("account", "variable"),
    [
        ({"azure.workload.identity/client-id": OTHER}, "M365_CLIENT_ID"),
        ({"azure.workload.identity/tenant-id": "fabrikam.com"}, "M365_TENANT_ID"),
        ({"m365.workload.identity/cloud": "dod"}, "M365_CLOUD"),
        ({"m365.workload.identity/auth-method": "managed_identity"}, "M365_AUTH_METHOD"),
    ],
)
def test_a_helper_container_with_another_identity_is_named(account: dict[str, str], variable: str) -> None:
    """If the pod's own containers differ as well, they come first; here they set the variable themselves."""
    found = the_finding(injected(), account={**ANNOTATED, **account})
    assert found.message.values["variable"] == variable
    pod = injected()
    own = differences.Template({"app": frozenset(VARIABLES)}, frozenset())
    found = the_finding(pod, account={**ANNOTATED, **account}, template=own)
    assert (found.message.kind, found.status) == (workloads.VARIABLE_DIFFERS, Status.FAIL)
    assert f"{variable} of container m365-preflight has another value than in a new pod" in found.detail


def test_a_helper_container_whose_token_is_for_another_audience() -> None:
    """The pod's own container has a token of its own beside it."""
    pod = injected()
    pod["spec"]["containers"][0] |= {"env": [], "volumeMounts": []}
    found = the_finding(pod, account={**ANNOTATED, "m365.workload.identity/audience": "api://mine"})
    assert found.message.kind is workloads.AUDIENCE_DIFFERS
    assert "is for api://AzureADTokenExchange and not for api://mine" in found.detail


def defaults(pod: Pod) -> None:
    """What kube-apiserver and a LimitRange add, and an upgrade of the chart changes."""
    for container in pod["spec"]["initContainers"]:
        container |= {"imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log"}
        container |= {"terminationMessagePolicy": "File", "image": "helper:0", "securityContext": {"runAsUser": 7}}
        container["resources"] = {"limits": {"cpu": "1"}}
        if "startupProbe" in container:
            container["startupProbe"] |= {"successThreshold": 1, "failureThreshold": 3}


def of_another_version(pod: Pod) -> None:
    """Another command, other arguments and ports, and variables that are not about the identity."""
    for container in pod["spec"]["initContainers"]:
        container["args"] = [*container.get("args", ()), "--more"]
        container["command"] = ["m365-identity", "other"]
        container["ports"] = [{"name": "more", "containerPort": 8080}, *container.get("ports", ())]
        container["env"] += [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}, {"name": "LOG", "value": "debug"}]


def sidecar_with_the_port(pod: Pod) -> None:
    """Another webhook was called later; it is to a new pod, too."""
    pod["spec"]["containers"].append({"name": "late", "ports": [{"containerPort": 9464}]})


@pytest.mark.parametrize("late", [lambda _: None, defaults, of_another_version, sidecar_with_the_port])
@pytest.mark.parametrize("annotations", [{}, ASKED, {**ASKED, **METRICS}], ids=["none", "both", "metrics"])
def test_what_does_not_change_the_sign_in_does_not_count(
    late: Callable[[Pod], None], annotations: dict[str, str]
) -> None:
    """Each pod with helper containers would have to be created again after each upgrade of the chart."""
    pod = injected(annotations)
    pod["spec"].setdefault("initContainers", [])
    late(pod)
    for template in (OF_TEMPLATE, None):
        for new in (read_new_pod(injected({})), None):
            assert the_finding(pod, template=template, new=new).status is Status.OK


def test_a_container_that_had_the_port_before_keeps_it() -> None:
    """The helper container has no metrics then, nor would that of a new pod."""
    pod = injected({**ASKED, **METRICS}, change=sidecar_with_the_port)
    assert "ports" not in helper(pod)
    assert the_finding(pod).status is Status.OK


@pytest.mark.parametrize("cloud", ["public", "gcchigh"])
@pytest.mark.parametrize("annotated", [True, False])
def test_a_helper_container_has_the_cloud_whatever_the_families_of_the_pod(cloud: str, *, annotated: bool) -> None:
    """The annotation or the webhook's own setting decides on it; the latter is not known without a new pod."""
    account = {**ANNOTATED, "m365.workload.identity/env": "azure"}
    account |= {"m365.workload.identity/cloud": cloud} if annotated else {}
    settings: dict[str, Any] = {} if annotated else {"cloud": cloud}
    pod = injected(account=account, **settings)
    assert {"name": "M365_CLOUD", "value": cloud} in helper(pod)["env"]
    for new in (read_new_pod(injected({}, account=account, **settings)), None):
        assert the_finding(pod, account=account, new=new).status is Status.OK
    changed = {**account, "m365.workload.identity/cloud": "gcc"}
    pod["spec"]["containers"][0]["env"] = []  # has no identity
    assert "of container m365-preflight" in the_finding(pod, account=changed).detail


def test_a_helper_container_with_the_path_of_a_token_beside_that_of_azures_webhook() -> None:
    """It has the path although the pod has no variables of Microsoft 365 (identity bindings)."""
    asked = {**ASKED, "azure.workload.identity/use-identity-binding": "true", "m365.workload.identity/env": "azure,arm"}
    pod = injected(asked)
    assert "M365_OIDC_TOKEN_FILE_PATH" in {each["name"] for each in helper(pod)["env"]}
    assert the_finding(pod).status is Status.OK

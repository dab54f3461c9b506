"""Pods that cannot sign in, by what their status says."""

from typing import Any

import pytest

from tests.checks.support import the_pod
from webhook.checks import sign_ins
from webhook.core.messages import Place
from webhook.core.messages import workloads as rows
from webhook.findings import Finding, Status

SAID = "AADSTS700213 (invalid_client, HTTP 401), after 7 attempts: no credential fits [WIH304] Fix: az ad app x"
OLD = f"""m365-identity preflight: AADSTS700213: no credential fits [WIH304]
Trying again in 1.0 s.
m365-identity preflight: {SAID.partition(" Fix")[0]}
Likely causes:
  1. the pod runs as another ServiceAccount
Fix: az ad app x
Correlation id: y
"""
PREFLIGHT, ENDPOINT = "m365-preflight", "m365-token-endpoint"
PLACE = Place("ServiceAccount shop/terraform")


def ended(message: str | None = SAID, *, code: int = 1, reason: str = "Error") -> dict[str, Any]:
    """The state of a container that has ended."""
    return {"terminated": {"exitCode": code, "reason": reason, **({"message": message} if message is not None else {})}}


def waiting(reason: str = "CrashLoopBackOff", message: str = "back-off 10s") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def pod(
    state: dict[str, Any],
    last: dict[str, Any] | None = None,
    *,
    container: str = PREFLIGHT,
    kind: str = "initContainerStatuses",
    phase: str = "Pending",
    name: str = "web-1",
    **status: Any,
) -> dict[str, Any]:
    """A pod with one status of a container."""
    found = {"name": container, "state": state, "lastState": last or {}, **status}
    return {**the_pod(name), "status": {"phase": phase, kind: [found]}}


def found(*pods: dict[str, Any]) -> list[Finding]:
    return [*sign_ins.findings(pods, PLACE)]


@pytest.mark.parametrize(
    ("state", "last"),
    [(ended(), None), (waiting(), ended()), ({"running": {}}, ended()), (waiting(), ended(OLD)), (ended(OLD), None)],
)
def test_the_reason_is_said_with_its_code_and_fix(state: dict[str, Any], last: dict[str, Any] | None) -> None:
    """In each state in which the kubelet tries again, also from a log."""
    (only,) = found(pod(state, last))
    assert (only.status, only.message.kind, only.about, only.pods) == (Status.FAIL, rows.SIGN_IN_FAILS, "sign-in", ())
    assert only.detail == (
        "1 pod of ServiceAccount shop/terraform cannot sign in; container m365-preflight of web-1 says: "
        "AADSTS700213 (invalid_client, HTTP 401), after 7 attempts: no credential fits [WIH304]"
    )
    assert only.fix == "m365wi check -n shop --workload pod/web-1 --entra; the pod itself advises: az ad app x"


@pytest.mark.parametrize(
    ("state", "last", "container"),
    [
        (ended(code=0), ended(), PREFLIGHT),
        (ended("signed in", code=0), None, PREFLIGHT),
        (waiting("PodInitializing"), None, ENDPOINT),
        (waiting("ContainerCreating"), None, PREFLIGHT),
        ({"running": {}}, None, PREFLIGHT),
        ({"running": {}}, ended(), ENDPOINT),
        ({"running": {}}, ended(), "app"),
        (ended("panic: no credential fits"), None, "app"),
        (waiting("ImagePullBackOff"), None, "app"),
        ({}, None, PREFLIGHT),
    ],
)
def test_other_pods_are_not_named(state: dict[str, Any], last: dict[str, Any] | None, container: str) -> None:
    """Those that have signed in, have not tried yet, run again, or fail for a reason of their own."""
    assert found(pod(state, last, container=container)) == []


def test_a_program_that_runs_by_exec_says_it_too() -> None:
    """`m365-identity exec -- terraform apply` in a container of the pod's own."""
    (only,) = found(pod(waiting(), ended(), container="terraform", kind="containerStatuses"))
    assert "container terraform of web-1 says: AADSTS700213" in only.detail


def test_a_pod_of_a_job_has_ended() -> None:
    """A warning: nothing starts it again, and the next one may have signed in."""
    (only,) = found(pod(ended(), phase="Failed"))
    assert (only.status, only.message.kind) == (Status.WARN, rows.SIGN_IN_FAILED)
    assert found(pod(ended(None), phase="Failed")) == []
    assert found(pod(ended(), phase="Succeeded")) == []


def test_pods_of_one_reason_are_one_finding() -> None:
    """However often each has tried."""
    texts = (SAID, SAID.replace("7 attempts", "9 attempts"), SAID.replace("WIH304", "WIH401"))
    several = found(*(pod(ended(text), name=f"web-{number}") for number, text in enumerate(texts)))
    assert [each.message.values["count"] for each in several] == ["2 pods", "1 pod"]
    assert "--entra" in several[0].fix
    assert several[1].fix == "the pod itself advises: az ad app x"


def test_a_helper_that_was_killed() -> None:
    """As for too much memory, without a word."""
    (only,) = found(pod(waiting(), ended(None, code=137, reason="OOMKilled")))
    assert only.message.kind is rows.HELPER_ENDED
    assert "OOMKilled, exit code 137" in only.detail
    assert only.fix == "kubectl logs web-1 -n shop -c m365-preflight --previous"


def test_a_helper_whose_image_cannot_be_pulled() -> None:
    """In a namespace without the registry's password."""
    (only,) = found(pod(waiting("ImagePullBackOff", 'Back-off pulling image "r/x"'), container=ENDPOINT))
    assert only.message.kind is rows.HELPER_NOT_STARTED
    assert only.detail.endswith('cannot be started: ImagePullBackOff: Back-off pulling image "r/x"')


def test_a_pod_that_is_deleted_is_left() -> None:
    """It will be gone before anybody reads this."""
    gone = pod(ended())
    gone["metadata"]["deletionTimestamp"] = "2026-07-01T12:00:00Z"
    assert found(gone) == []


@pytest.mark.parametrize(
    "status",
    [None, [], {"initContainerStatuses": 1}, {"initContainerStatuses": [1, {"name": 1, "state": [], "lastState": 2}]}],
)
def test_a_status_of_another_shape_says_nothing(status: Any) -> None:
    """Whatever comes."""
    assert found({**the_pod(), "status": status}) == []


def test_what_a_container_says_cannot_break_out_of_its_line() -> None:
    """Its author is a stranger: control characters are escaped, lengths are bounded, and his advice is called his."""
    hostile = "\x1b[2J" + "x" * 5000 + " [WIH304] Fix: rm -rf / \x07" + "y" * 5000
    (only,) = found(pod(ended("\n".join((SAID, hostile[-4000:], "z [WIH304] Fix: a\x1b[0m\u202eb")))))
    assert only.detail.isprintable()
    assert only.fix.isprintable()
    assert only.detail.isascii()
    assert only.fix.endswith("the pod itself advises: a\\x1b[0m\\u202eb")
    (long,) = found(pod(ended("x" * 3000 + " [WIH304] Fix: " + "y" * 3000)))
    assert len(long.detail) < 500
    assert len(long.fix) < 1200

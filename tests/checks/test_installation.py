"""The webhook's own Service and pods."""

from typing import Any

import pytest

from tests.checks.support import ENTRY, NOW, the_registration
from webhook.checks import installation
from webhook.checks.explanations import explain
from webhook.checks.installation import Deployment, Installation
from webhook.checks.refusals import Refusal, RefusalKind
from webhook.checks.replicas import Replica, living, replica
from webhook.checks.service_ports import ready_endpoints
from webhook.findings import Status

ENDED = {"terminated": {"reason": "Error"}}


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        ({"conditions": [{"type": "Ready", "status": "True"}]}, ""),
        ({"phase": "Pending"}, "Pending"),
        ({"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}, "running and not ready"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
            "Unschedulable",
        ),
        (
            {"containerStatuses": [{"image": "x/w:1", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
            "ImagePullBackOff of x/w:1",
        ),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]}, "OOMKilled"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no cpu"}
                ]
            },
            "Unschedulable: no cpu",
        ),
        (
            {
                "containerStatuses": [
                    {"state": {"waiting": {"reason": "CreateContainerConfigError", "message": "no x"}}}
                ]
            },
            "CreateContainerConfigError: no x",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m"}},
                        "lastState": {"terminated": {"reason": "OOMKilled"}},
                    }
                ]
            },
            "CrashLoopBackOff after OOMKilled",
        ),
    ],
)
def test_why_a_pod_of_the_webhook_is_not_ready(status: dict[str, Any], trouble: str) -> None:
    """In the word that `kubectl get pods` has for it."""
    found = replica({"metadata": {"name": "w-0"}, "spec": {"serviceAccountName": "w"}, "status": status})
    assert (found.name, found.account, found.trouble) == ("w-0", "w", trouble)


def test_a_pod_without_memory_needs_more_of_it() -> None:
    """Its log does not know why it was killed."""
    killed = {
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"reason": "OOMKilled"}},
    }
    pod = {"metadata": {"name": "w-0"}, "spec": {}, "status": {"containerStatuses": [killed]}}
    look = Installation("a/b", replicas=(replica(pod),)).look()
    assert "kubectl describe pod -n a w-0; give it more memory: resources.limits.memory" in look


def test_pods_that_have_ended_do_not_count() -> None:
    """Evicted ones stay until somebody deletes them."""
    evicted, running = {"status": {"phase": "Failed"}}, {"status": {"phase": "Running"}}
    assert living([evicted, running]) == [running]
    assert living([evicted]) == [evicted]


def test_a_webhook_with_a_pod_that_is_not_ready_still_works() -> None:
    """It is a warning, before the other pods fail, too; one that is being deleted does not count."""
    ready, broken = Replica("w-1", "w", ""), Replica("w-0", "w", "OOMKilled")
    (found,) = installation.afterwards(Installation("a/b", True, True, 1, (broken, ready)), "")
    assert found.status is Status.WARN
    assert "1 of its 2 pods not ready" in found.detail
    leaving = replica({"metadata": {"name": "w-2", "deletionTimestamp": NOW}, "spec": {}})
    assert not [*installation.afterwards(Installation("a/b", True, True, 1, (leaving, ready)), "")]


@pytest.mark.parametrize(
    ("behind", "reason", "remedy"),
    [
        (Installation("a/b", exists=False), "it does not exist", "restore"),
        (Installation("a/b", True, False, 1), "it has no such port", "kubectl delete service b -n a; restore"),
        (
            Installation("a/b", True, True, 0, (), selector={"x": "z"}, deployment=Deployment("b", 2, 2, {"x": "y"})),
            "its selector (x=z) does not select the 2 ready pods of Deployment b",
            "kubectl set selector service b -n a x=y",
        ),
        (
            Installation("a/b", True, True, 0, (), selector={"x": "y"}, deployment=Deployment("b", 0, 0, {"x": "y"})),
            "Deployment b is scaled to 0",
            "kubectl scale deployment b -n a --replicas=2",
        ),
        (
            Installation("a/b", True, True, 0, (), selector={"x": "y"}, deployment=Deployment("b", 2, 0, {"x": "y"})),
            "Deployment b has no pods",
            "kubectl describe deployment,replicaset -n a",
        ),
        (Installation("a/b", True, True, 0, ()), "it has no pods and no Deployment", "restore"),
    ],
)
def test_a_call_over_an_old_connection_says_nothing_of_the_next(behind: Installation, reason: str, remedy: str) -> None:
    """kube-apiserver keeps a connection for a while, whatever becomes of the Service."""
    (found,) = installation.afterwards(behind, "restore")
    assert found.status is Status.FAIL
    assert reason in found.detail
    assert found.fix == remedy


@pytest.mark.parametrize(
    ("status", "command"),
    [
        ({"state": {"waiting": {"reason": "ImagePullBackOff"}}}, "kubectl describe pod -n a w-0"),
        ({"state": {"running": {}}}, "kubectl logs -n a w-0"),
        ({"state": {"terminated": {"reason": "Error"}}}, "kubectl logs -n a w-0"),
        ({"state": {"running": {}}, "lastState": ENDED}, "kubectl logs -n a w-0"),
        (
            {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ENDED},
            "kubectl logs --previous -n a w-0",
        ),
        ({"state": ENDED, "lastState": ENDED}, "kubectl logs --previous -n a w-0"),
    ],
)
def test_a_pod_that_is_not_ready_is_looked_into(status: dict[str, Any], command: str) -> None:
    """The events of one that never ran; the log of the run before if the next may begin any time."""
    pod = {"metadata": {"name": "w-0"}, "spec": {}, "status": {"containerStatuses": [status]}}
    behind = Installation("a/b", True, True, 0, (replica(pod),))
    refusal = Refusal(RefusalKind.NO_ENDPOINTS, ENTRY, "")
    failed = explain(refusal, the_registration(), behind, namespace="shop", account="web", now=NOW)
    assert failed.fix.endswith(command)


def test_what_may_not_be_read_behind_the_service_is_skipped() -> None:
    """With the namespace, since the user may well read these objects elsewhere."""
    (found,) = installation.not_seen(Installation("a/b", unseen=("endpointslices", "pods")))
    assert found.status is Status.SKIP
    assert "endpointslices and pods in namespace a" in found.detail


def test_endpoints_without_a_state_are_ready() -> None:
    """That is the rule of EndpointSlice; those that are not ready do not count."""
    slices = [{"endpoints": [{"conditions": {"ready": True}}, {}, {"conditions": {"ready": False}}]}, {}]
    assert ready_endpoints(slices) == 2

"""The webhook's own Service and pods."""

from typing import Any

import pytest

from webhook.checks import installation
from webhook.checks.installation import Installation, Replica
from webhook.findings import Status


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
    """It is a warning, before the other pods fail, too."""
    behind = Installation("a/b", True, True, 1, (Replica("w-0", "w", "OOMKilled"), Replica("w-1", "w", "")))
    found = installation.not_all_ready(behind)
    assert found is not None
    assert found.status is Status.WARN
    assert installation.not_all_ready(Installation("a/b", replicas=(Replica("w-1", "w", ""),))) is None


def test_endpoints_without_a_state_are_ready() -> None:
    """That is the rule of EndpointSlice; those that are not ready do not count."""
    slices = [{"endpoints": [{"conditions": {"ready": True}}, {}, {"conditions": {"ready": False}}]}, {}]
    assert installation.ready_endpoints(slices) == 2

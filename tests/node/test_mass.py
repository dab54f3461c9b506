"""Thousands of pods at once while each replica has a tenth of a processor: none is refused."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from testbed.chart.helm import NAMESPACE
from testbed.node.installed import DEPLOYMENT, await_rollout
from testbed.node.pods import AnyNode, apply, await_by_kubectl, make_account
from testbed.node.traffic import UNSCHEDULED, a_deployment, create, is_injected, listed

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]

CREATES = 2000
CLIENTS = 16
REPLICAS = 500


@pytest.fixture
def throttled(webhook: AnyNode) -> Iterator[AnyNode]:
    """Each replica limited to 100m, which the kernel enforces."""
    webhook.kubectl("-n", NAMESPACE, "set", "resources", DEPLOYMENT, "--limits=cpu=100m,memory=384Mi")
    await_rollout(webhook)
    yield webhook
    webhook.kubectl("-n", NAMESPACE, "rollout", "undo", DEPLOYMENT)
    await_rollout(webhook)


def test_none_is_refused(throttled: AnyNode, namespace: str, capsys: pytest.CaptureFixture[str]) -> None:
    """2,000 direct creates by 16 clients while a Deployment of 500 pods starts."""
    node = throttled
    make_account(node, namespace)
    apply(node, namespace, a_deployment(REPLICAS, **UNSCHEDULED))
    numbers = range(CREATES)
    with ThreadPoolExecutor(CLIENTS) as clients:
        tasks = [clients.submit(work, node, namespace, numbers[each::CLIENTS]) for each in range(CLIENTS)]
        outcomes = [outcome for task in tasks for outcome in task.result()]
    assert [problem for _, problem in outcomes if problem] == []
    there = f"--for=jsonpath={{.status.replicas}}={REPLICAS}"
    await_by_kubectl(node, "-n", namespace, "wait", "deployment/web", there, seconds=300)
    deployed = listed(node, namespace, "app=web")
    assert len(deployed) == REPLICAS
    assert all(map(is_injected, deployed))
    events = node.api.get(f"/api/v1/namespaces/{namespace}/events", params={"fieldSelector": "reason=FailedCreate"})
    assert events.expect().json["items"] == []
    with capsys.disabled():
        sys.stdout.write(f"\n{summary([seconds for seconds, _ in outcomes])}\n")
    node.delete_namespace(namespace)
    # So many are work for later tests.
    await_by_kubectl(node, "wait", f"namespace/{namespace}", "--for=delete", seconds=300)


def work(node: AnyNode, namespace: str, numbers: range) -> list[tuple[float, str]]:
    """One client's creates, each with its seconds and what went wrong."""
    api = node.client(node.kubeconfig)
    return [create(api, namespace, f"pod-{number}", "terraform") for number in numbers]


def summary(seconds: list[float]) -> str:
    """What docs/performance.md has."""
    hundredths = statistics.quantiles(seconds, n=100)
    half, most = hundredths[49] * 1e3, hundredths[98] * 1e3
    return f"{len(seconds)} creates at 100m a replica: p50 {half:.0f} ms, p99 {most:.0f} ms"

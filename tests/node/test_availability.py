"""Replicas come and go while pods are created, and no create fails; without any, labelled pods are refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from testbed.chart.helm import NAMESPACE
from testbed.cluster.processes import wait_until
from testbed.node import images
from testbed.node.installed import (
    DEPLOYMENT,
    apply_plain,
    await_rollout,
    install,
    install_previous,
    metric,
    replicas,
    scale,
)
from testbed.node.pods import AnyNode, a_pod, apply, await_by_kubectl, kill, make_account, run_to_end, wait_for
from testbed.node.traffic import CLIENTS, Creates, a_deployment, is_injected, listed

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]


def restart(node: AnyNode) -> None:
    """Every replica is replaced by a new one."""
    node.kubectl("-n", NAMESPACE, "rollout", "restart", DEPLOYMENT)
    await_rollout(node)


def drain(node: AnyNode) -> None:
    """One replica is drained from its node, within what the disruption budget allows. Only then may another start."""
    gone = replicas(node)[0]
    name, host = gone["metadata"]["name"], gone["spec"]["nodeName"]
    node.kubectl("-n", NAMESPACE, "label", f"pod/{name}", "drained=true")
    try:
        node.kubectl("drain", host, "--pod-selector=drained=true", "--timeout=100s")
    finally:
        node.kubectl("uncordon", host)
    await_rollout(node)


def ready(node: AnyNode) -> dict[str, list[str]]:
    """The replicas that answer, by their image."""
    found: dict[str, list[str]] = {}
    for pod in replicas(node):
        if any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ())):
            found.setdefault(pod["spec"]["containers"][0]["image"], []).append(pod["metadata"]["name"])
    return found


def reviews(node: AnyNode, name: str) -> float:
    """How many a replica has answered."""
    return sum(metric(node, name, "m365wi_reviews_total"))


def kill_worker(node: AnyNode) -> None:
    """The process that answers is killed, as the kernel does to one without memory; its parent starts another."""
    (status,) = replicas(node)[0]["status"]["containerStatuses"]
    identity = status["containerID"].rpartition("/")[2]

    def processes() -> set[int]:
        said = node.run("ctr", "--namespace", "k8s.io", "tasks", "ps", identity).splitlines()[1:]
        return {int(line.split()[0]) for line in said}

    wait_until(lambda: len(processes()) == 2, "a parent and a worker")
    parent, worker = sorted(processes())
    node.run("kill", "-KILL", str(worker))
    wait_until(lambda: worker not in processes() and len(processes()) == 2, "another worker")
    assert parent in processes()


def kill_replica(node: AnyNode) -> None:
    """A whole replica is killed; the kubelet starts it again."""
    pod = replicas(node)[0]
    kill(node, pod)
    restarted = "jsonpath={.status.containerStatuses[0].restartCount}=" + str(restarts(pod) + 1)
    wait_for(node, NAMESPACE, pod["metadata"]["name"], restarted)
    # The Deployment may not have heard yet that it was not ready meanwhile.
    wait_for(node, NAMESPACE, pod["metadata"]["name"], "condition=Ready")
    await_rollout(node)


def restarts(pod: dict[str, Any]) -> int:
    """How often its container was started again."""
    (status,) = pod["status"]["containerStatuses"]
    return int(status["restartCount"])


@pytest.mark.parametrize("happens", [restart, drain])
def test_no_create_fails_while(webhook: AnyNode, namespace: str, happens: Callable[[AnyNode], None]) -> None:
    """Every pod that is created meanwhile, before and after is admitted and injected."""
    make_account(webhook, namespace)
    with Creates(webhook, namespace, "terraform") as creates:
        creates.await_more(50)
        happens(webhook)
        creates.await_more(100)
    assert not creates.failed


def test_a_killed_worker_takes_with_it_what_it_was_answering_and_nothing_else(webhook: AnyNode, namespace: str) -> None:
    """kube-apiserver does not repeat a request whose connection broke, so that is what a SIGKILL may cost: at most one
    create of each client. Its parent goes on listening, and has another worker before a client gives up.
    """
    make_account(webhook, namespace)
    with Creates(webhook, namespace, "terraform") as creates:
        creates.await_more(50)
        kill_worker(webhook)
        creates.await_more(100)
    assert len(creates.failed) <= CLIENTS
    assert all(map(was_cut, creates.failed)), creates.failed


def was_cut(problem: str) -> bool:
    """Whether a create failed since the process that was answering it died."""
    return "connection reset by peer" in problem or problem.endswith("EOF")


@pytest.fixture
def previous(webhook: AnyNode) -> Iterator[AnyNode]:
    """The release before this one, installed; this one again afterwards, wherever an upgrade stopped."""
    install_previous(webhook)
    yield webhook
    resume(webhook)
    install(webhook)


def resume(node: AnyNode) -> None:
    """Continues a paused roll-out."""
    node.kubectl("-n", NAMESPACE, "patch", DEPLOYMENT, "--patch", '{"spec": {"paused": false}}')


def test_an_upgrade_from_the_release_before_that_stops_half_way(previous: AnyNode, namespace: str) -> None:
    """Replicas of two releases answer side by side, with one authority; then the upgrade goes on. No create fails."""
    make_account(previous, namespace)
    with Creates(previous, namespace, "terraform") as creates:
        creates.await_more(50)
        apply_plain(previous)
        wait_until(lambda: images.WEBHOOK in ready(previous), "a replica of this release")
        previous.kubectl("-n", NAMESPACE, "rollout", "pause", DEPLOYMENT)
        assert ready(previous).keys() == {images.PREVIOUS, images.WEBHOOK}
        for image in (images.WEBHOOK, images.PREVIOUS):
            answers_alone(previous, image)
            creates.await_more(50)
        resume(previous)
        await_rollout(previous)
        creates.await_more(50)
    assert not creates.failed
    assert ready(previous).keys() == {images.WEBHOOK}


def answers_alone(node: AnyNode, image: str) -> None:
    """The replicas of other images are taken away, and one of this image takes over what they did.

    kube-apiserver keeps its connections: only when one ends does what was connected to it go elsewhere, by chance to
    any replica that is ready. So none may start meanwhile.
    """
    before = ready(node)
    others = [f"pod/{name}" for other, found in before.items() if other != image for name in found]
    host = replicas(node)[0]["spec"]["nodeName"]
    node.kubectl("cordon", host)
    try:
        node.kubectl("-n", NAMESPACE, "delete", "--wait=false", *others)
        wait_until(lambda: any(reviews(node, name) for name in before[image]), f"a review by {image}")
        assert ready(node).keys() == {image}
    finally:
        node.kubectl("uncordon", host)
    wait_until(lambda: ready(node).keys() == before.keys(), "replicas of both")


def test_a_killed_replica_refuses_connections_until_it_is_back_and_nothing_else(
    webhook: AnyNode, namespace: str
) -> None:
    """kube-apiserver does not call again if a connection is refused, so a create may fail, by failurePolicy. A
    Deployment's pods are all there in the end, and no pod is ever admitted without its identity.
    """
    make_account(webhook, namespace)
    with Creates(webhook, namespace, "terraform") as creates:
        creates.await_more(50)
        kill_replica(webhook)
        before = len(creates.failed)
        apply(webhook, namespace, a_deployment(2))
        creates.await_more(100)
    assert len(creates.failed) == before  # kill_replica returns when the kubelet has it back
    await_by_kubectl(webhook, "-n", namespace, "rollout", "status", "deployment/web")
    assert all(was_cut(problem) or "connection refused" in problem for problem in creates.failed), creates.failed


@pytest.fixture
def away(webhook: AnyNode) -> Iterator[AnyNode]:
    """The webhook scaled to nothing, and back afterwards."""
    scale(webhook, 0)
    yield webhook
    scale(webhook, 2)


def test_without_a_replica_labelled_pods_are_refused_and_others_are_not(away: AnyNode, namespace: str) -> None:
    """The refusal names the webhook and why it does not answer; a Deployment heals by itself once it is back."""
    make_account(away, namespace)
    refusals: list[str] = []

    def is_told() -> bool:
        refusals.append(refused(away, namespace))
        return re.search("no endpoints available|connection refused|no route to host", refusals[-1]) is not None

    wait_until(is_told, "a refusal that says that nothing listens")
    # Until kube-proxy has heard that the last replica is gone, calls lead nowhere.
    assert all("context deadline exceeded" in each for each in refusals[:-1]), refusals
    run_to_end(away, namespace, a_pod("plain", ["true"], account="terraform", labels={}))
    apply(away, namespace, a_deployment(2))
    await_by_kubectl(away, "-n", namespace, "wait", "deployment/web", "--for=condition=ReplicaFailure")
    scale(away, 2)
    # Its controller tries again after pauses that grow with the time that it was refused.
    await_by_kubectl(away, "-n", namespace, "rollout", "status", "deployment/web", seconds=300)
    found = listed(away, namespace, "app=web")
    assert len(found) == 2
    assert all(map(is_injected, found))


def refused(node: AnyNode, namespace: str) -> str:
    """The error for a labelled pod that no replica can review."""
    answer = node.api.post(f"/api/v1/namespaces/{namespace}/pods", a_pod("labelled", ["true"], account="terraform"))
    assert answer.status == 500
    assert 'failed calling webhook "labelled.m365.workload.identity"' in answer.message
    return answer.message

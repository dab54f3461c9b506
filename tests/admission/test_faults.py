"""The webhook's own API server calls go wrong; kube-apiserver asks again, and the pod is admitted when it heals."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from demo.server import Running
from tests.admission.conftest import a_pod, is_injected, make_account
from tests.admission.helpers import Relay, relay
from tests.cluster.cluster import Cluster

FAULTS = ("close", "hang", "rubbish", "not-json", "error", "forbidden")


@pytest.fixture
def broken(
    another_webhook: Callable[..., Running], webhook_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Relay]:
    """What stands between the webhook and its API server; kube-apiserver waits 5 s for the webhook."""
    with relay(webhook_kubeconfig, tmp_path_factory.mktemp("relay")) as (state, kubeconfig):
        another_webhook(kubeconfig=kubeconfig, timeout_seconds=5)
        yield state


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "hang"])
def test_a_pod_is_admitted_once_the_api_server_heals(
    control_plane: Cluster, broken: Relay, namespace: str, fault: str
) -> None:
    """The webhook answers 503 with Retry-After, and kube-apiserver itself tries again inside timeoutSeconds."""
    make_account(control_plane, namespace)
    broken.misbehave(fault)
    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(control_plane.api.post, f"/api/v1/namespaces/{namespace}/pods", a_pod())
        assert broken.asked.wait(10)
        broken.heal()
        answer = creating.result().expect()
    assert is_injected(answer.json)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_pod_is_refused_with_a_reason_while_the_api_server_is_broken(
    control_plane: Cluster, broken: Relay, namespace: str, fault: str
) -> None:
    """No pod without its identity: failurePolicy Fail refuses it, and no traceback reaches the user."""
    make_account(control_plane, namespace)
    broken.misbehave(fault)
    answer = control_plane.api.post(f"/api/v1/namespaces/{namespace}/pods", a_pod())
    assert answer.status == 500
    assert "labelled.m365.workload.identity" in answer.message
    assert "Traceback" not in answer.message
    broken.heal()
    assert is_injected(control_plane.api.post(f"/api/v1/namespaces/{namespace}/pods", a_pod()).expect().json)


def test_a_known_account_needs_no_api_server(control_plane: Cluster, broken: Relay, namespace: str) -> None:
    """A positive answer is kept, so that a short outage passes unnoticed."""
    make_account(control_plane, namespace)
    path = f"/api/v1/namespaces/{namespace}/pods"
    assert is_injected(control_plane.api.post(path, a_pod("first")).expect().json)
    broken.misbehave("close")
    assert is_injected(control_plane.api.post(path, a_pod("second")).expect().json)


def test_many_pods_of_one_account_ask_once(control_plane: Cluster, broken: Relay, namespace: str) -> None:
    """While a look-up hangs, all who need the same ServiceAccount wait for that one."""
    make_account(control_plane, namespace)
    broken.misbehave("hang")
    done = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        path = f"/api/v1/namespaces/{namespace}/pods"
        creating = [pool.submit(control_plane.api.post, path, a_pod(f"pod-{number}")) for number in range(8)]
        assert broken.asked.wait(10)
        broken.heal()
        answers = [each.result() for each in creating]
        done.set()
    assert all(is_injected(answer.expect().json) for answer in answers)

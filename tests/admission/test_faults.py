"""The webhook's own calls of the API server fail; kube-apiserver calls again, and the pod is admitted after it."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.server import Running
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import a_pod, is_injected, make_account
from testbed.cluster.processes import wait_until
from tests.admission.helpers import Relay, relay

FAULTS = ("close", "hang", "rubbish", "not-json", "error", "forbidden")


@dataclass(frozen=True)
class Broken:
    """A webhook, and the relay between it and its API server."""

    relay: Relay
    webhook: Running

    def reviews(self) -> list[dict[str, Any]]:
        """The lines of its log about reviews."""
        lines = [json.loads(line) for line in self.webhook.log.read_text().splitlines()]
        return [line for line in lines if line["message"] == "review"]


@pytest.fixture
def both(
    another_webhook: Callable[..., Running], webhook_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Broken]:
    """kube-apiserver waits 5 s for the webhook."""
    with relay(webhook_kubeconfig, tmp_path_factory.mktemp("relay")) as (state, kubeconfig):
        yield Broken(state, another_webhook(kubeconfig=kubeconfig, timeout_seconds=5))


@pytest.fixture
def broken(both: Broken) -> Relay:
    """The webhook and the relay between it and its API server."""
    return both.relay


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in ("hang", "close")])
def test_a_pod_is_admitted_once_the_api_server_heals(
    control_plane: Cluster, both: Broken, namespace: str, fault: str
) -> None:
    """The webhook answers 503 with Retry-After, and kube-apiserver itself tries again inside timeoutSeconds."""
    make_account(control_plane, namespace)
    both.relay.misbehave(fault, once=True)
    answer = control_plane.api.post(f"/api/v1/namespaces/{namespace}/pods", a_pod()).expect()
    assert is_injected(answer.json)
    first, second = both.reviews()
    assert (first["status"], first["reason"]) == (503, "lookup-failed")
    assert (second["status"], second["reason"]) == (200, "injected")
    assert first["uid"] == second["uid"], "it is the same call once more"


def test_a_connection_that_breaks_costs_no_pod(control_plane: Cluster, both: Broken, namespace: str) -> None:
    """The client repeats a request on a kept connection; on a new one, kube-apiserver calls again."""
    make_account(control_plane, namespace)
    both.relay.misbehave("close", once=True)
    assert is_injected(control_plane.api.post(f"/api/v1/namespaces/{namespace}/pods", a_pod()).expect().json)
    assert len(both.relay.paths) == 2


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
    """A positive answer is kept, so that a short outage has no effect."""
    make_account(control_plane, namespace)
    path = f"/api/v1/namespaces/{namespace}/pods"
    assert is_injected(control_plane.api.post(path, a_pod("first")).expect().json)
    broken.misbehave("close")
    assert is_injected(control_plane.api.post(path, a_pod("second")).expect().json)


def test_many_pods_of_one_account_ask_once(control_plane: Cluster, both: Broken, namespace: str) -> None:
    """All reviews that need the same ServiceAccount wait for one look-up."""
    make_account(control_plane, namespace)
    both.relay.misbehave("hold")
    with ThreadPoolExecutor(8) as pool:
        path = f"/api/v1/namespaces/{namespace}/pods"
        creating = [pool.submit(control_plane.api.post, path, a_pod(f"pod-{number}")) for number in range(8)]
        await_connections(both.webhook.port, 8)
        both.relay.heal()
        answers = [each.result() for each in creating]
    assert all(is_injected(answer.expect().json) for answer in answers)
    assert both.relay.paths == [f"/api/v1/namespaces/{namespace}/serviceaccounts/terraform"]


def await_connections(port: int, number: int) -> None:
    """Waits until so many clients are connected to a port of this machine: one for each call that is under way."""
    wait_until(lambda: connections(port) >= number, f"{number} connections")


def connections(port: int) -> int:
    """The number of connections now."""
    established, local = "01", f"0100007F:{port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for fields in lines if fields[1] == local and fields[3] == established)

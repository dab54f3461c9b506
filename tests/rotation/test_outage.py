"""The API server goes away: reviews are answered on, over TLS that verifies, for many rounds in vain."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import wait_until
from tests.rotation.installation import HEALED_SECONDS, Fleet, Replica, review, seconds

OUTAGE_SECONDS = 6.0  # of rounds that come every 0.4 s
REPLICAS = 2


def stop(cluster: ControlPlane) -> None:
    cluster.stop_apiserver()


def pause(cluster: ControlPlane) -> None:
    cluster.pause()


@pytest.mark.parametrize("away", [stop, pause])
def test_serving_goes_on_while_the_api_server_is_away(
    owned_control_plane: ControlPlane, installed: Fleet, away: Callable[[ControlPlane], None]
) -> None:
    """A known ServiceAccount's pods are injected, an unknown one's get 503 to be asked again; both over TLS."""
    installation = installed.installation
    for _ in range(REPLICAS):
        installed.start(*seconds(interval=0.4, settle=1))
    installed.await_ready()
    bundle = installation.bundles()["labelled.m365.workload.identity"]
    for replica in installed.alive:
        assert post(replica, bundle, review(installation.pods)) == (200, True)
    away(owned_control_plane)
    end = time.monotonic() + OUTAGE_SECONDS

    def answered() -> bool:
        for replica in installed.alive:
            assert post(replica, bundle, review(installation.pods)) == (200, True)
            assert replica.is_ready()
        return time.monotonic() > end

    alive = [replica.process for replica in installed.alive]
    wait_until(answered, "an outage", seconds=60, alive=alive)
    for replica in installed.alive:
        assert post(replica, bundle, review(installation.pods, account="unknown"))[0] == 503
        assert replica.is_ready()
    owned_control_plane.heal()
    installed.await_healed()
    meddled = {"webhooks": installation.document()["webhooks"]}  # without caBundle
    owned_control_plane.api.patch(installation.configuration_path, meddled).expect()
    installed.await_healed()
    wait_until(lambda: all(is_over(replica) for replica in installed.alive), "over", seconds=HEALED_SECONDS)


def is_over(replica: Replica) -> bool:
    """Whether the last word on each of the two objects is that it can be read again, unless there never was one."""
    said = [message for message in replica.messages() if "cannot be read" in message]
    last = {message.removeprefix("over: ").partition(" ")[0]: message.startswith("over: ") for message in said}
    return all(last.values())


def post(replica: Replica, bundle: bytes, body: bytes) -> tuple[int, bool]:
    """A review on a fresh connection: the status, and whether there is a patch."""
    connection = http.client.HTTPSConnection("127.0.0.1", replica.port)
    connection.sock = replica.connect(bundle)
    try:
        connection.request("POST", "/mutate?timeout=2s", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, answer.status == 200 and bool(json.loads(content)["response"].get("patch"))
    finally:
        connection.close()

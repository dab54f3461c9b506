"""Five replicas start at once where there is nothing: one authority, and no leader."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Literal

import pytest

from testbed.cluster.control_plane import ControlPlane
from testbed.cluster.pods import is_injected
from testbed.cluster.processes import wait_until
from testbed.cluster.registration import CONFIGURATIONS
from testbed.fleet.fleet import Fleet, Replica
from testbed.fleet.installation import OURS, SECRET, seconds
from testbed.fleet.watching import Watch, bundles, certificates, decode

REPLICAS = 5


@pytest.mark.parametrize("secret", [pytest.param("absent", marks=pytest.mark.every_minor), "empty"])
def test_five_replicas_publish_one_authority(
    owned_control_plane: ControlPlane, installed: Fleet, secret: Literal["absent", "empty"]
) -> None:
    """Exactly one authority is ever stored or published, every replica gets ready, and the first pod is admitted."""
    installation = installed.installation
    if secret == "empty":
        installation.create_empty_secret()
    with ExitStack() as stack:
        api = owned_control_plane.api
        configuration = stack.enter_context(Watch(api, CONFIGURATIONS, installation.name))
        stored = stack.enter_context(Watch(api, installation.secrets_path, SECRET))
        for _ in range(REPLICAS):
            installed.start(*seconds(interval=1, settle=2))
        installed.await_ready()
        first = installation.create_pod("first").expect(201)
        wait_until(lambda: all(map(dialled, installed.alive)), "each replica connected to itself")
    assert [replica.events()["dials_failed"] for replica in installed.alive] == [0] * REPLICAS
    assert is_injected(first.json)
    published = {each for change in configuration.history for each in bundles(change.document).values()} - {b""}
    authorities = {each for bundle in published for each in certificates(bundle)}
    assert len(authorities) == 1
    ever_stored = {decode(change.document).get("ca.crt", b"") for change in stored.history} - {b""}
    assert {each for pem in ever_stored for each in certificates(pem)} == authorities
    bundle = installation.bundles()[OURS[0]]
    for replica in installed.alive:
        assert replica.leaf(bundle)  # raises what is wrong, where `trusted` only says that something is
    assert installed.trusted()
    assert len(writes(owned_control_plane, "secrets", installation.own, SECRET)) == 1
    assert len(writes(owned_control_plane, "mutatingwebhookconfigurations", "", installation.name)) == 1
    assert [message for replica in installed.replicas for message in replica.messages("error")] == []
    assert [message for replica in installed.replicas for message in replica.messages("warning")] == []


def dialled(replica: Replica) -> bool:
    """Whether it met itself with what was published, and says so."""
    return "a new connection to itself: ok" in replica.readyz()[1]


def writes(cluster: ControlPlane, resource: str, namespace: str, name: str) -> list[str]:
    """The verbs of the writes by ServiceAccounts that the audit log has for an object, successful ones only."""
    return [
        event["verb"]
        for event in cluster.audit_events()
        if event["verb"] in ("create", "update", "patch")
        and event["user"]["username"].startswith("system:serviceaccount:webhook-")
        and event["responseStatus"]["code"] < 300
        and event["objectRef"]["resource"] == resource
        and event["objectRef"].get("namespace", "") == namespace
        and event["objectRef"].get("name", name) == name
    ]

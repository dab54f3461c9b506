"""The kubelet renews a token, and the helper signs in with the new one."""

from __future__ import annotations

import json

import pytest

from testbed.node import renewal
from testbed.node.emulator import Emulator
from testbed.node.pods import claims, log, wait_for


@pytest.mark.node(last=True)
@pytest.mark.timeout(900)
def test_a_renewed_token_is_used_at_the_next_exchange(entra: Emulator) -> None:
    """At four fifths of its life the kubelet replaces the file; what is sent to Entra then is the file's new token."""
    node, namespace = entra.node, entra.namespace
    wait_for(node, namespace, renewal.NAME, "jsonpath={.status.phase}=Succeeded", seconds=700)
    first, second = (claims(line) for line in log(node, namespace, renewal.NAME).split())
    assert first["exp"] - first["iat"] == renewal.LIFETIME_SECONDS
    assert first["iat"] < second["iat"] < first["exp"]
    requests = [json.loads(line) for line in log(node, namespace, "entra").splitlines() if line.startswith("{")]
    sent = [request["claims"]["jti"] for request in requests if request.get("claims", {}).get("jti")]
    assert [jti for jti in sent if jti in (first["jti"], second["jti"])] == [first["jti"], second["jti"]]

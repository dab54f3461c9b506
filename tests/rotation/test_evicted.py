"""An authority whose key was stolen is evicted as docs/security.md says, and in no shorter way."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from cryptography import x509

from testbed.cluster.cluster import Cluster
from testbed.cluster.registration import CONFIGURATIONS
from testbed.fleet.fleet import Fleet
from testbed.fleet.installation import SECRET, seconds
from testbed.fleet.watching import Change, Watch, bundles, certificates, decode

REPLICAS = 2
FLAGS = seconds(interval=0.5, settle=1)


def held(change: Change) -> list[x509.Certificate]:
    """The authorities in a state of the configuration or of the Secret."""
    document = change.document or {}
    pems = [*bundles(document).values(), decode(document).get("ca.crt", b""), decode(document).get("next.crt", b"")]
    return [each for pem in pems for each in certificates(pem)]


@pytest.mark.parametrize("step_left_out", [None, "scaling to 0", "the Secret", "caBundle"])
def test_a_stolen_authority_is_evicted(control_plane: Cluster, installed: Fleet, step_left_out: str | None) -> None:
    """Scaled to 0, so that no replica remembers it; out of the Secret; out of caBundle; and it is never seen again.

    With any of the three left out it comes back, or stays, or is used on.
    """
    api, installation = control_plane.api, installed.installation
    for _ in range(REPLICAS):
        installed.start(*FLAGS)
    installed.await_ready()
    (stolen,) = certificates(installation.secret()["ca.crt"])
    if step_left_out != "scaling to 0":
        for replica in installed.alive:
            installed.kill(replica)
    if step_left_out != "the Secret":
        api.delete(installation.secret_path).expect()
    if step_left_out != "caBundle":
        entries = api.get(installation.configuration_path).expect().json["webhooks"]
        removal = [
            {"op": "remove", "path": f"/webhooks/{place}/clientConfig/caBundle"} for place in range(len(entries))
        ]
        api.patch(installation.configuration_path, removal).expect()
    with ExitStack() as stack:
        watches = [
            stack.enter_context(Watch(api, CONFIGURATIONS, installation.name)),
            stack.enter_context(Watch(api, installation.secrets_path, SECRET)),
        ]
        if not installed.alive:
            for _ in range(REPLICAS):
                installed.start(*FLAGS)
        installed.await_ready()
        installed.await_healed()
        seen = {each for watch in watches for change in watch.history for each in held(change)}
    assert (stolen in seen) is (step_left_out is not None)
    if step_left_out is None:
        assert len(seen) == 1
        assert [message for replica in installed.alive for message in replica.messages("warning")] == []

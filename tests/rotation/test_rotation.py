"""CA and leaves rotate, in real time, under pods that are created without a pause and connections that never close."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from cryptography import x509

from certs.pem import fingerprint
from testbed.cluster.cluster import Cluster
from testbed.cluster.processes import wait_until
from testbed.cluster.registration import CONFIGURATIONS
from testbed.fleet.fleet import Fleet
from testbed.fleet.installation import OURS, SECRET, seconds
from testbed.fleet.traffic import Creating, KeptOpen, Repeated, Verifying
from testbed.fleet.watching import Watch, bundles, certificates, decode

ROTATIONS = 5
REPLICAS = 3


def test_no_create_fails_in_five_rotations(
    control_plane: Cluster, installed: Fleet, report: Callable[[str], None]
) -> None:
    """Three replicas, old keep-alive connections, fresh ones too: every one of them succeeds, all the time."""
    installation = installed.installation
    for _ in range(REPLICAS):
        installed.start(*seconds(interval=0.25, settle=1.5, leaf=10, authority=20, skew=2))
    installed.await_ready()
    with ExitStack() as stack:
        configuration = stack.enter_context(Watch(control_plane.api, CONFIGURATIONS, installation.name))
        stored = stack.enter_context(Watch(control_plane.api, installation.secrets_path, SECRET))
        bundle = installation.bundles()[OURS[0]]
        kept = [stack.enter_context(KeptOpen(installed, bundle)) for _ in range(2 * REPLICAS)]
        verifying = Verifying(installed, configuration)
        creating = [stack.enter_context(Creating(installation)) for _ in range(2)]
        asking = [stack.enter_context(Repeated(each.once, pause=0.5)) for each in kept]
        fresh = stack.enter_context(Repeated(verifying.once, pause=0.1))

        def unfailing() -> bool:
            for each in (*creating, *asking, fresh):
                assert each.failures == []
            return rotations(stored) >= ROTATIONS

        alive = [replica.process for replica in installed.alive]
        wait_until(unfailing, f"{ROTATIONS} rotations", seconds=240, alive=alive)
        wait_until(installed.whole, "all as it should be", alive=alive)
    leaves = {fingerprint(x509.load_der_x509_certificate(leaf)) for leaf in verifying.leaves}
    report(
        f"{rotations(stored)} CA rotations, {len(leaves)} leaves met, {sum(each.done for each in creating)} creates,"
        f" {sum(each.done for each in asking)} reviews on {len(kept)} old connections,"
        f" {verifying.handshakes} fresh handshakes, {len(configuration.history)} bundles: 0 failures"
    )
    assert [failure for each in (*creating, *asking, fresh) for failure in each.failures] == []
    assert len(leaves) >= 2 * REPLICAS * ROTATIONS - REPLICAS  # each authority's leaves are renewed at least once
    assert most(configuration) <= 3
    assert [message for replica in installed.replicas for message in replica.messages("error")] == []


def rotations(stored: Watch) -> int:
    """How often another authority took over."""
    signing = [decode(change.document).get("ca.key") for change in tuple(stored.history)]
    return len({each for each in signing if each}) - 1


def most(configuration: Watch) -> int:
    """The most certificates that a caBundle ever had: retired authorities go."""
    held = (bundle for change in configuration.history for bundle in bundles(change.document).values())
    return max(len(certificates(bundle)) for bundle in held)

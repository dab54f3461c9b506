"""A machine that is suspended: its replica wakes up long after its leaf has expired, and renews it at once.

Frozen for more than 15 s by SIGSTOP, which stops no monotonic clock as a suspend does, the worker may be taken for
stuck and replaced by its parent; so the leaf lives for less, but in the test of just that.
"""

from __future__ import annotations

import os
import signal
import ssl
import tempfile
import time
from datetime import UTC, datetime, timedelta

import pytest

from certs.authority import make_leaf, verify
from certs.errors import UntrustedLeaf
from certs.pem import parse_bundle
from testbed.cluster.processes import wait_until
from testbed.fleet.fleet import Fleet, Replica
from testbed.fleet.installation import OURS, seconds
from testbed.fleet.measure import worker_of
from tests.authorities import make_authority

LEAF = 7.5
WOKEN_SECONDS = 20.0  # far less than the life of an authority, and than a wait that began again


@pytest.mark.parametrize("authority", [15.0, 86400.0], ids=["CA rotated meanwhile", "same CA"])
def test_a_replica_that_was_suspended_past_its_leaf_renews_at_once(installed: Fleet, authority: float) -> None:
    """No sleep until a far deadline: the first round after the wake-up signs, whatever the timers thought."""
    for _ in range(2):
        installed.start(*seconds(interval=0.25, settle=0, leaf=LEAF, authority=authority, skew=2))
    installed.await_ready()
    suspended, awake = installed.alive
    bundle = installed.installation.bundles()[OURS[0]]
    before = suspended.leaf(bundle)
    suspended.signal(signal.SIGSTOP)
    expired = before.not_valid_after_utc.timestamp() + 1
    wait_until(lambda: time.time() > expired, "the leaf expired", alive=[awake.process])
    wait_until(lambda: set(installed.balancer.targets) == {awake.port}, "out of the balancer")
    suspended.signal(signal.SIGCONT)
    woken = time.monotonic()
    wait_until(lambda: serves_new_leaf(installed, suspended), "a new leaf", alive=[suspended.process])
    assert time.monotonic() - woken < WOKEN_SECONDS
    installed.await_healed()


def test_a_worker_that_is_taken_for_stuck_comes_back_with_a_leaf(installed: Fleet) -> None:
    """Frozen alone for longer than its parent's patience: it is ended, and the next one signs by the same CA."""
    for _ in range(2):
        installed.start(*seconds(interval=0.5, settle=1))
    installed.await_ready()
    frozen, awake = installed.alive
    bundle = installed.installation.bundles()[OURS[0]]
    before = frozen.leaf(bundle)
    os.kill(worker_of(frozen), signal.SIGSTOP)
    wait_until(lambda: set(installed.balancer.targets) == {awake.port}, "out of the balancer")
    starts = len(frozen.messages("info"))
    wait_until(lambda: len(frozen.messages("info")) > starts, "another worker", alive=[frozen.process])
    installed.await_healed()
    assert frozen.leaf(bundle) != before
    assert installed.installation.bundles()[OURS[0]] == bundle


def serves_new_leaf(fleet: Fleet, replica: Replica) -> bool:
    """Whether a fresh connection succeeds now."""
    return replica.trusted(fleet.installation.bundles()[OURS[0]])


def test_a_client_whose_clock_is_half_an_hour_behind_trusts_a_new_leaf(installed: Fleet) -> None:
    """NotBefore lies an hour back, so kube-apiserver may be late; two hours late is too much."""
    replica = installed.start(*seconds(interval=1, settle=1))
    installed.await_ready()
    bundle = installed.installation.bundles()[OURS[0]]
    leaf, now = replica.leaf(bundle), datetime.now(UTC)
    certificates, name = parse_bundle(bundle).certificates, replica.server_name
    verify(leaf, certificates, name=name, now=now - timedelta(minutes=30))
    with pytest.raises(UntrustedLeaf):
        verify(leaf, certificates, name=name, now=now - timedelta(hours=2))


def test_openssl_trusts_what_was_signed_by_a_clock_half_an_hour_ahead() -> None:
    """The same with a TLS client: CA and leaf of a replica whose clock is ahead, in a handshake of today."""
    ahead = datetime.now(UTC) + timedelta(minutes=30)
    authority = make_authority(now=ahead, lifetime=timedelta(days=1))
    pair = make_leaf(authority, names=["localhost"], now=ahead, lifetime=timedelta(hours=1))
    assert shaken_hands(authority.pem, pair.private_pem())


def shaken_hands(trusted: str, private: bytes) -> bool:
    """A whole handshake in memory."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as both:
        both.write(private)
        both.flush()
        server.load_cert_chain(both.name)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context(cadata=trusted).wrap_bio(back, there, server_hostname="localhost")
    other = server.wrap_bio(there, back, server_side=True)
    for side in (client, other) * 4:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client.getpeercert() is not None

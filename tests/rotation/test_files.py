"""Mode `files`: a pair that the kubelet replaces by swapping a symbolic link, under pods that are created meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import Authority, make_leaf
from certs.pem import Pair, private_pem
from testbed.cluster.cluster import Cluster
from testbed.cluster.processes import wait_until
from testbed.cluster.registration import settle
from testbed.fleet.clocks import Clocks
from testbed.fleet.fleet import Fleet, Replica
from testbed.fleet.traffic import Creating, KeptOpen, Repeated
from tests.authorities import make_authority
from tests.certs.mount import Mount

RATE = 5.0  # of the replica's clocks: it reads again every 10 s


def flags(mount: Mount) -> list[str]:
    """Of a webhook that serves from there."""
    return ["--certificates", "files", "--tls-cert", str(mount.certificate), "--tls-key", str(mount.key)]


def signed(authority: Authority, fleet: Fleet) -> Pair:
    """A leaf as cert-manager would make it."""
    names = ["127.0.0.1", fleet.installation.server_name]
    return make_leaf(authority, names=names, now=datetime.now(UTC), lifetime=timedelta(hours=1))


def certificate(pair: Pair) -> bytes:
    return pair.certificate.public_bytes(Encoding.PEM)


def serves(replica: Replica, bundle: bytes, pair: Pair) -> bool:
    """Whether a fresh connection meets `pair`."""
    return replica.leaf(bundle) == pair.certificate


def test_a_swapped_pair_is_served_and_no_create_fails(control_plane: Cluster, bare: Fleet, tmp_path: Path) -> None:
    """With both authorities in caBundle nothing fails, and a pair that does not match leaves the old one in place."""
    installation, api = bare.installation, control_plane.api
    authorities = [make_authority(now=datetime.now(UTC), lifetime=timedelta(days=1)) for _ in range(2)]
    first, second = (signed(authority, bare) for authority in authorities)
    bundle = "".join(authority.pem for authority in authorities).encode()
    mount = Mount(tmp_path)
    mount.put(certificate(first), private_pem(first.key))
    installation.grant_accounts()
    clocks = Clocks(tmp_path / "clock")
    clocks.run(RATE)
    replica = bare.start(*flags(mount), clocks=clocks)
    bare.await_ready()
    installation.register(bundle)
    settle(api)
    with KeptOpen(bare, bundle) as kept, Creating(installation) as creating, Repeated(kept.once, pause=0.2) as asking:
        wait_until(lambda: creating.done > 0, "pods created")
        mount.put(certificate(second), private_pem(first.key))
        reason = "the private key belongs to another certificate"
        wait_until(
            lambda: any(reason in message for message in replica.messages("error")),
            "the pair that does not match reported",
            alive=[replica.process],
        )
        assert serves(replica, bundle, first)
        assert replica.is_ready()
        mount.put(certificate(second), private_pem(second.key))
        wait_until(
            lambda: serves(replica, bundle, second),
            "the new pair",
            alive=[replica.process],
        )
        done = creating.done
        wait_until(lambda: creating.done > done, "pods created with the new pair")
    assert creating.failures == []
    assert asking.failures == []

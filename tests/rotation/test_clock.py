"""The clock of the nodes jumps, a month ahead, a month and half an hour back, under pods that are created all the time.

The replicas' clocks are turned (see `clocks`); kube-apiserver, which has the true time, judges what they do.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from testbed.cluster.api import Api
from testbed.cluster.cluster import Cluster
from testbed.cluster.processes import wait_until
from testbed.cluster.registration import CONFIGURATIONS
from testbed.fleet.clocks import Clocks
from testbed.fleet.fleet import Fleet
from testbed.fleet.installation import OURS
from testbed.fleet.traffic import Creating, Repeated, Verifying
from testbed.fleet.watching import Watch, certificates

REPLICAS = 2
INTERVAL = 10.0
NOTICED_SECONDS = 7.0  # less than the shortest pause between two rounds: a jump is not slept through
LEAF = timedelta(days=14)
CLOCK = "the clock of this node is more than"


@pytest.fixture
def clocks(installed: Fleet, tmp_path: Path) -> Clocks:
    """The clock of two replicas with the lifetimes of the design."""
    made = Clocks(tmp_path / "clock")
    for _ in range(REPLICAS):
        installed.start("--interval", f"{INTERVAL}s", "--settle", "2s", clocks=made)
    installed.await_ready()
    return made


@contextmanager
def unfailing(api: Api, installed: Fleet) -> Iterator[None]:
    """No create fails, no fresh connection is refused and no replica is unready, from here to the end."""
    installation = installed.installation

    def unready() -> str | None:
        answers = [replica.readyz() for replica in installed.alive]
        return next((text for status, text in answers if status != 200), None)

    with ExitStack() as stack:
        configuration = stack.enter_context(Watch(api, CONFIGURATIONS, installation.name))
        verifying = Verifying(installed, configuration)
        creating = stack.enter_context(Creating(installation))
        others = [stack.enter_context(Repeated(once, pause=0.02)) for once in (verifying.once, unready)]
        yield
        done = creating.done
        wait_until(lambda: creating.done > done + 1, "pods created at the end")
    for each in (creating, *others):
        assert each.failures == []
    assert verifying.handshakes > 0


def ends(installed: Fleet) -> list[timedelta]:
    """How long each replica's leaf is good for yet, by the true time."""
    bundle = installed.installation.bundles()[OURS[0]]
    return [replica.leaf(bundle).not_valid_after_utc - datetime.now(UTC) for replica in installed.alive]


def served(installed: Fleet) -> set[int]:
    """The serial numbers of the leaves."""
    bundle = installed.installation.bundles()[OURS[0]]
    return {replica.leaf(bundle).serial_number for replica in installed.alive}


def ask_for_leaves(installed: Fleet) -> None:
    """As `webhook certs rotate` does."""
    installation = installed.installation
    flags = ("--own-namespace", installation.own, "--configuration", installation.name)
    command = ("certs", "rotate", *flags, "--kubeconfig", str(installation.cluster.kubeconfig))
    subprocess.run([sys.executable, "-m", "webhook", *command], check=True, capture_output=True, timeout=200)


def await_logged(installed: Fleet, *texts: str, level: str) -> None:
    """Returns when each replica has logged it, at the end of its round."""
    wait_until(
        lambda: installed.count_logged(*texts, level=level) == REPLICAS, " ".join(texts), seconds=NOTICED_SECONDS
    )


@pytest.mark.parametrize(("days", "where"), [(30, "ahead of"), (-30, "behind")])
def test_a_clock_a_month_off_changes_nothing(
    control_plane: Cluster, installed: Fleet, clocks: Clocks, days: int, where: str
) -> None:
    """By this clock every leaf is over, or not valid yet. By kube-apiserver's it is as good as before, and so it stays.

    What is shared is left alone meanwhile; a leaf that a person wants replaced is dated by the true time.
    """
    api, installation = control_plane.api, installed.installation
    shared = (installation.configuration_path, installation.secret_path)
    with unfailing(api, installed):
        before, leaves = [api.get(path).json for path in shared], served(installed)
        clocks.jump(timedelta(days=days))
        await_logged(installed, CLOCK, where, level="error")
        assert [api.get(path).json for path in shared] == before
        assert served(installed) == leaves
        ask_for_leaves(installed)
        wait_until(lambda: not served(installed) & leaves, "leaves that were asked for")
        assert all(LEAF - timedelta(minutes=1) < left <= LEAF for left in ends(installed))
        before, leaves = [api.get(path).json for path in shared], served(installed)
        clocks.jump(timedelta(0))
        await_logged(installed, "over: ", CLOCK, level="info")
        assert [api.get(path).json for path in shared] == before
        assert served(installed) == leaves
    document = api.get(installation.configuration_path).expect().json
    document["webhooks"][0]["clientConfig"]["caBundle"] = None
    api.put(installation.configuration_path, document).expect()
    installed.await_healed()
    assert installed.count_logged("", level="error") == REPLICAS


def test_a_clock_half_an_hour_behind_changes_nothing(control_plane: Cluster, installed: Fleet, clocks: Clocks) -> None:
    """Nothing has to be done; and an authority that is made meanwhile is dated by the true one."""
    installation = installed.installation
    with unfailing(control_plane.api, installed):
        old = certificates(installation.secret()["ca.crt"])[0]
        clocks.jump(timedelta(minutes=-30))
        control_plane.api.delete(installation.secret_path).expect()

        def replaced() -> bool:
            now = certificates(installation.secret().get("ca.crt", b""))
            issuers = {replica.leaf(installation.bundles()[OURS[0]]).issuer for replica in installed.alive}
            return bool(now) and now[0] != old and issuers == {now[0].subject}

        wait_until(replaced, "leaves of another authority")
        assert all(left > LEAF - timedelta(minutes=1) for left in ends(installed))
        made = certificates(installation.secret()["ca.crt"])[0]
        assert made.not_valid_before_utc > datetime.now(UTC) - timedelta(minutes=62)
        clocks.jump(timedelta(0))
        left = ends(installed)
        installed.await_healed()
        assert all(now > then - timedelta(minutes=1) for now, then in zip(ends(installed), left, strict=True))
    assert installed.count_logged("", level="error") == 0

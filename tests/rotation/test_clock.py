"""The clock of the nodes jumps, a month ahead and half an hour back, under pods that are created all the time.

The replicas' clocks are turned (see `timepiece`); kube-apiserver, which has the true time, judges what they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cluster.api import Api
from tests.cluster.cluster import Cluster
from tests.cluster.processes import wait_until
from tests.cluster.registration import CONFIGURATIONS
from tests.rotation.fleet import HEALED_SECONDS, Fleet
from tests.rotation.installation import OURS
from tests.rotation.timepiece import Timepiece
from tests.rotation.traffic import Creating, Repeated, Verifying
from tests.rotation.watching import Watch, certificates

REPLICAS = 2
INTERVAL = 6.0
NOTICED_SECONDS = 4.0  # less than the shortest pause between two rounds: a jump is not slept through
LEAF = timedelta(days=14)
CLOCK = "the clock of this node is more than"


@pytest.fixture
def timepiece(installed: Fleet, tmp_path: Path) -> Timepiece:
    """The clock of two replicas with the lifetimes of the design."""
    made = Timepiece(tmp_path / "clock")
    for _ in range(REPLICAS):
        installed.start("--interval", f"{INTERVAL}s", "--settle", "2s", timepiece=made)
    installed.await_ready()
    return made


@contextmanager
def unfailing(api: Api, installed: Fleet) -> Iterator[None]:
    """No create fails, no fresh connection is refused and nobody is unready, from here to the end."""
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
        wait_until(lambda: creating.done > done + 1, "pods created at the end", seconds=10)
    for each in (creating, *others):
        assert each.failures == []
    assert verifying.handshakes > 0


def ends(installed: Fleet) -> list[timedelta]:
    """How long each replica's leaf is good for yet, by the true time."""
    bundle = installed.installation.bundles()[OURS[0]]
    return [replica.leaf(bundle).not_valid_after_utc - datetime.now(UTC) for replica in installed.alive]


def await_leafs(installed: Fleet, good: Callable[[timedelta], bool], what: str) -> None:
    """Returns when each leaf's end is `good`; raises when that takes as long as a pause between two rounds."""
    wait_until(lambda: all(map(good, ends(installed))), what, seconds=NOTICED_SECONDS)


def await_logged(installed: Fleet, *texts: str, level: str) -> None:
    """Returns when each replica has said it, at the end of its round."""
    wait_until(lambda: installed.logged(*texts, level=level) == REPLICAS, " ".join(texts), seconds=NOTICED_SECONDS)


def test_a_month_ahead_and_back(control_plane: Cluster, installed: Fleet, timepiece: Timepiece) -> None:
    """By this clock every leaf is over: each replica replaces its own at once, and touches what is shared no more."""
    api, installation = control_plane.api, installed.installation
    shared = (installation.configuration_path, installation.secret_path)
    with unfailing(api, installed):
        before = [api.get(path).json for path in shared]
        timepiece.jump(timedelta(days=30))
        await_leafs(installed, lambda left: left > 2 * LEAF, "leafs that are good by the wrong clock too")
        assert [api.get(path).json for path in shared] == before
        await_logged(installed, CLOCK, "ahead of", level="error")
        timepiece.jump(timedelta(0))
        await_leafs(installed, lambda left: left <= LEAF, "leafs of the usual life")
        assert [api.get(path).json for path in shared] == before
        await_logged(installed, "over: ", CLOCK, level="info")
    document = api.get(installation.configuration_path).expect().json
    document["webhooks"][0]["clientConfig"]["caBundle"] = None
    api.put(installation.configuration_path, document).expect()
    installed.await_healed()
    assert installed.logged("", level="error") == REPLICAS


def test_half_an_hour_behind_and_back(control_plane: Cluster, installed: Fleet, timepiece: Timepiece) -> None:
    """Nothing has to be done; and an authority that is made by that clock is good by the true one."""
    installation = installed.installation
    with unfailing(control_plane.api, installed):
        old = certificates(installation.secret()["ca.crt"])[0]
        before = ends(installed)
        timepiece.jump(timedelta(minutes=-30))
        control_plane.api.delete(installation.secret_path).expect()

        def replaced() -> bool:
            now = certificates(installation.secret().get("ca.crt", b""))
            return bool(now) and now[0] != old and all(left < LEAF - timedelta(minutes=29) for left in ends(installed))

        wait_until(replaced, "leafs of another authority", seconds=HEALED_SECONDS)
        assert all(left > LEAF - timedelta(minutes=1) for left in before)
        made = certificates(installation.secret()["ca.crt"])[0]
        assert made.not_valid_before_utc < datetime.now(UTC) - timedelta(minutes=80)
        timepiece.jump(timedelta(0))
        left = ends(installed)
        installed.await_healed()
        assert all(now > then - timedelta(minutes=1) for now, then in zip(ends(installed), left, strict=True))
    assert installed.logged("", level="error") == 0

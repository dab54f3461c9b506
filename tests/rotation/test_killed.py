"""Every step of a rotation is cut off by SIGKILL, before and after the API server has done it; another one goes on."""

from __future__ import annotations

import base64
import json
import queue
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from testbed.cluster.cluster import Cluster
from testbed.cluster.processes import wait_until
from testbed.cluster.registration import CONFIGURATIONS
from testbed.cluster.relay import Cut, Moment, relay
from testbed.fleet.fleet import Fleet, Replica
from testbed.fleet.installation import Installation, seconds
from testbed.fleet.traffic import Creating, Repeated, Verifying
from testbed.fleet.watching import Watch, certificates, decode

FIRST = ("create", "publish")
STEPS = (*FIRST, "stage", "publish more", "promote", "record leaf end", "retire", "publish less")
REPLICAS = 3
CREATORS = 2
# An authority is staged, published and promoted in its last third: ten seconds, in which up to six replicas die.
FLAGS = seconds(interval=0.25, settle=1, leaf=15, authority=30, skew=2)
# What kube-apiserver says of a call under way when the process that is called dies: nothing about certificates.
CUT_OFF = ("EOF", "connection reset by peer", "connection refused", "broken pipe", "use of closed network connection")


class Assassin:
    """Kills a replica in the middle of each kind of step, once before the API server hears of it and once after.

    The last replica that is ready is spared, except at the first start, when none is ready yet.
    """

    def __init__(self, fleet: Fleet, folder: Path, stack: ExitStack) -> None:
        self.left = {(step, moment) for step in STEPS for moment in ("before", "after")}
        self.killed: queue.Queue[str] = queue.Queue()
        self._fleet, self._folder, self._stack = fleet, folder, stack
        self._lock = threading.Lock()

    @property
    def finished(self) -> bool:
        """Whether every replica that is to be killed was killed and replaced."""
        with self._lock:
            return not self.left and self.killed.empty()

    def hire(self) -> None:
        """One more replica, with a relay of its own."""
        hired: queue.Queue[Replica] = queue.Queue()

        def hook(method: str, path: str, body: bytes) -> Cut | None:
            replica = hired.get(timeout=10)
            hired.put(replica)
            step = step_of(self._fleet.installation, method, path, body)
            return (lambda moment, status: self._kills(replica, step, moment, status)) if step else None

        through = self._fleet.installation.kubeconfig
        kubeconfig = self._stack.enter_context(relay(through, self._folder, hook))
        hired.put(self._fleet.start(*FLAGS, kubeconfig=kubeconfig))

    def _kills(self, replica: Replica, step: str, moment: Moment, status: int) -> bool:
        with self._lock:
            if (step, moment) not in self.left or status >= 300 or not replica.alive:
                return False
            others = [each for each in self._fleet.alive if each is not replica and each.is_ready()]
            if step not in FIRST and not others:
                return False
            self.left.discard((step, moment))
            self._fleet.kill(replica)
            self.killed.put(f"{moment} {step}")
            return True


def test_each_step_is_taken_up_when_its_replica_is_killed(
    control_plane: Cluster, installed: Fleet, tmp_path: Path, report: Callable[[str], None]
) -> None:
    """No other replica's certificate is ever refused, and only creates that a killed replica had begun fail."""
    installation = installed.installation
    done: list[str] = []
    with ExitStack() as stack:
        configuration = stack.enter_context(Watch(control_plane.api, CONFIGURATIONS, installation.name))
        assassin = Assassin(installed, tmp_path, stack)
        for _ in range(REPLICAS):
            assassin.hire()

        def replaced() -> None:
            while not assassin.killed.empty():
                done.append(assassin.killed.get())
                assassin.hire()

        def first_start_is_over() -> bool:
            replaced()
            return {step for step, _ in assassin.left}.isdisjoint(FIRST) and installed.whole()

        wait_until(first_start_is_over, "killed at each step of the first start, and ready")
        installed.await_ready()
        verifying = Verifying(installed, configuration)
        creating = [stack.enter_context(Creating(installation)) for _ in range(CREATORS)]
        fresh = stack.enter_context(Repeated(verifying.once, pause=0.1))

        def over() -> bool:
            replaced()
            return assassin.finished

        wait_until(over, "killed at every step")
        installed.await_healed()
        errors = [message for replica in installed.replicas for message in replica.messages("error")]
    failures = [failure for each in creating for failure in each.failures]
    report(
        f"{len(done)} kills ({', '.join(done)}), {sum(each.done for each in creating)} creates, {len(failures)}"
        f" cut off by a kill, {verifying.handshakes} fresh handshakes: {len(fresh.failures)} refused"
    )
    assert fresh.failures == []
    assert [failure for failure in failures if not any(text in failure for text in CUT_OFF)] == []
    assert len(failures) <= CREATORS * len(done)
    assert errors == []  # until the relays were closed


def step_of(installation: Installation, method: str, path: str, body: bytes) -> str | None:
    """Which step of certs.managed.next_step a request is about to perform; None for other writes."""
    if method == "PATCH" and path.startswith(f"{installation.secret_path}?"):
        return "create"
    if method == "PATCH":
        held = [certificates(bundle) for bundle in installation.bundles().values()]
        wanted = [
            certificates(base64.b64decode(entry["clientConfig"]["caBundle"])) for entry in json.loads(body)["webhooks"]
        ]
        if not any(held):
            return "publish"
        return "publish more" if len(wanted[0]) > len(held[0]) else "publish less"
    if method != "PUT":
        return None
    old, new = installation.secret(), decode(json.loads(body))
    if "next.key" in new and "next.key" not in old:
        return "stage"
    if new["ca.key"] != old["ca.key"]:
        return "promote"
    return "record leaf end" if new["ca.crt"] == old["ca.crt"] else "retire"

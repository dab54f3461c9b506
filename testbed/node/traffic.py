"""Several clients that create pods one after another, as in a cluster at work; each create is checked."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from testbed.cluster.api import Api
from testbed.node.pods import LABELLED, AnyNode, a_pod

__all__ = ["CLIENTS", "UNSCHEDULED", "Creates", "a_deployment", "create", "is_injected", "listed"]

CLIENTS = 3
UNSCHEDULED = {"schedulerName": "absent"}


@dataclass
class Creates:
    """Creates labelled pods until the block ends. They are not scheduled: only admission is tested.

    pause: of each client after a create, in seconds. seconds: how long each create took that was admitted and injected.
    failed: the errors of the other creates.
    """

    node: AnyNode
    namespace: str
    account: str
    pause: float = 0.05
    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _over: threading.Event = field(default_factory=threading.Event)
    _counted: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Self:
        for _ in range(CLIENTS):
            client = self.node.client(self.node.kubeconfig)
            thread = threading.Thread(target=self._create, args=(client,))
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def await_more(self, count: int, *, seconds: float = 120.0) -> None:
        """Returns when so many more creates have ended, with or without success."""
        with self._counted:
            aim = self._ended + count
            in_time = self._counted.wait_for(lambda: self._ended >= aim, timeout=seconds)
            missing = f"{aim - self._ended} of {count} creates have not ended within {seconds:g} s"
            assert in_time, f"{missing}; of all {self._ended}, {len(self.failed)} failed, at last {self.failed[-3:]}"

    @property
    def _ended(self) -> int:
        return len(self.seconds) + len(self.failed)

    def _create(self, client: Api) -> None:
        while not self._over.wait(self.pause):
            seconds, problem = create(client, self.namespace, f"pod-{next(self._numbers)}", self.account)
            with self._counted:
                if problem:
                    self.failed.append(problem)
                else:
                    self.seconds.append(seconds)
                self._counted.notify_all()


def create(client: Api, namespace: str, name: str, account: str) -> tuple[float, str]:
    """Creates a labelled pod that is not scheduled. Returns the seconds that it took, and the error or ""."""
    pod = a_pod(name, ["true"], account=account, pod=UNSCHEDULED)
    before = time.monotonic()
    try:
        answer = client.post(f"/api/v1/namespaces/{namespace}/pods", pod)
        problem = "" if answer.status == 201 and is_injected(answer.json) else answer.message
    except OSError as error:
        problem = repr(error)
    return time.monotonic() - before, problem


def is_injected(pod: dict[str, Any]) -> bool:
    """Whether the pod's container has the client id."""
    return any(each["name"] == "M365_CLIENT_ID" for each in pod["spec"]["containers"][0].get("env", ()))


def listed(node: AnyNode, namespace: str, selector: str) -> list[dict[str, Any]]:
    """The pods of a selector."""
    found: list[dict[str, Any]] = (
        node.api.get(f"/api/v1/namespaces/{namespace}/pods", params={"labelSelector": selector}).expect().json["items"]
    )
    return found


def a_deployment(count: int, **spec: Any) -> dict[str, Any]:
    """The Deployment `web` of labelled pods that run until they are stopped. `spec` goes into the pods' spec."""
    template = a_pod("", ["sleep", "3600"], account="terraform", pod={"restartPolicy": "Always", **spec})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": count,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {**LABELLED, "app": "web"}}, "spec": template["spec"]},
        },
    }

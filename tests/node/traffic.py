"""Pods created one after another by several clients, each create looked at, as a cluster at work sends them."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.cluster.api import Api
from tests.node.pods import AnyNode, a_pod

__all__ = ["Creates"]

CLIENTS = 3
PAUSE_SECONDS = 0.05


@dataclass
class Creates:
    """Creates labelled pods until the block ends. Nobody schedules them: it is admission that counts.

    seconds: how long each create took that was admitted and injected. failed: what the others were told.
    """

    node: AnyNode
    namespace: str
    account: str
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

    def await_more(self, count: int, *, seconds: float = 60.0) -> None:
        """Returns when so many more creates have ended, well or not."""
        with self._counted:
            aim = self._ended + count
            assert self._counted.wait_for(lambda: self._ended >= aim, timeout=seconds), "creates have stopped"

    @property
    def _ended(self) -> int:
        return len(self.seconds) + len(self.failed)

    def _create(self, client: Api) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            pod = a_pod(f"pod-{next(self._numbers)}", ["true"], account=self.account, pod={"schedulerName": "nobody"})
            before = time.monotonic()
            try:
                answer = client.post(f"/api/v1/namespaces/{self.namespace}/pods", pod)
                problem = "" if answer.status == 201 and is_injected(answer.json) else answer.message
            except OSError as error:
                problem = repr(error)
            with self._counted:
                if problem:
                    self.failed.append(problem)
                else:
                    self.seconds.append(time.monotonic() - before)
                self._counted.notify_all()


def is_injected(pod: dict[str, Any]) -> bool:
    """Whether the pod's container has the client id."""
    return any(each["name"] == "M365_CLIENT_ID" for each in pod["spec"]["containers"][0].get("env", ()))

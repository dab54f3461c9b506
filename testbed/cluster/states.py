"""A cluster with every state that `check -A` tells apart, in many ServiceAccounts and pods that no node runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import a_pod, annotated
from testbed.cluster.processes import wait_until

__all__ = ["STATES", "Seeded", "preflight_failed", "seed"]

CLIENT: Final = "azure.workload.identity/client-id"
USE: Final = "azure.workload.identity/use"
LATER: Final = "99999999-2222-3333-4444-555555555555"
AT_ONCE: Final = 8
BEFORE: Final = "older-than-installation"

STATES: Final[Mapping[str, tuple[str, ...]]] = {
    "right": (),
    "plain": (),
    "opted-out": (),
    BEFORE: ("WI742",),
    "older-than-annotation": ("WI753",),
    "unlabelled": ("WI734",),
    "misspelt-label": ("WI717",),
    "misspelt-annotation": ("WI703", "WI106"),
    "not-a-guid": ("WI120",),
    "without-client-id": ("WI703",),
    "cannot-sign-in": ("WI735",),
}
"""The states, and the codes of what is to be found of each of their ServiceAccounts."""


@dataclass
class Seeded:
    """What was made. accounts: state by namespace and name. pods: how many each has. namespaces: their names."""

    accounts: dict[tuple[str, str], str] = field(default_factory=dict)
    pods: Counter[tuple[str, str]] = field(default_factory=Counter)
    namespaces: list[str] = field(default_factory=list)


def seed(cluster: Cluster, register: Callable[[], object], *, accounts: int, pods: int, namespaces: int) -> Seeded:
    """Makes them. register: registers the webhook; it is called before most pods are created.

    Half of the ServiceAccounts are plain; of the others, half are right.
    """
    made = Seeded()
    made.namespaces = [cluster.create_namespace() for _ in range(namespaces)]
    others = [state for state in STATES if state not in ("plain", "right")]
    for number in range(accounts):
        state = "plain" if number % 2 else "right" if number % 4 else others[number // 4 % len(others)]
        made.accounts[made.namespaces[number % namespaces], f"{state}-{number}"] = state
    _all(lambda each: _make_account(cluster, *each), made.accounts.items())
    keys = [key for key, state in made.accounts.items() if state != "not-a-guid"]  # its pods would be refused
    todo = [(keys[number % len(keys)], number) for number in range(pods)]
    made.pods.update(key for key, _ in todo)
    early = [each for each in todo if made.accounts[each[0]] == BEFORE]
    _all(lambda each: _make_pod(cluster, made, *each), early)
    second = int(time.time())
    # The API server keeps whole seconds.
    wait_until(lambda: time.time() >= second + 1.1, "the next second")
    register()
    _all(lambda each: _make_pod(cluster, made, *each), [each for each in todo if made.accounts[each[0]] != BEFORE])
    changed = [key for key, state in made.accounts.items() if state == "older-than-annotation"]
    _all(lambda key: _change(cluster, *key), changed)
    return made


def _all(do: Callable[[Any], None], each: Iterable[Any]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(do, each):
            pass


def _make_account(cluster: Cluster, key: tuple[str, str], state: str) -> None:
    annotations = annotated()
    if state in ("plain", "without-client-id"):
        annotations = {}
    elif state == "misspelt-annotation":
        annotations["azure.workload.identity/client_id"] = annotations.pop(CLIENT)
    elif state == "not-a-guid":
        annotations[CLIENT] = "contoso-app"
    body = {"metadata": {"name": key[1], "annotations": annotations}}
    cluster.api.post(f"/api/v1/namespaces/{key[0]}/serviceaccounts", body).expect()


def _make_pod(cluster: Cluster, made: Seeded, key: tuple[str, str], number: int) -> None:
    state = made.accounts[key]
    labels = {USE: "true"}
    if state in ("plain", "unlabelled"):
        labels = {}
    elif state == "opted-out":
        labels = {USE: "false"}
    elif state == "misspelt-label":
        labels = {USE: "True"}
    body = a_pod(f"pod-{number}", account=key[1], labels=labels)
    path = f"/api/v1/namespaces/{key[0]}/pods"
    if state == "cannot-sign-in":
        body["spec"]["initContainers"] = [{"name": "m365-preflight", "image": "example.test/helper:1"}]
    cluster.api.post(path, body).expect()
    if state == "cannot-sign-in":
        status = {"initContainerStatuses": [preflight_failed("no credential fits [WIH304] Fix: az ad app x")]}
        cluster.api.patch(f"{path}/pod-{number}/status", {"status": status}).expect()
        # Only now: the webhook of this cluster has no image for helper containers, and would refuse the pod.
        asked = {"annotations": {"m365.workload.identity/preflight": "true"}}
        cluster.api.patch(f"{path}/pod-{number}", {"metadata": asked}).expect()


def preflight_failed(message: str) -> dict[str, Any]:
    """The status of a container m365-preflight as the kubelet leaves it between two attempts. message: what it said."""
    return {
        "name": "m365-preflight",
        "image": "example.test/helper:1",
        "imageID": "",
        "ready": False,
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": message}},
    }


def _change(cluster: Cluster, namespace: str, name: str) -> None:
    body = {"metadata": {"annotations": {CLIENT: LATER}}}
    cluster.api.patch(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}", body).expect()

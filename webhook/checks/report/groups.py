"""Pods of one owner of which the same is to be said."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from webhook.checks import pods
from webhook.checks.differences import Difference, Expectation
from webhook.checks.pods import Pod, State
from webhook.checks.report.rows import Problem
from webhook.checks.sign_ins import Failure, failure, finding_about
from webhook.checks.workloads import Workload
from webhook.core.messages import Place
from webhook.core.near_misses import concerns_us
from webhook.core.workload_kinds import WORKLOAD_KINDS

Key = tuple[str, str]
"""Namespace and name of a ServiceAccount."""
Owner = tuple[str, str, str]
"""Kind, namespace and name of what pods belong to; kind and name are "" for a pod that belongs to nothing."""

_BY_NAME: Final = {each.name: each for each in WORKLOAD_KINDS}


@dataclass
class Group:
    """pods: their metadata alone. Pods of one group differ from a new one in the same way."""

    expected: Expectation
    pods: list[Pod] = field(default_factory=list)

    def problem(self, key: Key, owner: Owner, state: Difference | State) -> Problem:
        """What is to be said about them."""
        kind, namespace, name = owner
        place = Place(f"{kind} {namespace}/{name}" if kind else str(self.expected.account))
        shown = f"{kind} {name}" if kind else ""
        if isinstance(state, State):
            return Problem(pods.unlabelled(self.pods, place), *key, shown)
        restarts = kind in _BY_NAME and _BY_NAME[kind].restarts
        workload = Workload(_BY_NAME[kind], namespace, name, {}) if restarts else None
        found = pods.outdated(state, self.pods, self.expected, place, workload)
        restart = workload.restart() if workload else pods.restart(self.pods[0])
        return Problem(found, *key, shown, restart if state.certain else "")


class SignIns:
    """Pods that cannot sign in, by account, owner and reason. Of a pod, its metadata is kept."""

    def __init__(self) -> None:
        self._pods: dict[tuple[Key, Owner, Failure], list[Pod]] = {}

    def add(self, pod: Pod, key: Key) -> None:
        """key: its ServiceAccount."""
        why = failure(pod)
        if why:
            kind, name = pods.owner(pod)
            those = self._pods.setdefault((key, (kind, key[0], name), why), [])
            those.append({"metadata": identifying(pod["metadata"])})

    def problems(self) -> Iterator[Problem]:
        """What is to be said about them."""
        for (key, (kind, namespace, name), why), those in self._pods.items():
            place = Place(f"{kind} {namespace}/{name}" if kind else f"ServiceAccount {namespace}/{key[1]}")
            yield Problem(finding_about(why, those, place), *key, f"{kind} {name}" if kind else "")


def counted(number: int, what: str) -> str:
    """Such as `1 pod`, `2 pods`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def speaks_of_us(document: Mapping[str, Any]) -> bool:
    """Whether an object has one of our labels or annotations, or one that is like them."""
    metadata = document.get("metadata") or {}
    return concerns_us(metadata.get("annotations") or ()) or concerns_us(metadata.get("labels") or ())


def identifying(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What the command for the owner is made of."""
    labels = metadata.get("labels") or {}
    kept = {key: labels[key] for key in ("pod-template-hash",) if key in labels}
    owners = [each for each in metadata.get("ownerReferences") or () if each.get("controller")]
    return {"namespace": metadata["namespace"], "name": metadata["name"], "labels": kept, "ownerReferences": owners}

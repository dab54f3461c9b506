"""The kinds of objects that have pods, in one table: where each keeps its pod template, and how the API has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_TEMPLATE: Final = ("spec", "template")
_EXTENSIONS: Final = "extensions"  # the API group of these kinds before Kubernetes 1.16; charts still have it


@dataclass(frozen=True)
class WorkloadKind:
    """A kind of objects with pods.

    short: its short names for kubectl. group: of its API, "" for the core. steps: the way to its pod template; a pod is
    its own. old_groups: where the API had it earlier. restarts: whether `kubectl rollout restart` takes it. has_pods:
    whether it has pods or makes them; a PodTemplate only stores a template.
    """

    name: str
    plural: str
    short: tuple[str, ...] = ()
    group: str = ""
    steps: tuple[str, ...] = _TEMPLATE
    old_groups: tuple[str, ...] = ()
    restarts: bool = False
    has_pods: bool = True

    def path(self, namespace: str, name: str) -> str:
        """Where the API has one object of this kind."""
        api = f"/apis/{self.group}/v1" if self.group else "/api/v1"
        return f"{api}/namespaces/{namespace}/{self.plural}/{name}"


WORKLOAD_KINDS: Final = (
    WorkloadKind("Deployment", "deployments", ("deploy",), "apps", old_groups=(_EXTENSIONS,), restarts=True),
    WorkloadKind("StatefulSet", "statefulsets", ("sts",), "apps", restarts=True),
    WorkloadKind("DaemonSet", "daemonsets", ("ds",), "apps", old_groups=(_EXTENSIONS,), restarts=True),
    WorkloadKind("ReplicaSet", "replicasets", ("rs",), "apps", old_groups=(_EXTENSIONS,)),
    WorkloadKind("Job", "jobs", group="batch"),
    WorkloadKind("CronJob", "cronjobs", ("cj",), "batch", ("spec", "jobTemplate", *_TEMPLATE)),
    WorkloadKind("ReplicationController", "replicationcontrollers", ("rc",)),
    WorkloadKind("Pod", "pods", ("po",), steps=()),
    WorkloadKind("PodTemplate", "podtemplates", steps=("template",), has_pods=False),
)
_BY_GROUP_AND_NAME: Final[Mapping[tuple[str, str], WorkloadKind]] = {
    (group, kind.name): kind for kind in WORKLOAD_KINDS for group in (kind.group, *kind.old_groups)
}


def workload_kind(group: str, name: str) -> WorkloadKind | None:
    """The kind of that name in an API group, or None if it has no pods."""
    return _BY_GROUP_AND_NAME.get((group, name))

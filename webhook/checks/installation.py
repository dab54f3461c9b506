"""The webhook's own Service and pods: whether a pod is there to answer, and whether it may read ServiceAccounts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from webhook.core.messages import Place, calls
from webhook.findings import Finding, finding

_PODS_SHOWN: Final = 3  # in a sentence; their reasons are mostly the same


@dataclass(frozen=True)
class Replica:
    """A pod of the webhook. trouble: why it is not ready, "" if it is."""

    name: str
    account: str
    trouble: str


@dataclass(frozen=True)
class Installation:
    """What is behind a webhook entry, as far as the user may see it; None for what is not known.

    place: namespace/name of the Service. exists, has_port, endpoints: of the Service. replicas: its pods. may_read:
    whether the pods' ServiceAccount may read ServiceAccounts.
    """

    place: str
    exists: bool | None = None
    has_port: bool | None = None
    endpoints: int | None = None
    replicas: tuple[Replica, ...] | None = None
    may_read: bool | None = None

    @property
    def namespace(self) -> str:
        """Of the Service."""
        return self.place.partition("/")[0]

    def account(self) -> str:
        """The ServiceAccount of the pods as RBAC names it, "" if no pod is known."""
        return f"system:serviceaccount:{self.namespace}:{self.replicas[0].account}" if self.replicas else ""

    def not_ready(self) -> tuple[Replica, ...]:
        """The pods that are not ready."""
        return tuple(each for each in self.replicas or () if each.trouble)

    def replicas_state(self) -> str:
        """How its pods are, as the end of a sentence."""
        if self.replicas is None:
            return "its pods are not known"
        if not self.replicas:
            return "it has no pods"
        not_ready = self.not_ready()
        if not not_ready:
            return "all its pods are ready"
        listed = ", ".join(f"{each.name}: {each.trouble}" for each in not_ready[:_PODS_SHOWN])
        more = f" and {len(not_ready) - _PODS_SHOWN} more" if len(not_ready) > _PODS_SHOWN else ""
        return f"{len(not_ready)} of its {len(self.replicas)} pods not ready ({listed}{more})"

    def failure(self) -> str:
        """Why a call of its Service fails, as the end of a sentence; "" if the Service and its pods do not tell."""
        if self.exists is False:
            return "it does not exist"
        if self.endpoints == 0:
            return f"it has no ready endpoints; {self.replicas_state()}"
        return self.replicas_state() if self.replicas == () or self.not_ready() else ""

    def look(self) -> str:
        """The commands that show more."""
        if not self.namespace:
            return "check that the webhook runs there, and read its log"
        return f"kubectl get pods -n {self.namespace}; kubectl logs -n {self.namespace} POD"


def has_port(service: Mapping[str, Any], port: int) -> bool:
    """Whether a Service has the port that the webhook configuration names."""
    return any(each.get("port") == port for each in (service.get("spec") or {}).get("ports") or ())


def ready_endpoints(slices: Iterable[Mapping[str, Any]]) -> int:
    """How many ready addresses the EndpointSlices of a Service have; one without a state counts as ready."""
    return sum(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for each in slices
        for endpoint in each.get("endpoints") or ()
    )


def replica(pod: Mapping[str, Any]) -> Replica:
    """A pod of the webhook, with the reason if it is not ready."""
    metadata, spec, status = (pod.get(key) or {} for key in ("metadata", "spec", "status"))
    conditions = {each.get("type"): each for each in status.get("conditions") or ()}
    trouble = ""
    if (conditions.get("Ready") or {}).get("status") != "True":
        scheduled = conditions.get("PodScheduled") or {}
        waiting = (_waiting(each) for each in status.get("containerStatuses") or ())
        trouble = (
            "being deleted"
            if metadata.get("deletionTimestamp")
            else next((reason for reason in waiting if reason), "")
            or (str(scheduled.get("reason") or "") if scheduled.get("status") == "False" else "")
            or str(status.get("phase") or "not ready")
        )
    return Replica(str(metadata.get("name")), str(spec.get("serviceAccountName") or "default"), trouble)


def not_all_ready(installation: Installation) -> Finding | None:
    """The finding if calls succeed although not every pod of the webhook is ready."""
    if not installation.not_ready():
        return None
    return finding(
        "webhook",
        calls.WEBHOOK_PODS_NOT_READY,
        Place(f"Service {installation.place}"),
        replicas=installation.replicas_state(),
        look=installation.look(),
    )


def _waiting(status: Mapping[str, Any]) -> str:
    """Why a container is not running, such as CrashLoopBackOff; "" if it is."""
    state = status.get("state") or {}
    return str((state.get("waiting") or state.get("terminated") or {}).get("reason") or "")

"""The webhook's own Service and pods: whether anybody is there to be called, and whether it may do its work."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from webhook.findings import Finding, warn

_MOST: Final = 3  # pods in a sentence


@dataclass(frozen=True)
class Replica:
    """A pod of the webhook. trouble: why it is not ready, "" when it is."""

    name: str
    account: str
    trouble: str


@dataclass(frozen=True)
class Installation:
    """What stands behind a webhook entry, as far as one may see it.

    place: namespace/name of the Service. exists, has_port, endpoints: of the Service; None where it is not known.
    replicas: its pods. may_read: whether the pods' ServiceAccount may read ServiceAccounts; None where it is not known.
    """

    place: str
    exists: bool | None = None
    has_port: bool | None = None
    endpoints: int | None = None
    replicas: tuple[Replica, ...] = ()
    may_read: bool | None = None

    @property
    def namespace(self) -> str:
        """Of the Service."""
        return self.place.partition("/")[0]

    def account(self) -> str:
        """The ServiceAccount of the pods as RBAC names it, "" when there is no pod."""
        return f"system:serviceaccount:{self.namespace}:{self.replicas[0].account}" if self.replicas else ""

    def troubles(self) -> str:
        """The pods that are not ready and why, as the end of a sentence, "" when there are none."""
        ill = [f"{each.name}: {each.trouble}" for each in self.replicas if each.trouble]
        if not self.replicas:
            return "; it has no pods"
        more = f" and {len(ill) - _MOST} more" if len(ill) > _MOST else ""
        return (
            f"; of {len(self.replicas)} pods {len(ill)} are not ready ({', '.join(ill[:_MOST])}{more})" if ill else ""
        )

    def shortcomings(self) -> str:
        """The same, with what the Service itself lacks first."""
        if self.exists is False:
            return "; it does not exist"
        return f"; it has no ready endpoints{self.troubles()}" if self.endpoints == 0 else self.troubles()

    def look(self) -> str:
        """The commands that show more."""
        return f"kubectl get pods -n {self.namespace}; kubectl logs -n {self.namespace} POD"


def has_port(service: Mapping[str, Any], port: int) -> bool:
    """Whether a Service has the port that the webhook configuration names."""
    return any(each.get("port") == port for each in (service.get("spec") or {}).get("ports") or ())


def ready_endpoints(slices: Iterable[Mapping[str, Any]]) -> int:
    """How many ready addresses the EndpointSlices of a Service have; one that does not say is ready."""
    return sum(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for each in slices
        for endpoint in each.get("endpoints") or ()
    )


def replica(pod: Mapping[str, Any]) -> Replica:
    """A pod of the webhook as it stands."""
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


def some_ill(installation: Installation) -> Finding | None:
    """The finding when calls succeed although not every pod of the webhook is ready."""
    ill = [each for each in installation.replicas if each.trouble]
    if not ill:
        return None
    return warn(
        "webhook",
        f"Calls succeed{installation.troubles()}.",
        fix=f"see why before the others go: {installation.look()}",
    )


def _waiting(status: Mapping[str, Any]) -> str:
    """Why a container does not run, such as CrashLoopBackOff."""
    state = status.get("state") or {}
    return str((state.get("waiting") or state.get("terminated") or {}).get("reason") or "")

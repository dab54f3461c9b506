"""The webhook's own Service and pods: whether a pod is there to answer, and whether it may read ServiceAccounts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from webhook.checks import selectors
from webhook.core.messages import Place, calls, checks
from webhook.findings import Finding, finding

RUNNING: Final = "running and not ready"
"""The trouble of a pod whose containers run, so that its log, or its node, has the reason."""
_EVENTS, _LOG, _LOG_BEFORE = "describe pod", "logs", "logs --previous"
_PODS_SHOWN: Final = 3  # in a sentence; their reasons are mostly the same


@dataclass(frozen=True)
class Replica:
    """A pod of the webhook. trouble: why it is not ready, "" if it is.

    show: what kubectl shows the reason with: its events if it never ran, its log, or the log of the run before if it
    waits for its next start, at which a new log begins. deleted: it is being deleted, as after each roll-out. node:
    where it runs, "" if it was not scheduled. away: whether that node does not report any more.
    """

    name: str
    account: str
    trouble: str
    show: str = _LOG
    deleted: bool = False
    node: str = ""
    away: bool = False


@dataclass(frozen=True)
class Deployment:
    """The Deployment of the webhook. wanted, ready: how many replicas. labels: by which it knows its pods."""

    name: str
    wanted: int
    ready: int
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Installation:
    """What is behind a webhook entry, as far as the user may see it; None for what is not known.

    place: namespace/name of the Service. exists, has_port, selector, endpoints: of the Service. replicas: the pods that
    its selector finds. deployment: looked up if endpoints are missing. may_read: whether the pods' ServiceAccount may
    read ServiceAccounts. policies: the NetworkPolicies for its pods, looked up if a connection is dropped. unseen: the
    resources that the user may not read.
    """

    place: str
    exists: bool | None = None
    has_port: bool | None = None
    endpoints: int | None = None
    replicas: tuple[Replica, ...] | None = None
    may_read: bool | None = None
    selector: Mapping[str, str] = field(default_factory=dict)
    deployment: Deployment | None = None
    policies: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        """Of the Service."""
        return self.place.partition("/")[0]

    def account(self) -> str:
        """The ServiceAccount of the pods as RBAC names it, "" if no pod is known."""
        return f"system:serviceaccount:{self.namespace}:{self.replicas[0].account}" if self.replicas else ""

    def not_ready(self) -> tuple[Replica, ...]:
        """The pods that are not ready, without those that are being deleted."""
        return tuple(each for each in self.replicas or () if each.trouble and not each.deleted)

    def selects_others(self) -> bool:
        """Whether the Service's selector does not select the pods of the Deployment."""
        of = self.deployment
        return of is not None and not (self.selector and selectors.selects({"matchLabels": self.selector}, of.labels))

    def replicas_state(self) -> str:
        """How its pods are, as the end of a sentence."""
        of = self.deployment
        if of and of.wanted == 0:
            return f"Deployment {of.name} is scaled to 0"
        if of and self.selects_others():
            own = selectors.join(self.selector, ",") or "none"
            return f"its selector ({own}) does not select the {of.ready} ready pods of Deployment {of.name}"
        if self.replicas is None:
            return "its pods are not known"
        not_ready = self.not_ready()
        if not self.replicas or not (not_ready or any(not each.deleted for each in self.replicas)):
            none = "it has no pods and no Deployment" if self._without_deployment() else "it has no pods"
            return f"Deployment {of.name} has no pods" if of else none
        if not not_ready:
            return "all its pods are ready"
        listed = ", ".join(f"{each.name}: {each.trouble}" for each in not_ready[:_PODS_SHOWN])
        more = f" and {len(not_ready) - _PODS_SHOWN} more" if len(not_ready) > _PODS_SHOWN else ""
        living = sum(not each.deleted for each in self.replicas)
        return f"{len(not_ready)} of its {living} pods not ready ({listed}{more})"

    def failure(self) -> str:
        """Why a call of its Service fails, as the end of a sentence; "" if the Service and its pods do not tell."""
        return self.no_way_in() or (self.replicas_state() if self.replicas == () or self.not_ready() else "")

    def no_way_in(self) -> str:
        """Why no client can make a new connection to its Service, as the end of a sentence; "" if that is not known."""
        if self.exists is False:
            return "it does not exist"
        if self.has_port is False:
            return "it has no such port"
        return f"it has no ready endpoints; {self.replicas_state()}" if self.endpoints == 0 else ""

    def remedy(self, restore: str) -> str:
        """What gives the Service its endpoints back, or shows more. restore: what creates the chart's objects again."""
        of, name = self.deployment, self.place.partition("/")[2]
        if self.has_port is False:
            # Helm and kubectl would add the right port to the wrong one, under the same name, and that is refused.
            return f"kubectl delete service {name} -n {self.namespace}; {restore}"
        if self.exists is False or self._without_deployment():
            return restore
        if of and of.wanted == 0:
            return f"kubectl scale deployment {of.name} -n {self.namespace} --replicas=2"
        if of and self.selects_others():
            return f"kubectl set selector service {name} -n {self.namespace} {selectors.join(of.labels, ',')}"
        if of and not self.replicas:
            return f"kubectl describe deployment,replicaset -n {self.namespace}"
        if of and not self.not_ready():
            return f"kubectl describe endpointslices -n {self.namespace} -l kubernetes.io/service-name={name}"
        return self.look()

    def _without_deployment(self) -> bool:
        looked = self.endpoints == 0 and "deployments" not in self.unseen
        return looked and not self.replicas and self.deployment is None

    def look(self) -> str:
        """The commands that show more of a pod."""
        if not self.namespace:
            return "check that the webhook runs there, and read its log"
        pod = next(iter(self.not_ready() or self.replicas or ()), None)
        if pod is None:
            return f"kubectl get pods -n {self.namespace}"
        if pod.away:
            return f"kubectl describe node {pod.node}; kubectl get pods -n {self.namespace} -o wide"
        return f"kubectl get pods -n {self.namespace}; kubectl {pod.show} -n {self.namespace} {pod.name}"


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


def network_policies(documents: Iterable[Mapping[str, Any]], pods: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of the NetworkPolicies that decide who may connect to one of `pods`."""
    labels = [(pod.get("metadata") or {}).get("labels") or {} for pod in pods]
    names = []
    for document in documents:
        spec = document.get("spec") or {}
        decides = "Ingress" in (spec.get("policyTypes") or ("Ingress",))
        if decides and any(selectors.selects(spec.get("podSelector"), each) for each in labels):
            names.append(str(document["metadata"]["name"]))
    return tuple(names)


def replica(pod: Mapping[str, Any]) -> Replica:
    """A pod of the webhook, with the reason if it is not ready."""
    metadata, spec, status = (pod.get(key) or {} for key in ("metadata", "spec", "status"))
    conditions = {each.get("type"): each for each in status.get("conditions") or ()}
    containers = status.get("containerStatuses") or ()
    trouble = ""
    if (conditions.get("Ready") or {}).get("status") != "True":
        scheduled = conditions.get("PodScheduled") or {}
        trouble = (
            next(filter(None, map(_waiting, containers)), "")
            or (str(scheduled.get("reason") or "") if scheduled.get("status") == "False" else "")
            or (RUNNING if status.get("phase") == "Running" else str(status.get("phase") or "not ready"))
        )
    return Replica(
        str(metadata.get("name")),
        str(spec.get("serviceAccountName") or "default"),
        trouble,
        show=max(map(_show, containers), key=(_EVENTS, _LOG, _LOG_BEFORE).index, default=_EVENTS),
        deleted="deletionTimestamp" in metadata,
        node=str(spec.get("nodeName") or ""),
    )


def without_node(replica: Replica, node: Mapping[str, Any]) -> Replica:
    """The replica. If its node does not report any more, that is its trouble: nothing is known of the pod itself."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready: Mapping[str, Any] = next((each for each in conditions if each.get("type") == "Ready"), {})
    if ready.get("status") == "True":
        return replica
    reason = f" ({ready['reason']})" if ready.get("reason") else ""
    return replace(replica, away=True, trouble=f"its node {replica.node} is not ready{reason}")


def deployment(documents: Sequence[Mapping[str, Any]], service: str, selector: Mapping[str, str]) -> Deployment | None:
    """The webhook's Deployment among those of its namespace.

    Its pods have what the Service's selector wants, or it has the Service's name, or it is the only one.
    """
    found = [each for each in documents if selector and selectors.selects({"matchLabels": selector}, _labels(each))]
    found += [each for each in documents if (each.get("metadata") or {}).get("name") == service]
    found += documents if len(documents) == 1 else ()
    if not found:
        return None
    spec, status = found[0].get("spec") or {}, found[0].get("status") or {}
    wanted = spec.get("replicas")
    return Deployment(
        name=str(found[0]["metadata"]["name"]),
        wanted=1 if wanted is None else int(wanted),
        ready=int(status.get("readyReplicas") or 0),
        labels=(spec.get("selector") or {}).get("matchLabels") or {},
    )


def afterwards(installation: Installation, restore: str) -> Iterator[Finding]:
    """What is to be said although a call succeeded, such as that the next will not."""
    place = Place(f"Service {installation.place}")
    reason = installation.no_way_in()
    if reason:
        yield finding("webhook", calls.OLD_CONNECTION, place, reason=reason, remedy=installation.remedy(restore))
    elif installation.not_ready():
        state, look = installation.replicas_state(), installation.look()
        yield finding("webhook", calls.WEBHOOK_PODS_NOT_READY, place, replicas=state, look=look)


def not_seen(installation: Installation) -> Iterator[Finding]:
    """What the user may not read of it."""
    if installation.unseen:
        resources = f"{' and '.join(installation.unseen)} in namespace {installation.namespace}"
        yield finding("webhook", checks.MAY_NOT_READ, resource=resources)


def _labels(deployment: Mapping[str, Any]) -> Mapping[str, str]:
    template = (deployment.get("spec") or {}).get("template") or {}
    return (template.get("metadata") or {}).get("labels") or {}


def _waiting(status: Mapping[str, Any]) -> str:
    """Why a container is not running, such as CrashLoopBackOff, with an image that cannot be had; "" if it is."""
    state = status.get("state") or {}
    reason = str((state.get("waiting") or state.get("terminated") or {}).get("reason") or "")
    return f"{reason} of {status.get('image')}" if "Image" in reason and status.get("image") else reason


def _show(status: Mapping[str, Any]) -> str:
    """How kubectl shows the reason why a container does not run."""
    now, before = status.get("state") or {}, status.get("lastState") or {}
    if "terminated" in before and "running" not in now:
        return _LOG_BEFORE
    return _LOG if status.get("restartCount") or before or "running" in now or "terminated" in now else _EVENTS

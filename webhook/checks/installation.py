"""The webhook's own Service and pods: whether a pod is there to answer, and whether it may read ServiceAccounts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from webhook.checks import selectors
from webhook.checks.replicas import OOM, Replica
from webhook.core.messages import Place, calls, checks
from webhook.findings import Finding, finding

_PODS_SHOWN: Final = 3  # in a sentence; their reasons are mostly the same


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
    resources that the user may not read. target: why the Service's port does not lead to the webhook's, and the command
    that corrects it. account_trouble: why the pods' own tokens are void. account_exists: whether that account does.
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
    target: str = ""
    target_fix: str = ""
    account_trouble: str = ""
    account_exists: bool = True

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
        if self.target:
            return self.target
        return f"it has no ready endpoints; {self.replicas_state()}" if self.endpoints == 0 else ""

    def remedy(self, restore: str) -> str:
        """What gives the Service its endpoints back, or shows more. restore: what creates the chart's objects again."""
        of, name = self.deployment, self.place.partition("/")[2]
        if self.target:
            return self.target_fix
        if self.account_trouble:
            again = f"kubectl rollout restart deployment -n {self.namespace}"
            return again if self.account_exists else f"{restore}; then {again}"
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
        memory = "; give it more memory: resources.limits.memory of the chart's values" if OOM in pod.trouble else ""
        if pod.away:
            return f"kubectl describe node {pod.node}; kubectl get pods -n {self.namespace} -o wide"
        return f"kubectl get pods -n {self.namespace}; kubectl {pod.show} -n {self.namespace} {pod.name}{memory}"


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
    elif installation.account_trouble:
        trouble, remedy = installation.account_trouble, installation.remedy(restore)
        yield finding("webhook", calls.ACCOUNT_OF_WEBHOOK, place, reason=trouble, remedy=remedy)
    elif not installation.selector and installation.deployment:
        yield finding("webhook", calls.NO_SELECTOR, place, remedy=installation.remedy(restore))
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

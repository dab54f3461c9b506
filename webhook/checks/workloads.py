"""One workload: would its pods be taken, and is everything on it where somebody reads it?"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from webhook.checks import selectors
from webhook.checks.registration import Registration
from webhook.checks.text import line, sentence
from webhook.core import names
from webhook.core.decision import Decision, decide, decide_early
from webhook.core.identity import Account
from webhook.core.messages import Message, one_line
from webhook.core.messages.annotations import (
    CLIENT_ID_MISSING,
    CLIENT_ID_PLACEHOLDER,
    NEAR_MISSES,
    TENANT_ID_MISSING,
    TENANT_ID_PLACEHOLDER,
)
from webhook.core.messages.pods import ACCOUNT_NOT_FOUND
from webhook.core.pod_shape import shape_problem
from webhook.core.policy import NAMESPACE_LABEL, POD_LABEL, Policy
from webhook.core.review import Request
from webhook.findings import Finding, fail, ok, warn

_TEMPLATE: Final = ("spec", "template")
# By the checks of the ServiceAccount, and by `_misplaced`.
_REPORTED_ELSEWHERE: Final = NEAR_MISSES | {
    CLIENT_ID_MISSING,
    CLIENT_ID_PLACEHOLDER,
    TENANT_ID_MISSING,
    TENANT_ID_PLACEHOLDER,
    ACCOUNT_NOT_FOUND,
}
_SETTINGS: Final = names.POD_ANNOTATIONS | names.ACCOUNT_ANNOTATIONS


@dataclass(frozen=True)
class Kind:
    """A kind with pods. api: the folder of its API. steps: where its pod template stands. restarts: by `rollout`."""

    name: str
    plural: str
    short: tuple[str, ...]
    api: str
    steps: tuple[str, ...] = _TEMPLATE
    restarts: bool = False

    def path(self, namespace: str, name: str) -> str:
        """Where the API has one."""
        return f"{self.api}/namespaces/{namespace}/{self.plural}/{name}"


KINDS: Final = (
    Kind("Deployment", "deployments", ("deploy",), "/apis/apps/v1", restarts=True),
    Kind("StatefulSet", "statefulsets", ("sts",), "/apis/apps/v1", restarts=True),
    Kind("DaemonSet", "daemonsets", ("ds",), "/apis/apps/v1", restarts=True),
    Kind("ReplicaSet", "replicasets", ("rs",), "/apis/apps/v1"),
    Kind("Job", "jobs", (), "/apis/batch/v1"),
    Kind("CronJob", "cronjobs", ("cj",), "/apis/batch/v1", ("spec", "jobTemplate", *_TEMPLATE)),
    Kind("ReplicationController", "replicationcontrollers", ("rc",), "/api/v1"),
    Kind("Pod", "pods", ("po",), "/api/v1", ()),
)


@dataclass(frozen=True)
class Workload:
    """An object with pods, as the API server gave it."""

    kind: Kind
    namespace: str
    name: str
    document: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.kind.name} {self.namespace}/{self.name}"

    @property
    def pod(self) -> dict[str, Any]:
        """A pod as its controller would make it; a pod is itself. Raises ValueError when there is none in it."""
        template: Any = self.document
        for step in self.kind.steps:
            template = template.get(step) if isinstance(template, dict) else None
        problem = shape_problem(template)
        if problem:
            raise ValueError(f"{problem.message(place=str(self), path='.'.join(self.kind.steps))}")
        metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value is not None}
        if self.kind.steps:
            metadata["generateName"] = f"{self.name}-"
        return {**template, "metadata": metadata, "spec": self._with_claims(template["spec"])}

    def _with_claims(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """The spec with the volumes that a StatefulSet's controller makes of its claims; they come before its own."""
        own = self.document.get("spec") or {}
        claims = [str(each["metadata"]["name"]) for each in own.get("volumeClaimTemplates") or ()]
        if not claims:
            return spec
        number = (own.get("ordinals") or {}).get("start") or 0
        volumes = [
            {"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{self.name}-{number}"}} for name in claims
        ]
        kept = [each for each in spec.get("volumes") or () if each.get("name") not in claims]
        return {**spec, "volumes": volumes + kept}

    @property
    def account(self) -> str:
        """The ServiceAccount that its pods run as."""
        return self.request.account_name

    @property
    def request(self) -> Request:
        """The creation of one of its pods."""
        return Request(uid="", namespace=self.namespace, pod=self.pod)

    def restart(self) -> str:
        """The command that makes its pods anew."""
        if self.kind.restarts:
            return f"kubectl rollout restart {self.kind.name.lower()}/{self.name} -n {self.namespace}"
        if self.kind.name == "Pod":
            return f"delete the pod and create it again: kubectl delete pod {self.name} -n {self.namespace}"
        if self.kind.name in ("Job", "CronJob"):
            return f"delete the Job and create it again, or let the next one come: kubectl get jobs -n {self.namespace}"
        return f"delete its pods, and it makes new ones: kubectl delete pod NAME -n {self.namespace}"


def kind_and_name(text: str) -> tuple[Kind, str]:
    """KIND/NAME as kubectl takes it: singular, plural or short, in any case. Raises ValueError: what is expected."""
    kind, _, name = text.partition("/")
    for each in KINDS:
        if kind.lower().partition(".")[0] in (each.name.lower(), each.plural, *each.short):
            if re.fullmatch(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", name):
                return each, name
            break
    raise ValueError(f"KIND/NAME, KIND one of {', '.join(each.name.lower() for each in KINDS)}")


def absent(kind: Kind, namespace: str, name: str) -> Finding:
    """There is no such workload."""
    return fail(
        "workload",
        f"{kind.name} {namespace}/{name} does not exist.",
        fix=f"kubectl get {kind.plural} -n {namespace}",
    )


def findings(
    workload: Workload,
    account: Account | None,
    namespace_labels: Mapping[str, str],
    policy: Policy,
    found: Registration | None,
) -> Iterator[Finding]:
    """What there is to say of a workload before its pods are looked at. found: None where it cannot be seen."""
    yield from _misplaced(workload)
    decision = decided(workload.request, account, namespace_labels, policy)
    if decision.reason in ("not-selected", "opted-out"):
        yield _not_taken(workload, policy)
        return
    left_out = _left_out(workload, namespace_labels, found) if found else None
    if left_out:
        yield left_out
        return
    if decision.outcome == "denied":
        yield fail(
            "workload", f"The pods of {workload} are refused: {one_line(decision.problems)}.", fix="fix what it names"
        )
        return
    for warning in decision.warnings:
        if warning.kind not in _REPORTED_ELSEWHERE:
            yield warn(
                "workload",
                sentence(f"{workload}: {warning.text}"),
                fix="take it out of the pod template, if it is a mistake",
            )
    if decision.reason == "all-skipped":
        yield warn(
            "workload",
            f"{workload} names each of its containers in {names.SKIP_CONTAINERS}, so none gets an identity.",
            fix="take those out of the annotation that are to sign in",
        )
    elif decision.reason in ("injected", "already-injected"):
        yield ok("workload", f"{workload} has pods that the webhook takes, as ServiceAccount {workload.account}.")


def decided(request: Request, account: Account | None, namespace_labels: Mapping[str, str], policy: Policy) -> Decision:
    """What the webhook would do with a pod."""
    return decide_early(request, policy, namespace_labels) or decide(request, account, policy)


def _not_taken(workload: Workload, policy: Policy) -> Finding:
    """Its pods never reach the webhook, or are left alone."""
    where = ".".join((*workload.kind.steps, "metadata", "labels"))
    template = "its pod template" if workload.kind.steps else "it"
    label = (workload.pod["metadata"].get("labels") or {}).get(names.USE_LABEL)
    if workload.namespace in (*names.SYSTEM_NAMESPACES, policy.own_namespace):
        return fail(
            "workload",
            f"{workload} is in a namespace whose pods the webhook never touches.",
            fix="move it to another namespace",
        )
    if label == "false":
        return fail(
            "workload",
            f'{workload} has opted out: {template} has the label {names.USE_LABEL}: "false".',
            fix=f'set it to "true" in {where}{_remake(workload)}',
        )
    if label is not None:
        return fail(
            "workload",
            f'{workload}: label {names.USE_LABEL} is "{line(label)}", expected "true".',
            fix=f'set it to "true" in {where}{_remake(workload)}',
        )
    lacks = f'{template} lacks the label {names.USE_LABEL}: "true"'
    if names.USE_LABEL in ((workload.document.get("metadata") or {}).get("labels") or {}):
        said = f"{workload} has the label {names.USE_LABEL} on itself, and nobody reads it there: {lacks}."
    else:
        said = f"{workload}: {lacks}."
    fix = f'put {names.USE_LABEL}: "true" into {where}{_patch(workload)}'
    if policy.scope == NAMESPACE_LABEL:
        fix += f"; or for all pods: kubectl label namespace {workload.namespace} {names.INJECT_LABEL}=true"
    return fail("workload", said, fix=fix)


def _left_out(workload: Workload, namespace_labels: Mapping[str, str], found: Registration) -> Finding | None:
    """The finding when it is the platform engineer's own objectSelector that leaves its pods out."""
    labels = workload.pod["metadata"].get("labels") or {}
    entry = found.narrowed(labels, workload.namespace, namespace_labels)
    if entry is None:
        return None
    asked = selectors.wanted(entry.document.get("objectSelector"))
    lacking = {key: value for key, value in asked.items() if labels.get(key) != value}
    where = ".".join((*workload.kind.steps, "metadata", "labels"))
    put = f"put {selectors.joined(lacking, ' and ')} into {where}; or " if lacking else ""
    return fail(
        "workload",
        f"{workload}: no entry of {found.name} takes its pods: the objectSelector of {entry.name} leaves out their "
        "labels.",
        fix=f"{put}change webhook.objectSelector of the chart's values",
    )


def _patch(workload: Workload) -> str:
    """How to label the template, which makes the pods anew; a pod or Job cannot be changed so."""
    if not workload.kind.restarts:
        return _remake(workload)
    patch = f'{{"spec":{{"template":{{"metadata":{{"labels":{{"{names.USE_LABEL}":"true"}}}}}}}}}}'
    return f": kubectl patch {workload.kind.name.lower()} {workload.name} -n {workload.namespace} -p '{patch}'"


def _remake(workload: Workload) -> str:
    return "" if workload.kind.restarts else f", then {workload.restart()}"


def _misplaced(workload: Workload) -> Iterator[Finding]:
    """Labels and annotations of ours that nobody reads where they stand."""
    metadata = workload.document.get("metadata") or {}
    if workload.kind.steps:
        for key in sorted(metadata.get("annotations") or {}):
            if key not in _SETTINGS:
                continue
            if key in names.ACCOUNT_ANNOTATIONS and key not in names.POD_ANNOTATIONS:
                place = f"ServiceAccount {workload.account}"
            else:
                place = ".".join((*workload.kind.steps, "metadata", "annotations"))
            yield warn(
                "workload",
                f"{workload}: annotation {key} has no effect on a {workload.kind.name}: it belongs on {place}.",
                fix=f"move it there; kubectl annotate {workload.kind.name.lower()} {workload.name} "
                f"-n {workload.namespace} {key}-",
            )
    pod = workload.pod["metadata"]
    for key in sorted(pod.get("labels") or {}):
        if key in _SETTINGS:
            yield warn(
                "workload",
                f"{workload}: label {key} has no effect on a pod: it is an annotation.",
                fix="move it to the annotations of the pod template or of the ServiceAccount",
            )
    for warning in _of_pod(workload):
        yield warn(
            "workload",
            sentence(f"{workload}: {warning.text}"),
            fix="set it where it belongs, in the pod template or elsewhere",
        )


def _of_pod(workload: Workload) -> Iterator[Message]:
    """The warnings about annotations of the pod template alone."""
    bare = Account(workload.namespace, workload.account, {})
    for warning in decide(workload.request, bare, Policy(scope=POD_LABEL)).warnings:
        if warning.kind in NEAR_MISSES:
            yield warning

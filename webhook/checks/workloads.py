"""One workload: whether the webhook takes its pods, and labels and annotations that have no effect where they are."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from webhook.checks import selectors
from webhook.checks.registration import Registration
from webhook.core import names
from webhook.core.decision import Decision, decide, decide_early
from webhook.core.identity import Account, read_identity
from webhook.core.messages import Message, Place, message, one_line
from webhook.core.messages import workloads as rows
from webhook.core.messages.annotations import NEAR_MISSES
from webhook.core.pod_shape import shape_problem
from webhook.core.policy import NAMESPACE_LABEL, Policy
from webhook.core.review import Request
from webhook.core.workload_kinds import ROLLOUT, WORKLOAD_KINDS, WorkloadKind
from webhook.findings import Finding, finding

_SETTINGS: Final = names.POD_ANNOTATIONS | names.ACCOUNT_ANNOTATIONS


@dataclass(frozen=True)
class Workload:
    """An object with pods, as the API server returned it."""

    kind: WorkloadKind
    namespace: str
    name: str
    document: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.kind.name} {self.namespace}/{self.name}"

    def problem(self) -> Message | None:
        """Why its template is not a pod, so that nothing else can be asked of it; None if it is one."""
        referred = (self.document.get("spec") or {}).get("workloadRef") if self.kind == ROLLOUT else None
        if referred:
            target = f"{str(referred.get('kind')).lower()}/{referred.get('name')}"
            return message(rows.TEMPLATE_ELSEWHERE, Place(str(self)), target=target, namespace=self.namespace)
        found = shape_problem(self._template())
        return found.message(path=".".join(self.kind.steps), place=str(self)) if found else None

    @property
    def pod(self) -> dict[str, Any]:
        """A pod as its controller would create it; a Pod is its own."""
        template = self._template()
        metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value is not None}
        if self.kind.steps:
            metadata["generateName"] = f"{self.name}-"
        return {**template, "metadata": metadata, "spec": self._with_claims(template["spec"])}

    @property
    def account(self) -> str:
        """The ServiceAccount that its pods run as."""
        return self.request.account_name

    @property
    def request(self) -> Request:
        """The creation of one of its pods."""
        return Request(uid="", namespace=self.namespace, pod=self.pod)

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of its pods."""
        return self.pod["metadata"].get("labels") or {}

    def command(self) -> str:
        """The workload as the arguments of a kubectl command."""
        return f"{self.kind.name.lower()} {self.name} -n {self.namespace}"

    def field(self, *steps: str) -> str:
        """A field of its pod template, such as spec.template.metadata.labels."""
        return ".".join((*self.kind.steps, *steps))

    def restart(self, pods: Sequence[str] = ()) -> str:
        """The command that creates its pods again. pods: their names, as far as they are known."""
        if self.kind.restarts:
            return f"kubectl rollout restart {self.kind.name.lower()}/{self.name} -n {self.namespace}"
        if self.kind == ROLLOUT:
            now = '{\\"spec\\":{\\"restartAt\\":\\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\\"}}'
            return f'kubectl patch {self.command()} --type merge -p "{now}"'
        if self.kind.name == "Pod":
            return f"delete the pod and create it again: kubectl delete pod {self.name} -n {self.namespace}"
        if self.kind.name in ("Job", "CronJob"):
            return f"delete the Job and create it again, or let the next one come: kubectl get jobs -n {self.namespace}"
        which = " ".join(pods) or f"-l {selectors.query((self.document.get('spec') or {}).get('selector') or {})}"
        return f"delete its pods, and it makes new ones: kubectl delete pod {which} -n {self.namespace}"

    def labelling(self, labels: Mapping[str, str]) -> str:
        """The end of a sentence with the commands that label its pods.

        The pods of these kinds are created again by that. A Pod or a Job cannot be changed.
        """
        then = "" if self.kind.restarts else f", then {self.restart()}"
        if self.kind.name in ("Pod", "Job"):
            return then
        patch: dict[str, Any] = {"metadata": {"labels": dict(labels)}}
        for step in reversed(self.kind.steps):
            patch = {step: patch}
        text = json.dumps(patch, separators=(",", ":"))
        return f": kubectl patch {self.command()} --type merge -p {shlex.quote(text)}{then}"

    def _template(self) -> Any:
        template: Any = self.document
        for step in self.kind.steps:
            template = template.get(step) if isinstance(template, dict) else None
        return template

    def _with_claims(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """The spec with the volumes that the controller of a StatefulSet makes of its claims, before the others."""
        own = self.document.get("spec") or {}
        claims = [str(each["metadata"]["name"]) for each in own.get("volumeClaimTemplates") or ()]
        if not claims:
            return spec
        number = (own.get("ordinals") or {}).get("start") or 0
        volumes = [
            {"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{self.name}-{number}"}} for name in claims
        ]
        others = [each for each in spec.get("volumes") or () if each.get("name") not in claims]
        return {**spec, "volumes": volumes + others}


def kind_and_name(text: str) -> tuple[WorkloadKind, str]:
    """KIND/NAME as kubectl takes it: singular, plural or short, in any case. Raises ValueError: what is expected."""
    kind, _, name = text.partition("/")
    kinds = [each for each in (*WORKLOAD_KINDS, ROLLOUT) if each.has_pods]
    for each in kinds:
        if kind.lower().partition(".")[0] in (each.name.lower(), each.plural, *each.short):
            if names.OBJECT_NAME.fullmatch(name):
                return each, name
            break
    raise ValueError(f"KIND/NAME, KIND one of {', '.join(each.name.lower() for each in kinds)}")


def absent(kind: WorkloadKind, namespace: str, name: str) -> Finding:
    """The workload does not exist."""
    place = Place(f"{kind.name} {namespace}/{name}")
    return finding("workload", rows.WORKLOAD_ABSENT, place, plural=kind.plural, namespace=namespace)


def findings(
    workload: Workload,
    account: Account | None,
    namespace_labels: Mapping[str, str],
    policy: Policy,
    found: Registration | None,
) -> Iterator[Finding]:
    """The findings about a workload before its pods are looked at. found: None if the user may not see it."""
    place = Place(str(workload))
    yield from without_effect(workload)
    decision = decision_for(workload.request, account, namespace_labels, policy)
    if decision.reason in ("not-selected", "opted-out"):
        yield _not_selected(workload, policy)
        return
    left_out = _left_out_by_selector(workload, namespace_labels, found) if found else None
    if left_out:
        yield left_out
        return
    if decision.outcome == "denied":
        yield finding("workload", rows.PODS_REFUSED, place, reason=one_line(decision.problems))
        return
    yield from _of_warnings(workload, decision)
    if decision.reason == "all-skipped":
        yield finding("workload", rows.ALL_CONTAINERS_SKIPPED, Place(str(workload), names.SKIP_CONTAINERS))
    elif decision.reason in ("injected", "already-injected"):
        yield finding("workload", rows.WORKLOAD_TAKEN, place, account=workload.account)


def decision_for(
    request: Request, account: Account | None, namespace_labels: Mapping[str, str], policy: Policy
) -> Decision:
    """What the webhook would do with a pod."""
    return decide_early(request, policy, namespace_labels) or decide(request, account, policy)


def _of_warnings(workload: Workload, decision: Decision) -> Iterator[Finding]:
    """The warnings about the pods. Those about the ServiceAccount are reported where that is looked at."""
    account = str(Account(workload.namespace, workload.account, {}))
    for warning in decision.warnings:
        if warning.place.object != account and warning.kind not in NEAR_MISSES:  # these are in `without_effect`
            fix = "" if warning.fix else "change the pod template, if it is a mistake"
            yield Finding("workload", warning, command=fix)


def _not_selected(workload: Workload, policy: Policy) -> Finding:
    """The finding about pods that never reach the webhook, or that it does not change because of their label."""
    place = Place(str(workload), field=workload.field("metadata", "labels"))
    if workload.namespace in (*names.SYSTEM_NAMESPACES, policy.own_namespace):
        return finding("workload", rows.NAMESPACE_NEVER_TAKEN, place)
    use = names.USE_LABEL
    value = workload.labels.get(use)
    template = "its pod template" if workload.kind.steps else "it"
    labelling = workload.labelling({use: "true"})
    if value == "false":
        return finding("workload", rows.OPTED_OUT, place, template=template, label=use, labelling=labelling)
    if value is not None:
        return finding("workload", rows.USE_LABEL_INVALID, place, label=use, value=value, labelling=labelling)
    if policy.scope == NAMESPACE_LABEL:
        labelling += f"; or for all pods: kubectl label namespace {workload.namespace} {names.INJECT_LABEL}=true"
    on_itself = use in ((workload.document.get("metadata") or {}).get("labels") or {})
    kind = rows.USE_LABEL_MISPLACED if on_itself else rows.USE_LABEL_MISSING
    return finding("workload", kind, place, template=template, label=use, labelling=labelling)


def _left_out_by_selector(
    workload: Workload, namespace_labels: Mapping[str, str], found: Registration
) -> Finding | None:
    """The finding if the platform engineer's own objectSelector leaves its pods out."""
    entry = found.narrower_entry(workload.labels, workload.namespace, namespace_labels)
    if entry is None:
        return None
    wanted = selectors.wanted_labels(entry.document.get("objectSelector"))
    missing = {key: value for key, value in wanted.items() if workload.labels.get(key) != value}
    return finding(
        "workload",
        rows.POD_LABELS_MISSING if missing else rows.POD_LABELS_EXCLUDED,
        Place(str(workload), field=workload.field("metadata", "labels")),
        configuration=found.name,
        entry=entry.name,
        labels=selectors.join(missing, " and "),
        labelling=workload.labelling(missing) if missing else "",
    )


def without_effect(workload: Workload) -> Iterator[Finding]:
    """Labels and annotations under our prefixes that have no effect where they are."""
    if workload.kind.steps:
        yield from _of_own_annotations(workload)
    place = Place(str(workload), field=workload.field("metadata", "labels"))
    for label in sorted(workload.labels):
        if label in _SETTINGS:
            yield finding("workload", rows.POD_LABEL, place, label=label)
    bare = Account(workload.namespace, workload.account, {})
    for warning in read_identity(workload.request, bare, Policy()).warnings:
        if warning.kind in NEAR_MISSES:
            yield Finding("workload", warning)


def _of_own_annotations(workload: Workload) -> Iterator[Finding]:
    """Annotations on the workload itself."""
    own = (workload.document.get("metadata") or {}).get("annotations") or {}
    for key, value in sorted(own.items()):
        if key in _SETTINGS:
            on_account = key in names.ACCOUNT_ANNOTATIONS - names.POD_ANNOTATIONS
            yield finding(
                "workload",
                rows.ACCOUNT_ANNOTATION_ON_WORKLOAD if on_account else rows.POD_ANNOTATION_ON_WORKLOAD,
                Place(str(workload), key, workload.field("metadata", "annotations")),
                kind=workload.kind.name,
                command=workload.command(),
                account=workload.account,
                namespace=workload.namespace,
                value=shlex.quote(value),
            )

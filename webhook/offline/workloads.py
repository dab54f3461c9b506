"""Where each kind keeps its pod template, and what the webhook would do with the pods.

    kind                                                         the pod is
    Pod                                                          the object itself
    Deployment ReplicaSet StatefulSet DaemonSet (apps)           spec.template
    ReplicationController                                        spec.template
    Job (batch)                                                  spec.template
    CronJob (batch)                                              spec.jobTemplate.spec.template
    PodTemplate                                                  template

A template is decided as the pod that its controller would make of it, after what kube-apiserver does to every pod
before it asks a webhook. What the files do not hold (a ServiceAccount, a namespace) is not known, which is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from webhook.accounts.source import account_from
from webhook.core import names
from webhook.core.decision import Decision, decide, decide_early
from webhook.core.identity import Account
from webhook.core.messages import Kind, Message, Severity, message
from webhook.core.mutation import Operation
from webhook.core.pod_shape import shape_problem
from webhook.core.policy import POD_LABEL, Policy
from webhook.core.review import Request
from webhook.core.selection import skip_reason
from webhook.documents.files import Manifest
from webhook.offline.hints import hints

_TEMPLATE: Final = ("spec", "template")
_PLACES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("", "Pod"): (),
    ("", "ReplicationController"): _TEMPLATE,
    ("", "PodTemplate"): ("template",),
    **dict.fromkeys(
        ((group, kind) for group in ("apps", "extensions") for kind in ("Deployment", "ReplicaSet", "DaemonSet")),
        _TEMPLATE,
    ),
    ("apps", "StatefulSet"): _TEMPLATE,
    ("batch", "Job"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", *_TEMPLATE),
}


@dataclass(frozen=True)
class Result:
    """What becomes of one object. operations: the JSON Patch of the object itself, not of its pod."""

    manifest: Manifest
    namespace: str
    decision: Decision
    operations: tuple[Operation, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its kind, namespace and name, in ASCII."""
        return ascii(f"{self.manifest.kind} {self.namespace}/{self.manifest.name}")[1:-1]

    @property
    def refused(self) -> bool:
        """Whether kube-apiserver would not take it."""
        return self.decision.outcome in ("denied", "error")

    @property
    def has_pods(self) -> bool:
        """Whether it is a pod or makes some."""
        return _steps(self.manifest) is not None


def decide_all(manifests: Sequence[Manifest], policy: Policy, namespace: str) -> list[Result]:
    """What becomes of each object that holds a pod, and of each other one that is refused, in their order.

    namespace: for objects that name none.
    """
    refused: list[Result] = []
    cluster = _Cluster({}, {}, policy)
    for manifest in manifests:
        if (manifest.group, manifest.kind) in (("", "ServiceAccount"), ("", "Namespace")):
            problem = cluster.add(manifest, namespace)
            if problem:
                refused.append(Result(manifest, manifest.namespace(namespace), problem))
    decided = {id(result.manifest): result for result in refused}
    for manifest in manifests:
        if _steps(manifest) is not None:
            decided[id(manifest)] = cluster.result(manifest, manifest.namespace(namespace))
    return [decided[id(manifest)] for manifest in manifests if id(manifest) in decided]


@dataclass(frozen=True)
class _Cluster:
    """What the files tell of a cluster. labels: of each namespace."""

    accounts: dict[tuple[str, str], Account]
    labels: dict[str, Mapping[str, str]]
    policy: Policy

    def add(self, manifest: Manifest, namespace: str) -> Decision | None:
        """Takes in a ServiceAccount or a Namespace; the result is why kube-apiserver would not."""
        problems = [_problem(text) for text in _not_text(manifest, ("metadata",))]
        if problems:
            return _refusal(problems)
        metadata = _with_text(manifest.metadata)
        if manifest.kind == "Namespace":
            labels = metadata.get("labels")
            self.labels[manifest.name] = labels if isinstance(labels, dict) else {}
            return None
        if not metadata.get("name") and metadata.get("generateName"):
            return None  # kube-apiserver makes its name up, so no pod here can mean it
        document = {"metadata": {**metadata, "namespace": manifest.namespace(namespace)}}
        try:
            account = account_from(document, place=manifest.place("metadata"))
        except ValueError as error:
            return _refusal([_problem(str(error))])
        self.accounts[account.namespace, account.name] = account
        return None

    def result(self, manifest: Manifest, namespace: str) -> Result:
        """What becomes of an object that holds a pod."""
        steps = _steps(manifest) or ()
        template: Any = manifest.value
        for step in steps:
            template = template.get(step) if isinstance(template, dict) else None
        problems = [_problem(text) for text in _not_text(manifest, (*steps, "metadata"))]
        if not problems:
            pod = _pod(template, manifest) if isinstance(template, dict) else template
            problem = shape_problem(pod)
            if problem:
                place = manifest.place(*steps, *problem.steps)
                problems.append(problem.message(path=".".join(steps), place=place))
        if problems:
            return Result(manifest, namespace, _refusal(problems))
        request = Request(uid="", namespace=namespace, pod=pod)
        decision = self._decision(request)
        account = self.accounts.get((namespace, request.account_name))
        prefix = "".join(f"/{step}" for step in steps)
        operations = tuple(moved(operation, prefix) for operation in decision.operations)
        label_decides = self.policy.scope == POD_LABEL and _selected(request, self.policy, label="true")
        told = hints(manifest, steps, decision, account, label_decides=label_decides)
        return Result(manifest, namespace, decision, operations, tuple(told))

    def _decision(self, request: Request) -> Decision:
        labels = self.labels.get(request.namespace)
        warnings: tuple[Message, ...] = ()
        if labels is None:
            labels = {}
            # Only where it matters what the labels are.
            if not skip_reason(request, self.policy, {names.INJECT_LABEL: "true"}) and skip_reason(
                request, self.policy, labels
            ):
                warnings = (
                    _warning(
                        f"Namespace {request.namespace} is not in the files: its labels are not known, and it is taken "
                        f'for one without {names.INJECT_LABEL}: "true"'
                    ),
                )
        decision = decide_early(request, self.policy, labels)
        if decision is None:
            account = self.accounts.get((request.namespace, request.account_name))
            decision = decide(request, account, self.policy)
            if account is None:
                name = f"{request.namespace}/{request.account_name}"
                text = f"ServiceAccount {name} is not in the files: the webhook would ask the cluster for it; add it"
                decision = replace(
                    decision,
                    warnings=(
                        _warning(
                            f"{text} with -f (kubectl get serviceaccount {request.account_name} -n "
                            f"{request.namespace} -o yaml)"
                        ),
                    ),
                )
        return replace(decision, warnings=warnings + decision.warnings)


def moved(operation: Operation, prefix: str) -> Operation:
    """`operation` on an object that holds, at the JSON Pointer `prefix`, the one that it was for."""
    return {"op": "add", "path": prefix + operation["path"], "value": operation["value"]}


def _steps(manifest: Manifest) -> tuple[str, ...] | None:
    """Where the object keeps its pod template, or None when it has none."""
    return _PLACES.get((manifest.group, manifest.kind))


def _pod(template: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    """The pod as a webhook would see it. Labels and annotations are what they were, but null is empty text."""
    pod = dict(template)
    if isinstance(template.get("metadata") or {}, dict):
        pod["metadata"] = _with_text(template.get("metadata") or {})
        if manifest.kind != "Pod":
            pod["metadata"].pop("name", None)
            pod["metadata"]["generateName"] = f"{manifest.name.removesuffix('*')}-"
    spec = template.get("spec")
    if isinstance(spec, dict) and spec.get("serviceAccount") and not spec.get("serviceAccountName"):
        pod["spec"] = {**spec, "serviceAccountName": spec["serviceAccount"]}  # the name it had before 1.0
    return pod


def _with_text(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """`metadata` with null in labels and annotations as the empty text that kube-apiserver makes of it."""
    result = dict(metadata)
    for key in ("labels", "annotations"):
        if isinstance(result.get(key), dict):
            result[key] = {name: "" if value is None else value for name, value in result[key].items()}
    return result


def _not_text(manifest: Manifest, steps: tuple[str, ...]) -> Iterator[str]:
    """The labels and annotations that kube-apiserver refuses, because their author forgot the quotes."""
    metadata: Any = manifest.value
    for step in steps:
        metadata = metadata.get(step) if isinstance(metadata, dict) else None
    for kind in ("labels", "annotations"):
        values = metadata.get(kind) if isinstance(metadata, dict) else None
        for key, value in values.items() if isinstance(values, dict) else ():
            if value is None or isinstance(value, str):
                continue
            shown = "true" if value is True else "false" if value is False else ascii(value)[:80]
            what = {bool: "boolean", int: "number", float: "number", list: "list"}.get(type(value), "object")
            mend = f': put it in quotes, "{shown}"' if what in ("boolean", "number") else ""
            place = manifest.place(*steps, kind, key)
            yield f"{place}: {kind[:-1]} {ascii(key)[1:-1]} is the {what} {shown}, and has to be text{mend}"


def _selected(request: Request, policy: Policy, *, label: str) -> bool:
    """Whether the pod would be, with this label."""
    metadata = request.pod["metadata"]
    labels = {**(metadata.get("labels") or {}), names.USE_LABEL: label}
    return not skip_reason(request._replace(pod={**request.pod, "metadata": {**metadata, "labels": labels}}), policy)


def _refusal(problems: Sequence[Message]) -> Decision:
    return Decision("error", "bad-request", problems=tuple(problems))


# Sentences that have no row in the table of messages yet.
def _problem(text: str) -> Message:
    return message(Kind("", Severity.ERROR, "{text}"), text=text)


def _warning(text: str) -> Message:
    return message(Kind("", Severity.WARNING, "{text}"), text=text)

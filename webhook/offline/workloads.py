"""What the webhook would do with the pods of each object.

A template is decided as the pod that its controller would create from it, after the changes that kube-apiserver makes
to each pod before it calls a webhook. If a ServiceAccount or a namespace is not in the files, a warning says so. Which
objects have pods, and where their template is, stands in webhook.core.workload_kinds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from webhook.accounts.files import BadFiles, account_in, is_account
from webhook.core import names
from webhook.core.decision import Decision, decide, decide_early
from webhook.core.identity import Account
from webhook.core.messages import Message, manifests, message
from webhook.core.mutation import Operation
from webhook.core.pod_shape import shape_problem
from webhook.core.policy import POD_LABEL, Policy
from webhook.core.review import Request
from webhook.core.selection import skip_reason
from webhook.core.workload_kinds import workload_kind
from webhook.documents import metadata
from webhook.documents.files import Manifest
from webhook.offline import operators
from webhook.offline.hints import hints

_UNDECIDED: Final = Decision("unchanged", "not-selected")


@dataclass(frozen=True)
class Result:
    """The decision about one object. operations: the JSON Patch of the object itself, not of its pod.

    note: instead of a decision, of an object whose pods an operator makes. request, account: what was decided about,
    if the object has pods in which nothing is wrong, and their ServiceAccount, if it is in the files.
    """

    manifest: Manifest
    namespace: str
    decision: Decision
    operations: tuple[Operation, ...] = ()
    hints: tuple[Message, ...] = ()
    note: Message | None = None
    request: Request | None = None
    account: Account | None = None

    @property
    def title(self) -> str:
        """Its kind, namespace and name, in ASCII."""
        return ascii(f"{self.manifest.kind} {self.namespace}/{self.manifest.name}")[1:-1]

    @property
    def refused(self) -> bool:
        """Whether kube-apiserver would refuse it."""
        return self.decision.outcome in ("denied", "error")

    @property
    def has_template(self) -> bool:
        """Whether it is a pod or has a pod template."""
        return _steps(self.manifest) is not None


def decide_all(manifests: Sequence[Manifest], policy: Policy, namespace: str) -> list[Result]:
    """The result for each object with pods, and for each other object that is refused, in order.

    namespace: of objects that name none.
    """
    cluster = _Cluster({}, {}, policy)
    decided: dict[int, Result] = {}
    for manifest in manifests:
        problems = cluster.add(manifest, namespace)
        if problems:
            decided[id(manifest)] = _refusal(manifest, manifest.namespace(namespace), problems)
    for manifest in manifests:
        if _steps(manifest) is not None:
            decided[id(manifest)] = cluster.result(manifest, manifest.namespace(namespace))
        elif id(manifest) not in decided and (result := cluster.note(manifest, manifest.namespace(namespace))):
            decided[id(manifest)] = result
    return [decided[id(manifest)] for manifest in manifests if id(manifest) in decided]


@dataclass(frozen=True)
class _Cluster:
    """The cluster as the files describe it. labels: those of each namespace."""

    accounts: dict[tuple[str, str], Account]
    labels: dict[str, Mapping[str, str]]
    policy: Policy

    def add(self, manifest: Manifest, namespace: str) -> Sequence[Message]:
        """Adds a ServiceAccount or a Namespace. Returns why kube-apiserver would refuse it."""
        if is_account(manifest):
            try:
                account = account_in(manifest, namespace)
            except BadFiles as error:
                return error.problems
            if account:
                self.accounts[account.namespace, account.name] = account
        elif (manifest.group, manifest.kind) == ("", "Namespace"):
            problems = [*metadata.problems(manifest, "metadata")]
            if problems:
                return problems
            labels = metadata.with_texts(manifest.metadata).get("labels")
            self.labels[manifest.name] = labels if isinstance(labels, dict) else {}
        return ()

    def result(self, manifest: Manifest, namespace: str) -> Result:
        """The result for an object with pods."""
        steps = _steps(manifest) or ()
        template: Any = manifest.value
        for step in steps:
            template = template.get(step) if isinstance(template, dict) else None
        problems = [*metadata.problems(manifest, *steps, "metadata")]
        if not problems:
            pod = pod_of(template, manifest) if isinstance(template, dict) else template
            problem = shape_problem(pod)
            if problem:
                place = manifest.place(*steps, *problem.steps).object
                problems.append(problem.message(path=".".join(steps), place=place))
        if problems:
            return _refusal(manifest, namespace, problems)
        request = Request(uid="", namespace=namespace, pod=pod)
        decision = self._decision(request)
        account = self.accounts.get((namespace, request.account_name))
        prefix = "".join(f"/{step}" for step in steps)
        operations = tuple(below(prefix, operation) for operation in decision.operations)
        label_decides = self.policy.scope == POD_LABEL and _selected(request, self.policy, label="true")
        found = hints(manifest, steps, decision, account, label_decides=label_decides)
        return Result(manifest, namespace, decision, operations, tuple(found), request=request, account=account)

    def note(self, manifest: Manifest, namespace: str) -> Result | None:
        """What there is to say of an object whose pods an operator makes; None for any other object."""
        note = operators.note(manifest, {name for place, name in self.accounts if place == namespace})
        if note is None:
            return None
        return Result(manifest, namespace, _UNDECIDED, hints=tuple(operators.hints(manifest)), note=note)

    def _decision(self, request: Request) -> Decision:
        labels = self.labels.get(request.namespace)
        warnings: tuple[Message, ...] = ()
        if labels is None:
            labels = {}
            # The warning is only for pods about which the labels decide.
            if not skip_reason(request, self.policy, {names.INJECT_LABEL: "true"}) and skip_reason(
                request, self.policy, labels
            ):
                unknown = message(
                    manifests.NAMESPACE_NOT_IN_FILES, namespace=request.namespace, label=names.INJECT_LABEL
                )
                warnings = (unknown,)
        decision = decide_early(request, self.policy, labels)
        if decision is None:
            account = self.accounts.get((request.namespace, request.account_name))
            decision = decide(request, account, self.policy)
            if account is None:
                absent = message(manifests.ACCOUNT_NOT_IN_FILES, namespace=request.namespace, name=request.account_name)
                decision = decision._replace(warnings=(absent,))
        return decision._replace(warnings=warnings + decision.warnings)


def below(prefix: str, operation: Operation) -> Operation:
    """`operation` for the enclosing object, in which its own object is at the JSON Pointer `prefix`."""
    return {"op": "add", "path": prefix + operation["path"], "value": operation["value"]}


def _steps(manifest: Manifest) -> tuple[str, ...] | None:
    """The path to the object's pod template; None if it has no pods."""
    kind = workload_kind(manifest.group, manifest.kind)
    return kind.steps if kind else None


def pod_of(template: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
    """The pod as a webhook would see it. Null in labels and annotations is empty text."""
    pod = dict(template)
    if isinstance(template.get("metadata") or {}, dict):
        pod["metadata"] = metadata.with_texts(template.get("metadata") or {})
        if manifest.kind != "Pod":
            pod["metadata"].pop("name", None)
            pod["metadata"]["generateName"] = f"{manifest.name.removesuffix('*')}-"
    spec = template.get("spec")
    if isinstance(spec, dict) and spec.get("serviceAccount") and not spec.get("serviceAccountName"):
        pod["spec"] = {**spec, "serviceAccountName": spec["serviceAccount"]}  # the name it had before 1.0
    return pod


def _selected(request: Request, policy: Policy, *, label: str) -> bool:
    """Whether the pod would be selected with this label."""
    metadata = request.pod["metadata"]
    labels = {**(metadata.get("labels") or {}), names.USE_LABEL: label}
    return not skip_reason(request._replace(pod={**request.pod, "metadata": {**metadata, "labels": labels}}), policy)


def _refusal(manifest: Manifest, namespace: str, problems: Sequence[Message]) -> Result:
    return Result(manifest, namespace, Decision("error", "bad-request", problems=tuple(problems)))

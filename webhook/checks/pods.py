"""The running pods of a ServiceAccount or a workload: which of them must be created again, and the command for it."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from webhook.checks.differences import Difference, Expectation, difference
from webhook.checks.new_pod import without_volume
from webhook.checks.workloads import Workload
from webhook.core import names
from webhook.core.messages import Place
from webhook.core.messages import workloads as rows
from webhook.core.mutation import containers_to_inject
from webhook.core.pod_shape import shape_problem
from webhook.core.review import Request
from webhook.core.selection import skip_reason
from webhook.findings import Finding, finding

Pod = Mapping[str, Any]

_ENDED: Final = ("Succeeded", "Failed")


class State(enum.Enum):
    """How a running pod is that need not be created again."""

    CURRENT = enum.auto()
    OPTED_OUT = enum.auto()
    """By its own label; or it is a mirror pod."""
    UNLABELLED = enum.auto()
    """No entry of the webhook takes pods with its labels."""
    LEFT_OUT = enum.auto()
    """Not even a labelled pod of its namespace is taken."""


@dataclass
class _Sorted:
    """The running pods, by what is to be said about them. An opted-out pod is in none of them."""

    current: list[Pod] = field(default_factory=list)
    unlabelled: list[Pod] = field(default_factory=list)
    outdated: dict[Difference, list[Pod]] = field(default_factory=dict)


def findings(pods: Sequence[Pod], expected: Expectation, whose: str, workload: Workload | None) -> Iterator[Finding]:
    """The findings about the running pods.

    whose: the object that the pods belong to. workload: the object whose template the webhook takes; None for the pods
    of a ServiceAccount, whatever created them.
    """
    place = Place(whose)
    running = [pod for pod in pods if is_running(pod)]
    by_state = _sort(running, expected)
    if by_state.unlabelled and workload:
        by_state.outdated[Difference(rows.OLDER_THAN_LABEL)] = by_state.unlabelled
    for reason, those in by_state.outdated.items():
        yield outdated(reason, those, expected, place, workload)
    if by_state.unlabelled and not workload:
        yield unlabelled(by_state.unlabelled, place)
    if not running:
        yield finding("pods", rows.PODS_NONE, place)
    elif len(by_state.current) == len(running):
        kind = rows.PODS_CURRENT if expected.new else rows.PODS_MATCH_ANNOTATIONS
        yield finding("pods", kind, place, count=_counted(running))


def unlabelled(pods: Sequence[Pod], place: Place) -> Finding:
    """The finding about pods that no entry of the webhook takes."""
    return finding(
        "pods",
        rows.PODS_UNLABELLED,
        place,
        pods=tuple(map(_name, pods)),
        count=_counted(pods),
        label=names.USE_LABEL,
        commands=" and ".join(sorted({f"`m365wi check {_arguments(pod)}`" for pod in pods})),
    )


def token_files(pod: Pod, workload: Workload) -> Iterator[Finding]:
    """The findings about a new pod of a workload whose variables name a file that is not there."""
    request = Request(uid="", namespace=workload.namespace, pod=pod)
    for container in containers_to_inject(pod["spec"], request.skipped):
        lacking = without_volume(container.container)
        if lacking:
            variable, path = lacking
            yield finding(
                "workload",
                rows.NEW_TOKEN_FILE_ABSENT,
                Place(str(workload), field=workload.field("spec")),
                container=container.container.get("name"),
                variable=variable,
                there=path,
                removal=without_variable(workload, variable),
            )


def restart(pod: Pod) -> str:
    """The command that creates a pod again, by the object that it belongs to."""
    namespace, name = (pod.get("metadata") or {}).get("namespace"), _name(pod)
    kind, owner_name = owner(pod)
    if kind in ("Deployment", "StatefulSet", "DaemonSet"):
        return f"kubectl rollout restart {kind.lower()}/{owner_name} -n {namespace}"
    if kind == "Job":
        return f"delete Job {owner_name} and create it again, or let the next one come"
    if kind:
        return f"kubectl delete pod {name} -n {namespace} ({kind} {owner_name} makes a new one)"
    return f"delete the pod and create it again: kubectl delete pod {name} -n {namespace}"


def without_variable(workload: Workload | None, variable: str) -> str:
    """How a variable is taken out of the pod template."""
    if workload and workload.kind.restarts:
        return f"kubectl set env {workload.kind.name.lower()}/{workload.name} -n {workload.namespace} {variable}-"
    return f"remove {variable} from the containers of the pod template, then create the pods again"


def owner(pod: Pod) -> tuple[str, str]:
    """Kind and name of the object that a pod belongs to, "" if it belongs to none."""
    metadata = pod.get("metadata") or {}
    owner: Mapping[str, Any] = next(
        (each for each in metadata.get("ownerReferences") or () if each.get("controller")), {}
    )
    kind, name = str(owner.get("kind") or ""), str(owner.get("name") or "")
    template_hash = (metadata.get("labels") or {}).get("pod-template-hash")
    if kind == "ReplicaSet" and template_hash and name.endswith(f"-{template_hash}"):
        return "Deployment", name.removesuffix(f"-{template_hash}")
    return kind, name


def _arguments(pod: Pod) -> str:
    """The arguments of `check` for the workload of a pod."""
    kind, name = owner(pod)
    workload = f"{kind.lower()}/{name}" if kind else f"pod/{_name(pod)}"
    return f"-n {(pod.get('metadata') or {}).get('namespace')} --workload {workload}"


def state_of(pod: Pod, expected: Expectation) -> State | Difference:
    """What is to be said about a running pod; a Difference if it must, or may have to, be created again."""
    request = Request(uid="", namespace=expected.account.namespace, pod=pod)
    reason = _skip_reason(request, expected)
    if reason == "not-selected":
        # A namespace that is left out is a finding of its own, and no label helps.
        return State.LEFT_OUT if _namespace_left_out(request, expected) else State.UNLABELLED
    return State.OPTED_OUT if reason else difference(request, expected) or State.CURRENT


def _sort(running: Sequence[Pod], expected: Expectation) -> _Sorted:
    by_state = _Sorted()
    for pod in running:
        found = state_of(pod, expected)
        if isinstance(found, Difference):
            by_state.outdated.setdefault(found, []).append(pod)
        elif found is State.UNLABELLED:
            by_state.unlabelled.append(pod)
        elif found is State.CURRENT:
            by_state.current.append(pod)
    return by_state


def outdated(
    reason: Difference, pods: Sequence[Pod], expected: Expectation, place: Place, workload: Workload | None
) -> Finding:
    """The finding about pods that must, or may have to, be created again."""
    commands = {workload.restart([*map(_name, pods)]) if workload else restart(pod) for pod in pods}
    wait = expected.wait() if reason.variable or reason.there else ""
    return finding(
        "pods",
        reason.kind,
        place,
        pods=tuple(map(_name, pods)),
        count=_counted(pods),
        variable=reason.named,
        container=reason.container,
        there=reason.there,
        wanted=reason.wanted,
        change="the annotation or a setting of the webhook" if expected.new else "the annotation",
        restart=wait + "; ".join(sorted(commands)),
        removal=without_variable(workload, reason.variable),
    )


def _skip_reason(request: Request, expected: Expectation) -> str:
    """Why a new pod like this one would get no identity; "" if it would."""
    reason = skip_reason(request, expected.policy, expected.namespace_labels)
    labels = (request.pod.get("metadata") or {}).get("labels") or {}
    if reason or expected.found is None:
        return reason
    taken = expected.found.entry_taking(labels, request.namespace, expected.namespace_labels)
    return "" if taken else "not-selected"


def _namespace_left_out(request: Request, expected: Expectation) -> bool:
    """Whether not even a labelled pod of the namespace is taken."""
    found, labels = expected.found, expected.namespace_labels
    return found is not None and not found.entry_taking(found.labels_with_use(), request.namespace, labels)


def is_running(pod: Pod) -> bool:
    """Whether a pod is there to stay, and has the shape of a pod."""
    ended = (pod.get("status") or {}).get("phase") in _ENDED or (pod.get("metadata") or {}).get("deletionTimestamp")
    return not ended and not shape_problem(pod)


def _name(pod: Pod) -> str:
    return str((pod.get("metadata") or {}).get("name"))


def _counted(pods: Sequence[object]) -> str:
    return "1 pod" if len(pods) == 1 else f"{len(pods)} pods"

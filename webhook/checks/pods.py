"""Pods that run: which of them lack what a new one would get, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from webhook import names
from webhook.checks.registration import Registration
from webhook.checks.words import moment
from webhook.checks.workloads import Workload
from webhook.findings import Finding, fail, ok, warn
from webhook.identity import Account, Identity, read, skipped
from webhook.mutation import KINDS, receiving
from webhook.policy import Policy
from webhook.review import Request, pod_problem
from webhook.selection import passed_over

_OVER: Final = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Expectation:
    """What pods are compared with.

    annotated: when the annotations of the ServiceAccount were last written, None when it is not known. policy: without
    defaults, since what the webhook fills in where no annotation says it is not known. own: the variables that the
    workload's own template sets, by container; None where there is no template to look at.
    """

    account: Account
    annotated: datetime | None
    found: Registration | None
    namespace_labels: Mapping[str, str]
    policy: Policy
    own: Mapping[str, frozenset[str]] | None = None


def findings(
    pods: Sequence[Mapping[str, Any]], expected: Expectation, whose: str, workload: Workload | None
) -> Iterator[Finding]:
    """What there is to say of the pods that run.

    whose: pods they are, for a sentence. workload: the one that made them, whose template the webhook takes; None for
    pods of whatever made them.
    """
    running = [pod for pod in pods if _runs(pod)]
    stale: dict[str, list[Mapping[str, Any]]] = {}
    unlabelled = []
    good = 0
    for pod in running:
        request = Request(uid="", namespace=expected.account.namespace, pod=pod)
        left_out = passed_over(request, expected.policy, expected.namespace_labels)
        if left_out == "not-selected":
            unlabelled.append(pod)
        elif not left_out:
            why = _stale(request, expected)
            good += not why
            if why:
                stale.setdefault(why, []).append(pod)
    if unlabelled and workload:
        stale["they are older than the label in the pod template"] = unlabelled
    for why, these in stale.items():
        yield fail(
            "pods",
            f"{_counted(these)} of {whose} {'has' if len(these) == 1 else 'have'} to be made anew: {why}.",
            fix="; ".join(sorted({workload.restart() if workload else restart(pod) for pod in these})),
            pods=tuple(map(_name, these)),
        )
    if unlabelled and not workload:
        yield warn(
            "pods",
            f"{_counted(unlabelled)} of {whose} without an identity: the label {names.USE_LABEL} is lacking.",
            fix=f'put {names.USE_LABEL}: "true" into the pod template of their workload (`check --workload KIND/NAME`)',
            pods=tuple(map(_name, unlabelled)),
        )
    if not running:
        yield ok("pods", f"No pod of {whose} runs at the moment.")
    elif good == len(running):
        yield ok("pods", f"{_counted(running)} of {whose}, with what a new one would get.")


def own_variables(pod: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """The variables that each container of a pod template sets itself."""
    spec = pod.get("spec") or {}
    return {
        str(container.get("name")): frozenset(str(entry.get("name")) for entry in container.get("env") or ())
        for kind in KINDS
        for container in spec.get(kind) or ()
    }


def annotated_at(document: Mapping[str, Any]) -> datetime | None:
    """When somebody last wrote an annotation of ours on an object, as its managedFields have it."""
    times = []
    for entry in (document.get("metadata") or {}).get("managedFields") or ():
        fields = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {}
        ours = any(key.startswith((f"f:{names.AZURE_PREFIX}", f"f:{names.M365_PREFIX}")) for key in fields)
        time = moment(entry.get("time"))
        if ours and time:
            times.append(time)
    return max(times, default=None)


def restart(pod: Mapping[str, Any]) -> str:
    """The command that makes a pod anew, by what made it."""
    metadata = pod.get("metadata") or {}
    namespace, name = metadata.get("namespace"), _name(pod)
    owner: Mapping[str, Any] = next(
        (each for each in metadata.get("ownerReferences") or () if each.get("controller")), {}
    )
    kind, made_by = str(owner.get("kind") or ""), str(owner.get("name") or "")
    mark = (metadata.get("labels") or {}).get("pod-template-hash")
    if kind == "ReplicaSet" and mark and made_by.endswith(f"-{mark}"):
        kind, made_by = "Deployment", made_by.removesuffix(f"-{mark}")
    if kind in ("Deployment", "StatefulSet", "DaemonSet"):
        return f"kubectl rollout restart {kind.lower()}/{made_by} -n {namespace}"
    if kind == "Job":
        return f"delete Job {made_by} and create it again, or let the next one come"
    if kind:
        return f"kubectl delete pod {name} -n {namespace} ({kind} {made_by} makes a new one)"
    return f"delete the pod and create it again: kubectl delete pod {name} -n {namespace}"


def _stale(request: Request, expected: Expectation) -> str:
    """Why a pod has to be made anew, as a clause about several, or ""."""
    identity = read(request, expected.account, expected.policy).identity
    receivers = [each.container for each in receiving(request.pod["spec"], skipped(request))]
    if identity is None or not receivers:
        return ""  # told where the ServiceAccount and the workload are looked at
    metadata = request.pod.get("metadata") or {}
    made = moment(metadata.get("creationTimestamp"))
    if any(names.TOKEN_FILE_VARIABLE in _environment(container) for container in receivers):
        wanted = _wanted(identity, request, expected.account)
        for container in receivers:
            environment = _environment(container)
            own = (expected.own or {}).get(str(container.get("name")), frozenset())
            if names.TOKEN_FILE_VARIABLE not in environment:
                continue  # added later, by another webhook
            for name, value in wanted.items():
                entry = environment.get(name)
                if name in own or (entry and "valueFrom" in entry):
                    continue
                if entry is None:
                    return f"{name} is lacking, so they are older than the annotation, or the webhook was away"
                if entry.get("value") != value:
                    by_hand = "" if expected.own is not None else ", or it was set by hand"
                    return f"{name} is another than annotated, so they are older than the annotation{by_hand}"
        return ""
    labelled = (metadata.get("labels") or {}).get(names.USE_LABEL) == "true"
    if not labelled and not identity.client_id:
        return ""  # asked for nothing
    found = expected.found
    if found and found.created and made and made < found.created:
        return "they are older than the installation of the webhook"
    if not labelled and expected.annotated and made and made <= expected.annotated:
        return "they are older than the annotations of the ServiceAccount"
    return "they were created while the webhook was away, or labelled afterwards"


def _wanted(identity: Identity, request: Request, account: Account) -> dict[str, str]:
    """The variables that the annotations themselves decide, with their values."""
    on_pod = (request.pod.get("metadata") or {}).get("annotations") or {}
    said = {key for key, value in {**account.annotations, **on_pod}.items() if value.strip()}
    values: dict[str, str] = {}
    if "m365" in identity.families:
        values |= {"M365_CLIENT_ID": identity.client_id, "M365_TENANT_ID": identity.tenant_id}
        values |= {"M365_CLOUD": identity.cloud.name} if names.CLOUD in said else {}
        values |= {"M365_AUTH_METHOD": identity.auth_method} if names.AUTH_METHOD in said else {}
    if "azure" in identity.families:
        values |= {"AZURE_CLIENT_ID": identity.azure_client_id, "AZURE_TENANT_ID": identity.azure_tenant_id}
        values |= {"AZURE_AUTHORITY_HOST": identity.cloud.authority} if names.CLOUD in said else {}
    return {name: value for name, value in values.items() if value}


def _environment(container: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(entry.get("name")): entry for entry in container.get("env") or ()}


def _runs(pod: Mapping[str, Any]) -> bool:
    over = (pod.get("status") or {}).get("phase") in _OVER or (pod.get("metadata") or {}).get("deletionTimestamp")
    return not over and not pod_problem(pod)


def _name(pod: Mapping[str, Any]) -> str:
    return str((pod.get("metadata") or {}).get("name"))


def _counted(pods: Sequence[object]) -> str:
    return "1 pod" if len(pods) == 1 else f"{len(pods)} pods"

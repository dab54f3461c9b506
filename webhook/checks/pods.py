"""Pods that run: which of them lack what a new one would get, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from webhook.checks.new_pod import Given, environment, token
from webhook.checks.registration import Registration
from webhook.checks.text import line, moment
from webhook.checks.workloads import Workload
from webhook.core import names
from webhook.core.identity import Account, Identity, containers_to_skip, read_identity
from webhook.core.mutation import CONTAINER_LISTS, containers_to_inject
from webhook.core.pod_shape import shape_problem
from webhook.core.policy import Policy
from webhook.core.review import Request
from webhook.core.selection import skip_reason
from webhook.core.variables import missing
from webhook.findings import Finding, fail, ok, warn

_OVER: Final = ("Succeeded", "Failed")
# What an identity is told by, beside the path of its token.
VARIABLES: Final = (
    *("M365_CLIENT_ID", "M365_TENANT_ID", "M365_AUTH_METHOD", "M365_CLOUD", names.OIDC_TOKEN_FILE_VARIABLE),
    *("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"),
)


@dataclass(frozen=True)
class Own:
    """What a pod template sets itself: variables, by container, and the names of its volumes."""

    variables: Mapping[str, frozenset[str]]
    volumes: frozenset[str]


@dataclass(frozen=True)
class Difference:
    """What pods have other than new ones would, as a clause.

    certain: it cannot be that somebody meant it so. lacks: something is not there, which nobody sets by hand.
    """

    why: str
    certain: bool = True
    lacks: bool = False


@dataclass(frozen=True)
class Expectation:
    """What pods are compared with.

    annotated: when the annotations of the ServiceAccount were last written, None when it is not known. policy: without
    defaults. new: what a new pod of the ServiceAccount was given, which tells what the webhook fills in where no
    annotation says; None where none could be created. own: what the workload's own template sets; None where there is
    no template to look at.
    """

    account: Account
    annotated: datetime | None
    found: Registration | None
    namespace_labels: Mapping[str, str]
    policy: Policy
    new: Given | None = None
    own: Own | None = None


def findings(
    pods: Sequence[Mapping[str, Any]], expected: Expectation, whose: str, workload: Workload | None
) -> Iterator[Finding]:
    """What there is to say of the pods that run.

    whose: pods they are, for a sentence. workload: the one that made them, whose template the webhook takes; None for
    pods of whatever made them.
    """
    running = [pod for pod in pods if _runs(pod)]
    stale: dict[Difference, list[Mapping[str, Any]]] = {}
    unlabelled = []
    good = 0
    for pod in running:
        request = Request(uid="", namespace=expected.account.namespace, pod=pod)
        left_out = _left_out(request, expected)
        if left_out == "not-selected":
            unlabelled.append(pod)
        elif not left_out:
            difference = _stale(request, expected)
            good += not difference
            if difference:
                stale.setdefault(difference, []).append(pod)
    if unlabelled and workload:
        stale[Difference("they are older than the label in the pod template")] = unlabelled
    for difference, these in stale.items():
        fix = "; ".join(sorted({workload.restart() if workload else restart(pod) for pod in these}))
        these_names = tuple(map(_name, these))
        has = "has" if len(these) == 1 else "have"
        if difference.certain:
            said = f"{_counted(these)} of {whose} {has} to be made anew: {difference.why}."
            yield fail("pods", said, fix=fix, pods=these_names)
        else:
            said = f"{_counted(these)} of {whose} {has} other than a new one would: {difference.why}."
            yield warn("pods", said, fix=f"if nobody meant it: {fix}", pods=these_names)
    if unlabelled and not workload:
        yield warn(
            "pods",
            f"{_counted(unlabelled)} of {whose} without an identity: no entry takes pods with their labels, such as "
            f"{names.USE_LABEL}.",
            fix=f'put {names.USE_LABEL}: "true" into the pod template of their workload (`check --workload KIND/NAME`)',
            pods=tuple(map(_name, unlabelled)),
        )
    if not running:
        yield ok("pods", f"No pod of {whose} runs at the moment.")
    elif good == len(running):
        what = "what a new one would get" if expected.new else "all that the annotations decide"
        yield ok("pods", f"{_counted(running)} of {whose}, with {what}.")


def own(pod: Mapping[str, Any]) -> Own:
    """What a pod template sets itself."""
    spec = pod.get("spec") or {}
    variables = {
        str(container.get("name")): frozenset(str(entry.get("name")) for entry in container.get("env") or ())
        for kind in CONTAINER_LISTS
        for container in spec.get(kind) or ()
    }
    return Own(variables, frozenset(str(volume.get("name")) for volume in spec.get("volumes") or ()))


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


def _left_out(request: Request, expected: Expectation) -> str:
    """Why nobody asks the webhook about a new pod like this one, or what it answers; "" when it injects it."""
    left_out = skip_reason(request, expected.policy, expected.namespace_labels)
    labels = (request.pod.get("metadata") or {}).get("labels") or {}
    if left_out or expected.found is None:
        return left_out
    taken = expected.found.taking(labels, request.namespace, expected.namespace_labels)
    return "" if taken else "not-selected"


def _stale(request: Request, expected: Expectation) -> Difference | None:
    """Why a pod has to be made anew."""
    identity = read_identity(request, expected.account, expected.policy).identity
    receivers = [each.container for each in containers_to_inject(request.pod["spec"], containers_to_skip(request))]
    if identity is None or not receivers:
        return None  # told where the ServiceAccount and the workload are looked at
    metadata = request.pod.get("metadata") or {}
    made = moment(metadata.get("creationTimestamp"))
    holders = [each for each in receivers if names.TOKEN_FILE_VARIABLE in environment(each)]
    if holders:  # any other was added later, by another webhook
        found = [each for container in holders for each in _differences(request, container, identity, expected)]
        return next((each for each in found if each.certain), next(iter(found), None))
    labelled = (metadata.get("labels") or {}).get(names.USE_LABEL) == "true"
    if not labelled and not identity.client_id:
        return None  # asked for nothing
    installed = expected.found
    if installed and installed.created and made and made < installed.created:
        return Difference("they are older than the installation of the webhook")
    if not labelled and expected.annotated and made and made <= expected.annotated:
        return Difference("they are older than the annotations of the ServiceAccount")
    return Difference("they were created while the webhook was away, or labelled afterwards")


def _differences(
    request: Request, container: Mapping[str, Any], identity: Identity, expected: Expectation
) -> Iterator[Difference]:
    """What a container with a token has other than a new one would."""
    older = "so they are older than the annotation" + (" or a setting of the webhook" if expected.new else "")
    for difference in (
        *_of_variables(request, container, identity, expected),
        *_of_token(request, container, identity, expected),
    ):
        by_hand = "" if expected.own else ", or it was set by hand"
        otherwise = ", or the webhook was away" if difference.lacks else by_hand
        yield replace(difference, why=f"{difference.why}, {older}{otherwise}")


def _of_variables(
    request: Request, container: Mapping[str, Any], identity: Identity, expected: Expectation
) -> Iterator[Difference]:
    """Variables that are lacking, that have another value, or that would not be there now."""
    there = environment(container)
    file = str(there[names.TOKEN_FILE_VARIABLE].get("value") or "")
    users = expected.own.variables.get(str(container.get("name"))) if expected.own else None
    for name, value in _wanted(request, identity, file, expected).items():
        entry = there.get(name)
        if name in (users or ()) or (entry and "valueFrom" in entry):
            continue
        if entry is None and value:
            yield Difference(f"{name} is lacking", lacks=True)
        elif entry and not value:
            yield Difference(f"{name} is there and would not be now", certain=expected.own is not None)
        elif entry and entry.get("value") != value:
            yield Difference(f"{name} is another than it would be now")


def _of_token(
    request: Request, container: Mapping[str, Any], identity: Identity, expected: Expectation
) -> Iterator[Difference]:
    """A token for another audience or of another lifetime, in a volume that is not the author's own."""
    found = token(request.pod, container)
    if found is None or (expected.own and found.volume in expected.own.volumes):
        return
    certain = expected.own is not None
    audience = _audience(request, identity, expected)
    if audience and found.audience != audience:
        yield Difference(f"their token is for {line(found.audience)} and not for {line(audience)}", certain=certain)
    if found.expiration != identity.token_expiration:
        lives = f"their token lives {found.expiration} s and not {identity.token_expiration} s"
        yield Difference(lives, certain=certain)


def _wanted(request: Request, identity: Identity, file: str, expected: Expectation) -> dict[str, str]:
    """The variables of which it is known what a new pod would have, "" where it would have none.

    What no annotation says is in the pod that was created just now; where there is none, or it lacks them because its
    families are others, nothing is known of them.
    """
    decided = {each.name: each.value for each in missing(identity, {}, file).variables}
    open_to_settings = set() if _said(request, expected, names.CLOUD) else {"M365_CLOUD", "AZURE_AUTHORITY_HOST"}
    open_to_settings |= set() if identity.tenant_id else {"M365_TENANT_ID"}
    open_to_settings |= set() if identity.azure_tenant_id else {"AZURE_TENANT_ID"}
    seen = expected.new.variables if expected.new else {}
    wanted = {}
    for name in VARIABLES:
        family = "azure" if name.startswith("AZURE_") else "m365"
        if name not in open_to_settings or family not in identity.families:
            wanted[name] = decided.get(name, "")
        elif name in seen:
            wanted[name] = seen[name]
    return wanted


def _audience(request: Request, identity: Identity, expected: Expectation) -> str:
    """The audience that a new pod's token would have, "" when it is not known."""
    if expected.account.annotations.get(names.AUDIENCE, "").strip():
        return identity.audience
    if expected.new is None:
        return ""
    # The webhook may remember an older annotation for half a minute; then the new pod is of the old cloud.
    current = (
        not _said(request, expected, names.CLOUD) or expected.new.variables.get("M365_CLOUD") == identity.cloud.name
    )
    return expected.new.audience if current else ""


def _said(request: Request, expected: Expectation, key: str) -> bool:
    """Whether the pod or its ServiceAccount has the annotation."""
    on_pod = (request.pod.get("metadata") or {}).get("annotations") or {}
    return any(str(each.get(key) or "").strip() for each in (on_pod, expected.account.annotations))


def _runs(pod: Mapping[str, Any]) -> bool:
    over = (pod.get("status") or {}).get("phase") in _OVER or (pod.get("metadata") or {}).get("deletionTimestamp")
    return not over and not shape_problem(pod)


def _name(pod: Mapping[str, Any]) -> str:
    return str((pod.get("metadata") or {}).get("name"))


def _counted(pods: Sequence[object]) -> str:
    return "1 pod" if len(pods) == 1 else f"{len(pods)} pods"

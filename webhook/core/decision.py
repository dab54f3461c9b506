"""What happens to a pod, and why.

    case                                                        outcome    reason
    a variable, mount or volume is missing                      injected   injected
    nothing is missing                                          unchanged  already-injected
    label azure.workload.identity/use: "false"                  unchanged  opted-out
    outside the scope, or a system namespace                    unchanged  not-selected
    not labelled itself, and no client id set                   unchanged  not-annotated
    a static pod's mirror                                       unchanged  mirror-pod
    every container is named in skip-containers                 unchanged  all-skipped
    the ServiceAccount does not exist                           unchanged  account-not-found
    an annotation that makes no sense                           denied     invalid-annotation
    what is missing is more than an object can have             denied     too-large

A labelled pod whose ServiceAccount has no client id is injected without it, and warned: that is Azure's rule.
The outcome `error` (lookup-failed, not-ready, bad-request, internal) is never decided here, but where the failure is.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from webhook.core.annotations import pod_annotations
from webhook.core.families import M365
from webhook.core.identity import Account, Identity, read_identity
from webhook.core.messages import Message, Place, message
from webhook.core.messages.annotations import NEAR_MISSES
from webhook.core.messages.pods import ACCOUNT_NOT_FOUND, MORE_WARNINGS, TOO_LARGE, UNKNOWN_CONTAINER
from webhook.core.mutation import CONTAINER_LISTS, Operation, TooMuchAdded, containers_to_inject, mutate
from webhook.core.names import MAXIMUM_ADDED, SKIP_CONTAINERS
from webhook.core.own_containers import HELPER_NAMES
from webhook.core.pod_warnings import provider_warnings, without_needless
from webhook.core.policy import Policy
from webhook.core.review import Request
from webhook.core.selection import labelled, skip_reason
from webhook.core.text import shown

Outcome = Literal["injected", "unchanged", "denied", "error"]

_AUDIT_VALUE_LENGTH = 256  # characters; kube-apiserver stores audit annotations with each event
_MOST_WARNINGS = 50  # of one pod; a stranger's pod may give cause for thousands, and they all go into the log


_NO_AUDIT: Final[Mapping[str, str]] = MappingProxyType({})


class Decision(NamedTuple):
    """What is to happen to a pod and why. HTTP answer, offline command, log and metrics all print this.

    problems: why it is denied, for the user. warnings: all of them, most important first. operations: the JSON Patch.
    audit: short values for the audit log, without prefix.
    """

    outcome: Outcome
    reason: str
    problems: tuple[Message, ...] = ()
    warnings: tuple[Message, ...] = ()
    operations: tuple[Operation, ...] = ()
    audit: Mapping[str, str] = _NO_AUDIT


def decide_early(
    request: Request, policy: Policy, namespace_labels: Mapping[str, str] | None = None
) -> Decision | None:
    """The decision if it does not depend on the ServiceAccount, which then need not be looked up; None if it does.

    namespace_labels: of the pod's namespace, or None if they are not known (kube-apiserver has then applied them).
    """
    reason = skip_reason(request, policy, namespace_labels)
    spec, skip = request.pod["spec"], request.skipped
    if not reason and (skip or not spec["containers"]) and not containers_to_inject(spec, skip):
        reason = "all-skipped"
    return _unchanged(reason) if reason else None


def decide(request: Request, account: Account | None, policy: Policy) -> Decision:
    """What happens to a pod that `decide_early` left open; `account` is None if it does not exist.

    Raises UnsoundPatch if the patch would be wrong, which is a bug of the webhook.
    """
    if account is None:
        return _unchanged("account-not-found", [_account_not_found(request)])
    reading = read_identity(request, account, policy)
    if not reading.annotated and not labelled(request):
        # The pod asked for nothing, so its user hears only of likely mistakes.
        return _unchanged("not-annotated", [each for each in reading.warnings if each.kind in NEAR_MISSES])
    if reading.identity is None:
        return Decision(
            "denied",
            "invalid-annotation",
            problems=reading.problems,
            warnings=_bounded(reading.warnings),
            audit={"outcome": "denied", "reason": "invalid-annotation"},
        )
    skip = request.skipped
    found = reading.warnings
    if found or M365 not in reading.identity.families:  # of nearly all pods neither
        containers = [each.container for each in containers_to_inject(request.pod["spec"], skip)]
        if not reading.identity.helpers:  # they have only what the annotations say
            found = without_needless(found, containers)
        found = (*found, *provider_warnings(containers, reading.identity))
    try:
        mutation = mutate(request.pod, reading.identity, skip)
    except TooMuchAdded as error:
        return _too_large(request, error, found)
    warnings: Sequence[Message] = found + mutation.warnings
    more_warnings = 0
    if skip:
        unknown = _unknown_names(request, skip)
        # A stranger's annotation names thousands: only those that are kept become messages, the others are counted.
        warnings = [*found, *_unknown_warnings(unknown[:_MOST_WARNINGS]), *mutation.warnings]
        more_warnings = len(unknown[_MOST_WARNINGS:])
    if not mutation.operations:
        return _unchanged("already-injected", warnings, reading.identity, more_warnings)
    return Decision(
        "injected",
        "injected",
        warnings=_bounded(warnings, more_warnings),
        operations=mutation.operations,
        audit=_audit("injected", "injected", reading.identity, mutation.containers),
    )


def _unchanged(
    reason: str, warnings: Sequence[Message] = (), identity: Identity | None = None, more_warnings: int = 0
) -> Decision:
    audit = _audit("unchanged", reason, identity, ())
    return Decision("unchanged", reason, warnings=_bounded(warnings, more_warnings), audit=audit)


def _audit(outcome: str, reason: str, identity: Identity | None, containers: tuple[str, ...]) -> dict[str, str]:
    audit = {"outcome": outcome, "reason": reason}
    if identity:
        audit["identity"] = f"{identity.client_id or 'no-client-id'}@{identity.tenant_id or 'no-tenant-id'}"
    if containers:
        audit["containers"] = ",".join(containers)[:_AUDIT_VALUE_LENGTH]
    return audit


def _account_not_found(request: Request) -> Message:
    account = Account(shown(request.namespace), shown(request.account_name), {})
    return message(ACCOUNT_NOT_FOUND, Place(str(account)), command=account.command)


def _too_large(request: Request, error: TooMuchAdded, warnings: Sequence[Message]) -> Decision:
    place = Place(pod_annotations(request).owner)
    problem = message(TOO_LARGE, place, size=error.size, count=error.containers, limit=MAXIMUM_ADDED)
    audit = {"outcome": "denied", "reason": "too-large"}
    return Decision("denied", "too-large", problems=(problem,), warnings=_bounded(warnings), audit=audit)


def _unknown_names(request: Request, skip: Collection[str]) -> list[str]:
    """The names in skip-containers that no container has."""
    spec = request.pod["spec"]
    existing = {container.get("name") for kind in CONTAINER_LISTS for container in spec.get(kind) or ()}
    existing |= HELPER_NAMES  # named to leave them out
    return [name for name in skip if name not in existing]


def _unknown_warnings(unknown: Sequence[str]) -> list[Message]:
    place = Place(annotation=SKIP_CONTAINERS)
    return [message(UNKNOWN_CONTAINER, place, container=shown(name)) for name in unknown]


def _bounded(warnings: Sequence[Message], more: int = 0) -> tuple[Message, ...]:
    """As many as are kept, and how many are left out; `more` of them are not even among `warnings`."""
    if not warnings:
        return ()
    kept = tuple(warnings[:_MOST_WARNINGS])
    left_out = len(warnings) + more - len(kept)
    return (*kept, message(MORE_WARNINGS, count=left_out)) if left_out else kept

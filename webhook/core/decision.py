"""What happens to a pod, and why.

    case                                                        outcome    reason
    a variable, mount or volume is lacking                      injected   injected
    nothing is lacking                                          unchanged  already-injected
    label azure.workload.identity/use: "false"                  unchanged  opted-out
    outside the scope, or a system namespace                    unchanged  not-selected
    not labelled itself, and no client id set                   unchanged  not-annotated
    a static pod's mirror                                       unchanged  mirror-pod
    every container is named in skip-containers                 unchanged  all-skipped
    the ServiceAccount does not exist                           unchanged  account-not-found
    an annotation that makes no sense                           denied     invalid-annotation

A labelled pod whose ServiceAccount has no client id is injected without it, and warned: that is Azure's rule.
The outcome `error` (lookup-failed, not-ready, bad-request, internal) is never decided here, but by who failed before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from webhook.core.identity import Account, Identity, containers_to_skip, read_identity
from webhook.core.mutation import CONTAINER_LISTS, Operation, containers_to_inject, mutate
from webhook.core.names import PREFLIGHT_CONTAINER, TOKEN_ENDPOINT_CONTAINER
from webhook.core.policy import Policy
from webhook.core.review import Request
from webhook.core.selection import labelled, skip_reason

Outcome = Literal["injected", "unchanged", "denied", "error"]

# kube-apiserver stores audit annotations with each event; forty long container names are nobody's need.
_AUDIT_VALUE_LENGTH = 256
_MOST_WARNINGS = 50
_LONGEST_WARNING = 500  # characters


@dataclass(frozen=True)
class Decision:
    """What is to happen to a pod and why: the one thing that HTTP answer, offline command, log and metrics all print.

    message: for the user, when denied. warnings: all of them, most important first, each one line of ASCII with the
    names at its end, because kube-apiserver passes on the first 120 characters.
    operations: the JSON Patch. audit: short values for the audit log, without prefix.
    """

    outcome: Outcome
    reason: str
    message: str = ""
    warnings: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    audit: Mapping[str, str] = field(default_factory=dict)


def decide_early(
    request: Request, policy: Policy, namespace_labels: Mapping[str, str] | None = None
) -> Decision | None:
    """The decision when it does not depend on the ServiceAccount, which then need not be looked up; else None.

    namespace_labels: of the pod's namespace, or None when they are not known (kube-apiserver has then applied them).
    """
    reason = skip_reason(request, policy, namespace_labels)
    spec, skip = request.pod["spec"], containers_to_skip(request)
    if not reason and (skip or not spec["containers"]) and not containers_to_inject(spec, skip):
        reason = "all-skipped"
    return _unchanged(reason) if reason else None


def decide(request: Request, account: Account | None, policy: Policy) -> Decision:
    """What happens to a pod that `decide_early` left open; `account` is None when there is none of that name.

    Raises UnsoundPatch when the patch would be wrong, which is our bug.
    """
    if account is None:
        name = f"{request.namespace}/{request.account_name}"
        return _unchanged("account-not-found", [f"nothing was injected: there is no ServiceAccount {name}"])
    reading = read_identity(request, account, policy)
    if not reading.annotated and not labelled(request):
        # The pod asked for nothing, so only what hints at a mistake is worth its user's attention.
        return _unchanged("not-annotated", [text for text in reading.warnings if text.startswith("annotation ")])
    if reading.identity is None:
        return Decision(
            "denied",
            "invalid-annotation",
            message=_line("; ".join(reading.problems)),
            warnings=_lines(reading.warnings),
            audit={"outcome": "denied", "reason": "invalid-annotation"},
        )
    skip = containers_to_skip(request)
    mutation = mutate(request.pod, reading.identity, skip)
    warnings = [*reading.warnings, *_unknown_names(request, skip), *mutation.warnings]
    if not mutation.operations:
        return _unchanged("already-injected", warnings, reading.identity)
    return Decision(
        "injected",
        "injected",
        warnings=_lines(warnings),
        operations=mutation.operations,
        audit=_audit("injected", "injected", reading.identity, mutation.containers),
    )


def _unchanged(reason: str, warnings: list[str] | None = None, identity: Identity | None = None) -> Decision:
    audit = _audit("unchanged", reason, identity, ())
    return Decision("unchanged", reason, warnings=_lines(warnings or ()), audit=audit)


def _audit(outcome: str, reason: str, identity: Identity | None, containers: tuple[str, ...]) -> dict[str, str]:
    audit = {"outcome": outcome, "reason": reason}
    if identity:
        audit["identity"] = f"{identity.client_id or 'no-client-id'}@{identity.tenant_id or 'no-tenant-id'}"
    if containers:
        audit["containers"] = ",".join(containers)[:_AUDIT_VALUE_LENGTH]
    return audit


def _unknown_names(request: Request, skip: tuple[str, ...]) -> list[str]:
    if not skip:
        return []
    spec = request.pod["spec"]
    existing = {container.get("name") for kind in CONTAINER_LISTS for container in spec.get(kind) or ()}
    existing |= {PREFLIGHT_CONTAINER, TOKEN_ENDPOINT_CONTAINER}  # named to leave them out
    return [f"skip-containers names what is no container of this pod: {name}" for name in skip if name not in existing]


def _lines(texts: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """The warnings, each one line; a stranger's pod may give cause for thousands, and they all go into the log."""
    kept = [_line(text[:_LONGEST_WARNING]) for text in texts[:_MOST_WARNINGS]]
    if len(texts) > _MOST_WARNINGS:
        kept.append(f"{len(texts) - _MOST_WARNINGS} more warnings")
    return tuple(kept)


def _line(text: str) -> str:
    """One line of ASCII: kube-apiserver drops a warning with anything else in it."""
    return text if text.isascii() and text.isprintable() else ascii(text)[1:-1]

"""The pods of the webhook: why one is not ready, and what shows more of it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from webhook.checks.timestamps import timestamp
from webhook.core.text import shown

RUNNING: Final = "running and not ready"
"""The trouble of a pod whose containers run, so that its log, or its node, has the reason."""
_EVENTS, _LOG, _LOG_BEFORE = "describe pod", "logs", "logs --previous"
_ENDED: Final = ("Failed", "Succeeded")
OOM: Final = "OOMKilled"
_SAYS_WHY: Final = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_LONGEST_WORDS: Final = 120  # characters: it becomes a part of a longer line


@dataclass(frozen=True)
class Replica:
    """A pod of the webhook. trouble: why it is not ready, "" if it is.

    show: what kubectl shows the reason with: its events if it never ran, its log, or the log of the run before if it
    waits for its next start, at which a new log begins. deleted: it is being deleted, as after each roll-out. node:
    where it runs, "" if it was not scheduled. away: whether that node does not report any more.
    """

    name: str
    account: str
    trouble: str
    show: str = _LOG
    deleted: bool = False
    node: str = ""
    away: bool = False


def living(pods: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The pods without those that have ended, unless all have; evicted ones stay until somebody deletes them."""
    return [each for each in pods if (each.get("status") or {}).get("phase") not in _ENDED] or pods


def account_trouble(account: Mapping[str, Any] | None, name: str, pods: Iterable[Mapping[str, Any]]) -> str:
    """Why the pods' own tokens are void, as the end of a sentence; "" if they are not. account: None if it is gone."""
    if account is None:
        return f"their ServiceAccount {name} does not exist"
    made = timestamp((account.get("metadata") or {}).get("creationTimestamp"))
    metadata = [each.get("metadata") or {} for each in pods]
    created = [timestamp(each.get("creationTimestamp")) for each in metadata if "deletionTimestamp" not in each]
    if made and any(each and each < made for each in created):
        return (
            f"their ServiceAccount {name} was deleted and made again after them, and their tokens are of the first one"
        )
    return ""


def replica(pod: Mapping[str, Any]) -> Replica:
    """A pod of the webhook, with the reason if it is not ready."""
    metadata, spec, status = (pod.get(key) or {} for key in ("metadata", "spec", "status"))
    conditions = {each.get("type"): each for each in status.get("conditions") or ()}
    containers = status.get("containerStatuses") or ()
    trouble = ""
    if (conditions.get("Ready") or {}).get("status") != "True":
        scheduled = conditions.get("PodScheduled") or {}
        trouble = (
            next(filter(None, map(_waiting, containers)), "")
            or (_with_words(scheduled) if scheduled.get("status") == "False" else "")
            or (RUNNING if status.get("phase") == "Running" else str(status.get("reason") or status.get("phase") or ""))
            or "not ready"
        )
    return Replica(
        str(metadata.get("name")),
        str(spec.get("serviceAccountName") or "default"),
        trouble,
        show=max(map(_show, containers), key=(_EVENTS, _LOG, _LOG_BEFORE).index, default=_EVENTS),
        deleted="deletionTimestamp" in metadata,
        node=str(spec.get("nodeName") or ""),
    )


def without_node(replica: Replica, node: Mapping[str, Any]) -> Replica:
    """The replica. If its node does not report any more, that is its trouble: nothing is known of the pod itself."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready: Mapping[str, Any] = next((each for each in conditions if each.get("type") == "Ready"), {})
    if ready.get("status") == "True":
        return replica
    reason = f" ({ready['reason']})" if ready.get("reason") else ""
    return replace(replica, away=True, trouble=f"its node {replica.node} is not ready{reason}")


def _waiting(status: Mapping[str, Any]) -> str:
    """Why a container is not running, such as CrashLoopBackOff, with an image that cannot be had; "" if it is."""
    state = status.get("state") or {}
    waiting = state.get("waiting") or state.get("terminated") or {}
    reason = str(waiting.get("reason") or "")
    if "Image" in reason and status.get("image"):
        return f"{reason} of {status.get('image')}"
    before = ((status.get("lastState") or {}).get("terminated") or {}).get("reason")
    if reason and before == OOM:
        return f"{reason} after {OOM}"
    return _with_words(waiting) if reason in _SAYS_WHY else reason


def _with_words(state: Mapping[str, Any]) -> str:
    """A reason with the message that explains it."""
    reason, words = str(state.get("reason") or ""), str(state.get("message") or "")
    return f"{reason}: {shown(words, _LONGEST_WORDS)}" if words else reason


def _show(status: Mapping[str, Any]) -> str:
    """How kubectl shows the reason why a container does not run."""
    now, before = status.get("state") or {}, status.get("lastState") or {}
    if (before.get("terminated") or {}).get("reason") == OOM:
        return _EVENTS  # its log does not know
    if "terminated" in before and "running" not in now:
        return _LOG_BEFORE
    return _LOG if status.get("restartCount") or before or "running" in now or "terminated" in now else _EVENTS

"""Questions to the API server: objects as raw JSON, or why there is none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from webhook.cluster.kube import Kube, Reply, Unavailable
from webhook.findings import Finding, skip

_SECONDS: Final = 10.0


@dataclass(frozen=True)
class NotSeen:
    """An answer that is no object: its status, and why, for a sentence."""

    status: int
    reason: str


async def get(kube: Kube, path: str) -> dict[str, Any] | NotSeen:
    """The object at `path`. Raises Unavailable."""
    reply = await kube.request("GET", path, seconds=_SECONDS)
    if reply.status != 200:
        return NotSeen(reply.status, reply.reason())
    document: dict[str, Any] = reply.json()
    return document


async def listed(kube: Kube, path: str, query: Mapping[str, str] | None = None) -> list[Any] | NotSeen:
    """All objects of a list. Raises Unavailable."""
    found = await kube.items(path, seconds=_SECONDS, query=query)
    return NotSeen(found.status, found.reason()) if isinstance(found, Reply) else found


def not_seen(about: str, resource: str, answer: NotSeen) -> Finding:
    """What could not be looked at, and what the caller lacks for it."""
    if answer.status != 403:
        return skip(about, f"{resource} cannot be read: {answer.reason}.", fix="see whether the API server is well")
    return skip(
        about,
        f"You may not read {resource}, so they were not looked at.",
        fix=f"run this as somebody who may `get` and `list` {resource}",
    )


def message(reply: Reply) -> str:
    """What an unsuccessful answer says, in full."""
    try:
        return str(reply.json()["message"])
    except (Unavailable, KeyError, TypeError):
        return reply.reason()


def equal(labels: Mapping[str, str]) -> str:
    """A query for all of `labels`."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def selector(document: Mapping[str, Any]) -> str:
    """The query that a label selector amounts to; that of a ReplicationController is a plain map."""
    if not {"matchLabels", "matchExpressions"} & document.keys():
        return equal(document)
    return ",".join(_terms(document))


def owners(document: Mapping[str, Any]) -> set[str]:
    """The uids of those that made an object."""
    return {str(each.get("uid")) for each in (document.get("metadata") or {}).get("ownerReferences") or ()}


def _terms(document: Mapping[str, Any]) -> Iterator[str]:
    for key, value in (document.get("matchLabels") or {}).items():
        yield f"{key}={value}"
    for each in document.get("matchExpressions") or ():
        key, values = each["key"], ",".join(each.get("values") or ())
        yield {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }[each["operator"]]

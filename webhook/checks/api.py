"""Questions to the API server. An answer is raw JSON, or the reason why it has no object."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from webhook.cluster.kube import Kube, Reply, Unavailable
from webhook.core.messages import checks
from webhook.findings import Finding, finding

_SECONDS: Final = 10.0  # kube-apiserver answers a read in far less, and a person waits for it
_PAGE_SECONDS: Final = 30.0  # 500 pods of a large cluster, over a slow line


@dataclass(frozen=True)
class NotSeen:
    """An answer without an object: its status, and the reason as the end of a sentence."""

    status: int
    reason: str


async def get(kube: Kube, path: str) -> dict[str, Any] | NotSeen:
    """The object at `path`. Raises Unavailable."""
    reply = await kube.request("GET", path, seconds=_SECONDS)
    if reply.status != 200:
        return NotSeen(reply.status, reply.reason())
    document: dict[str, Any] = reply.json()
    return document


async def list_all(kube: Kube, path: str, query: Mapping[str, str] | None = None) -> list[Any] | NotSeen:
    """All objects of a list. Raises Unavailable."""
    found = await kube.items(path, seconds=_SECONDS, query=query)
    return NotSeen(found.status, found.reason()) if isinstance(found, Reply) else found


async def pages(kube: Kube, path: str, query: Mapping[str, str] | None = None) -> AsyncIterator[list[Any] | NotSeen]:
    """The objects of a list of any length, a page at a time; NotSeen is the last. Raises Unavailable."""
    async for page in kube.pages(path, seconds=_PAGE_SECONDS, query=query):
        yield NotSeen(page.status, page.reason()) if isinstance(page, Reply) else page


def not_seen(about: str, resource: str, answer: NotSeen) -> Finding:
    """What could not be looked at, and the right that the user is missing."""
    if answer.status != 403:
        return finding(about, checks.NOT_READ, resource=resource, reason=answer.reason)
    return finding(about, checks.MAY_NOT_READ, resource=resource)


def error_message(reply: Reply) -> str:
    """What an unsuccessful answer says, in full."""
    try:
        return str(reply.json()["message"])
    except (Unavailable, KeyError, TypeError):
        return reply.reason()


def owners(document: Mapping[str, Any]) -> set[str]:
    """The uids of the objects that an object belongs to, such as the Job of a pod."""
    return {str(each.get("uid")) for each in (document.get("metadata") or {}).get("ownerReferences") or ()}

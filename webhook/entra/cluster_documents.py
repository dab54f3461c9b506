"""The API server's own documents of its issuer. What is published on the internet is in `public_documents`."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from webhook.cluster.kube import Kube
from webhook.entra import issuers
from webhook.entra.issuers import ACCEPTED, DISCOVERY, KEYS, NoDocument
from webhook.entra.public_documents import look_up
from webhook.findings import Finding, Status

_Document = TypeVar("_Document")
_SECONDS: Final = 10.0  # of one request; the API server answers both in milliseconds


async def cluster_discovery(kube: Kube) -> dict[str, Any] | Finding:
    """The discovery document, or why it cannot be read. Raises Unavailable."""
    return await _read(kube, DISCOVERY, issuers.read_discovery)


async def cluster_keys(kube: Kube) -> tuple[dict[str, Any], ...] | Finding:
    """The keys, or why they cannot be read. Raises Unavailable."""
    return await _read(kube, KEYS, issuers.read_keys)


async def cluster_issuer(kube: Kube, *, look: bool) -> tuple[str, list[Finding]]:
    """The issuer, "" if it is not known, and the findings. look: whether it is published, too. Raises Unavailable."""
    discovery = await cluster_discovery(kube)
    if isinstance(discovery, Finding):
        return "", [discovery]
    issuer = str(discovery["issuer"])
    address = issuers.check_address(issuer)
    if not look or address.status is not Status.OK:
        return issuer, [address]
    keys = await cluster_keys(kube)
    return issuer, [keys] if isinstance(keys, Finding) else await look_up(issuer, keys)


async def _read(kube: Kube, path: str, read: Callable[[bytes], _Document]) -> _Document | Finding:
    reply = await kube.request("GET", path, seconds=_SECONDS, accept=ACCEPTED)
    if reply.status != 200:
        return issuers.unreadable(path, reply.status, reply.reason())
    try:
        return read(reply.body)
    except NoDocument as error:
        return issuers.not_understood(path, error)

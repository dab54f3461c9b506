"""The issuer's public documents, looked up as Entra does and compared with those of the cluster."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from webhook.entra import issuers
from webhook.entra.issuers import NoDocument
from webhook.entra.published import addresses, fetch
from webhook.findings import Finding

_Document = TypeVar("_Document")


async def look_up(issuer: str, own_keys: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """The documents at the issuer itself. A host of private addresses is not asked: Entra comes from outside."""
    private = issuers.check_host(issuer, await addresses(issuers.host(issuer)))
    return [private] if private else await compare(issuer, own_keys, issuer)


async def compare(issuer: str, own_keys: Sequence[Mapping[str, Any]], base: str) -> list[Finding]:
    """The documents that are published at `base`, compared with those of the cluster."""
    findings: list[Finding] = []
    url = issuers.discovery_url(base)
    document = await _fetch("discovery", url, issuers.read_discovery, findings)
    if document is None:
        return findings
    findings.append(issuers.compare_issuer(issuer, document, url))
    unusable = issuers.check_keys_address(document, url)
    if unusable:
        return [*findings, unusable]
    keys_url = issuers.keys_url(str(document["issuer"]), str(document["jwks_uri"]), base)
    published = await _fetch("keys", keys_url, issuers.read_keys, findings)
    if published is None:
        return findings
    return [
        *findings,
        *issuers.check_keys(published, keys_url),
        *issuers.compare_keys(own_keys, published, keys_url),
    ]


async def _fetch(about: str, url: str, read: Callable[[bytes], _Document], findings: list[Finding]) -> _Document | None:
    """The public document at `url`. None if that fails; `findings` then says why."""
    answer = await fetch(url)
    if answer.final:
        findings.append(issuers.redirected(about, url, answer.final))
    problem = answer.problem
    if not problem:
        try:
            return read(answer.body)
        except NoDocument as error:
            problem = str(error)
    findings.append(issuers.not_fetched(about, url, problem))
    return None

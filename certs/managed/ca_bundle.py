"""What kube-apiserver trusts: the caBundle of each of our webhooks in one MutatingWebhookConfiguration.

What a bundle should be is worked out here; nothing is sent. A webhook is ours by its name or because it calls our
Service, never by its place in the list. Another authority in a bundle stays until the Secret says that
its last leaf has ended: it may be that of a Secret that was lost (`certs.managed.refusal`). What is not a certificate
goes, and so does one that has expired. A bundle that has the right certificates in another order is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509

from certs.pem import Bundle, fingerprint, parse_bundle

__all__ = [
    "PublishedBundle",
    "TrustStore",
    "WebhookConfiguration",
    "WebhookEntry",
    "our_bundles",
    "trusted_by_all",
    "trusted_since",
    "wanted_bundle",
]


@dataclass(frozen=True, kw_only=True)
class WebhookEntry:
    """One webhook of the configuration."""

    name: str
    bundle: bytes
    """Its caBundle, decoded from base64; empty if it has none."""
    service: str | None = None
    """`namespace/name` of the Service that it calls; None if it calls a URL."""


@dataclass(frozen=True, kw_only=True)
class WebhookConfiguration:
    """The MutatingWebhookConfiguration as the API returned it."""

    entries: tuple[WebhookEntry, ...]
    version: str
    """resourceVersion."""
    uid: str = ""
    """Of the object: a configuration that was deleted and made again has another."""
    date: datetime | None = None
    """The API server's time when it answered (the header `Date`); None if the answer had none."""


class TrustStore(Protocol):
    """One MutatingWebhookConfiguration. Methods raise a `StoreError`; a change that times out may have happened."""

    async def get(self) -> WebhookConfiguration:
        """As it is now, never from a cache. Raises `NotFound`, `Forbidden`, `StoreUnavailable`."""
        ...

    async def patch(self, bundles: Mapping[str, bytes], *, version: str) -> WebhookConfiguration:
        """Set the caBundle of each webhook named in `bundles` and nothing else.

        A strategic merge patch does that by name. It must carry `version` as metadata.resourceVersion; otherwise a
        webhook that was removed meanwhile would come back as an empty one.
        Raises `Conflict` if it was written since, `NotFound`, `Forbidden`, `Rejected`, `StoreUnavailable`.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class PublishedBundle:
    """The caBundle of one of our webhooks, parsed."""

    name: str
    bundle: Bundle
    fingerprints: frozenset[str] = field(init=False)
    """Of its certificates."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprints", frozenset(map(fingerprint, self.bundle.certificates)))


def our_bundles(
    configuration: WebhookConfiguration, *, names: Collection[str], service: str
) -> tuple[PublishedBundle, ...]:
    """The caBundle of each webhook that is called one of `names`, or that calls `service` whatever its name is."""
    return tuple(
        PublishedBundle(name=entry.name, bundle=parse_bundle(entry.bundle))
        for entry in configuration.entries
        if entry.name in names or entry.service == service
    )


def trusted_by_all(bundles: Iterable[PublishedBundle]) -> frozenset[str]:
    """The fingerprints of the certificates that are in every one of `bundles`; empty without bundles."""
    sets = [bundle.fingerprints for bundle in bundles]
    return frozenset.intersection(*sets) if sets else frozenset()


def trusted_since(before: Mapping[str, float], bundles: Iterable[PublishedBundle], *, ticks: float) -> dict[str, float]:
    """Since when, in `Clock.ticks`, each certificate has been in every one of our bundles at every reading.

    before: the same at the reading before this one. kube-apiserver learns of a new bundle a moment after we can read
    it, and each of its replicas in its own time. So a certificate is relied upon only after it was there for a while;
    that is measured in time that has passed, which setting the wall clock does not change.
    """
    return {known: before.get(known, ticks) for known in trusted_by_all(bundles)}


def wanted_bundle(
    published: PublishedBundle,
    *,
    ours: Iterable[x509.Certificate],
    ended: Collection[str],
    now: datetime,
    skew: timedelta,
) -> tuple[x509.Certificate, ...] | None:
    """What `published` should hold, our authorities first; None if it is right already.

    ended: fingerprints of our authorities whose last leaf has expired. A certificate counts as expired `skew` after its
    end, since the API server's clock may differ by that.
    """
    certificates = {
        known: certificate
        for certificate in (*ours, *published.bundle.certificates)
        if (known := fingerprint(certificate)) not in ended and certificate.not_valid_after_utc + skew >= now
    }
    if not certificates or (certificates.keys() == published.fingerprints and not published.bundle.problems):
        return None
    return tuple(certificates.values())

"""Whom kube-apiserver trusts: the caBundle of each webhook of ours in one MutatingWebhookConfiguration.

What is wanted of a bundle is worked out here; nothing is sent. A webhook is ours by its name or because it calls our
Service, never by its place in the list. What is not ours in a bundle stays while it is valid: it may be another
replica's newer view, or a person's. Rubbish and what has expired goes, and a bundle that says the same in another order
is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509

from certs.pem import Bundle, fingerprint, parse_bundle

__all__ = ["Configuration", "Entry", "Published", "TrustStore", "common", "observe", "published", "wanted"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One webhook of the configuration."""

    name: str
    bundle: bytes
    """Its caBundle, decoded from base64; empty if it has none."""
    service: str | None = None
    """`namespace/name` of the Service that it calls; None if it calls a URL."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The MutatingWebhookConfiguration as the API gave it."""

    entries: tuple[Entry, ...]
    version: str
    """resourceVersion."""
    date: datetime | None = None
    """The API server's clock as it answered (the header `Date`); None if the adapter does not tell."""


class TrustStore(Protocol):
    """One MutatingWebhookConfiguration. Methods raise a `StoreError`; a change that times out may have happened."""

    async def get(self) -> Configuration:
        """As it is now, never from a cache. Raises `NotFound`, `Forbidden`, `Unavailable`."""
        ...

    async def patch(self, bundles: Mapping[str, bytes], *, version: str) -> Configuration:
        """Set the caBundle of each webhook named in `bundles` and nothing else.

        A strategic merge patch does that by name; it must carry `version` as metadata.resourceVersion, or a webhook
        that was removed meanwhile would come back as an empty one.
        Raises `Conflict` if it was written since, `NotFound`, `Forbidden`, `Rejected`, `Unavailable`.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Published:
    """A webhook of ours with its bundle read."""

    name: str
    bundle: Bundle
    known: frozenset[str] = field(init=False)
    """The fingerprints of its certificates."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", frozenset(map(fingerprint, self.bundle.certificates)))


def published(configuration: Configuration, *, names: Collection[str], service: str) -> tuple[Published, ...]:
    """The webhooks of ours: those called one of `names`, and those that call `service` whatever they are called."""
    return tuple(
        Published(name=entry.name, bundle=parse_bundle(entry.bundle))
        for entry in configuration.entries
        if entry.name in names or entry.service == service
    )


def common(entries: Iterable[Published]) -> frozenset[str]:
    """The fingerprints of the certificates that every webhook of ours trusts; none if there is no webhook of ours."""
    sets = [entry.known for entry in entries]
    return frozenset.intersection(*sets) if sets else frozenset()


def observe(seen: Mapping[str, float], entries: Iterable[Published], *, ticks: float) -> dict[str, float]:
    """Since when, in `Clock.ticks`, each certificate was met in every bundle of ours, at each reading up to this one.

    kube-apiserver learns of a new bundle a moment after we can read it, each of its replicas in its own time, so a
    certificate is relied upon only when it has been there for a while: of time that has passed, whatever the wall clock
    was set to meanwhile.
    """
    return {known: seen.get(known, ticks) for known in common(entries)}


def wanted(
    entry: Published,
    *,
    ours: Iterable[x509.Certificate],
    gone: Collection[str],
    now: datetime,
    skew: timedelta,
) -> tuple[x509.Certificate, ...] | None:
    """What the bundle of `entry` should be, ours first, or None if it is already.

    `gone` are fingerprints of authorities of ours whose last leaf has expired. A certificate counts as expired `skew`
    after its time, since the clock that reads it there may be another.
    """
    certificates = {
        known: certificate
        for certificate in (*ours, *entry.bundle.certificates)
        if (known := fingerprint(certificate)) not in gone and certificate.not_valid_after_utc + skew >= now
    }
    if not certificates or (certificates.keys() == entry.known and not entry.bundle.problems):
        return None
    return tuple(certificates.values())

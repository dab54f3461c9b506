"""Which authorities in the Secret are refused: those that were retired before, and those that nothing here knows.

And which certificates in a caBundle are strangers. Such a one may be the authority of a Secret that was lost, whose
leaf certificates are served until they end: so it stays for the life of a leaf certificate, and no longer.

A backup of the Secret, or a person, can bring an authority back long after it was retired. Its key may be in other
hands by then. That it was retired is known in two ways: the record in the Secret says so, or this replica has seen
such a record since it started. The second counts even if the whole Secret is replaced by an older one. What is refused
neither signs nor is published; the next write takes it out of the Secret, and a new authority signs if none is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from cryptography import x509

from certs.managed.ca_bundle import PublishedBundle
from certs.managed.secret import CA_CERTIFICATE, NEXT_CERTIFICATE, AuthorityRecord, SecretState, latest
from certs.pem import fingerprint

__all__ = ["learn_retired", "refuse", "strangers"]


def learn_retired(
    before: Mapping[str, AuthorityRecord], state: SecretState, *, now: datetime
) -> Mapping[str, AuthorityRecord]:
    """The authorities known as retired, by fingerprint: those of `before`, and those that only have a record now.

    One that has expired is forgotten: no client trusts it.
    """
    held = set(map(fingerprint, state.authorities()))
    found = {known: record for known, record in state.records.items() if known not in held and _ended(record, now)}
    return latest({known: record for known, record in {**before, **found}.items() if record.expires > now})


def refuse(
    state: SecretState,
    *,
    retired: Mapping[str, AuthorityRecord],
    recognised: Collection[str] | None,
    now: datetime,
) -> SecretState:
    """`state` without the authorities that are refused, which it lists, and with the records of `retired`.

    recognised: fingerprints of authorities whose leaf certificates may be served although no record says so: those in
    a caBundle, and those that this replica remembers. None if the caBundles are not known: then an authority without
    a record stays.
    """
    refused: list[str] = []

    def accept(place: str, certificate: x509.Certificate | None) -> x509.Certificate | None:
        if certificate is None:
            return None
        known = fingerprint(certificate)
        if known in retired or (place and _ended(state.records.get(known), now)):
            reason = "is retired"
        elif not place and recognised is not None and known not in recognised and known not in state.records:
            reason = "has no record and no key, and is in no caBundle"
        else:
            return certificate
        refused.append(f"{place or CA_CERTIFICATE}: {certificate.subject.rfc4514_string()} {reason}")
        return None

    current, following = accept(CA_CERTIFICATE, state.current), accept(NEXT_CERTIFICATE, state.next)
    # Without a key an authority is listed until its record ends: that is the usual way in which it is retired.
    previous = tuple(c for c in state.previous if accept("", c) is not None)
    return replace(
        state,
        current=current,
        next=following,
        previous=previous,
        records={**state.records, **retired},
        refused=tuple(refused),
    )


def strangers(
    state: SecretState, bundles: Iterable[PublishedBundle], *, served: x509.Certificate | None, end: datetime
) -> dict[str, x509.Certificate]:
    """By fingerprint, what is in `bundles`, not in the Secret and has no end there; never the authority of our leaf.

    A certificate that expires before `end` needs none. While no authority can sign, none is a stranger: the
    Secret may be absent.
    """
    if state.current is None:
        return {}
    ours = {*map(fingerprint, state.authorities()), *(fingerprint(c) for c in (served,) if c)}
    return {
        known: certificate
        for each in bundles
        for certificate in each.bundle.certificates
        if (known := fingerprint(certificate)) not in ours
        and certificate.not_valid_after_utc > end
        and not (known in state.records and state.records[known].leaves_end)
    }


def _ended(record: AuthorityRecord | None, now: datetime) -> bool:
    """Whether the last leaf certificate of an authority has expired."""
    return record is not None and record.leaves_end is not None and record.leaves_end < now

"""The data of the Secret after each change: one function for each step that writes it. Nothing is sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from cryptography import x509

from certs.authority import Authority
from certs.managed.secret import (
    CA_CERTIFICATE,
    CA_KEY,
    NEXT_CERTIFICATE,
    NEXT_KEY,
    OWN_KEYS,
    STATE,
    AuthorityRecord,
    SecretState,
    StoredSecret,
    authority_life,
    latest,
    render_state,
)
from certs.pem import bundle_pem, fingerprint

__all__ = ["ask_for_renewal", "create", "promote", "record_leaf_ends", "retire", "stage"]


def create(
    stored: StoredSecret | None,
    state: SecretState,
    authority: Authority,
    *,
    previous: Iterable[x509.Certificate],
    leaf_lifetime: timedelta,
    now: datetime,
) -> dict[str, bytes]:
    """A Secret in which `authority` signs; the others, and `previous`, stay trusted until their leaves end."""
    others = {fingerprint(c): c for c in (*state.authorities(), *previous) if c.not_valid_after_utc > now}
    return _render(
        stored,
        state,
        authorities=(authority.certificate, *others.values()),
        key=authority.private_pem(),
        records={**_bare_records(others.values()), **state.records, **_record(authority, leaf_lifetime)},
        now=now,
    )


def stage(
    stored: StoredSecret, state: SecretState, authority: Authority, *, leaf_lifetime: timedelta, now: datetime
) -> dict[str, bytes]:
    """A Secret in which `authority` comes next. Another one that was to come next is retired: it has signed nothing."""
    records = {**state.records, **_record(authority, leaf_lifetime)}
    if state.next is not None and (replaced := records.get(fingerprint(state.next))):
        records[fingerprint(state.next)] = replace(replaced, leaves_end=now)
    return _render(
        stored,
        state,
        authorities=(c for c in state.authorities() if c != state.next),
        key=stored.data[CA_KEY],
        following=authority,
        records=records,
        now=now,
    )


def promote(stored: StoredSecret, state: SecretState, *, now: datetime) -> dict[str, bytes]:
    """A Secret in which the next authority signs; the one before is trusted, and the end of its leaves not recorded."""
    if state.next is None:
        raise ValueError("the Secret has no next authority")
    before = (c for c in state.authorities() if c != state.next and c.not_valid_after_utc > now)
    records = dict(state.records)
    if state.current and (record := records.get(fingerprint(state.current))):
        records[fingerprint(state.current)] = replace(record, leaves_end=None)
    return _render(
        stored, state, authorities=(state.next, *before), key=stored.data[NEXT_KEY], records=records, now=now
    )


def record_leaf_ends(
    stored: StoredSecret,
    state: SecretState,
    ends: Mapping[str, datetime | None],
    *,
    now: datetime,
    strangers: Iterable[x509.Certificate] = (),
) -> dict[str, bytes]:
    """The same Secret with the time at which the last leaf of each authority in `ends`, by fingerprint, expires.

    strangers: those in `ends` that are not in the Secret. They get a record, and nothing else.
    """
    records = dict(state.records)
    for certificate in (*state.authorities(), *strangers):
        if (known := fingerprint(certificate)) in ends:
            record = records.get(known) or AuthorityRecord(expires=certificate.not_valid_after_utc)
            records[known] = replace(record, leaves_end=ends[known])
    return _same_authorities(stored, state, records=records, now=now)


def retire(
    stored: StoredSecret, state: SecretState, ended: Collection[str], *, leaf_lifetime: timedelta, now: datetime
) -> dict[str, bytes]:
    """The same Secret without the authorities in `ended`, by fingerprint; their records stay.

    leaf_lifetime: recorded for an authority that signs, or will, if its own record could not be kept.
    """
    records = dict(state.records)
    for authority in (state.current, state.next):
        if authority is not None and (record := records.get(fingerprint(authority))) and not record.leaf_lifetime:
            longest = min(leaf_lifetime, authority_life(authority) / 2)
            records[fingerprint(authority)] = replace(record, leaf_lifetime=longest)
    return _same_authorities(
        stored,
        replace(state, previous=tuple(c for c in state.previous if fingerprint(c) not in ended)),
        records=records,
        now=now,
    )


def ask_for_renewal(stored: StoredSecret, state: SecretState, *, now: datetime) -> dict[str, bytes]:
    """The same Secret, asking every replica to replace a leaf that was signed before it asked for this."""
    return _same_authorities(stored, replace(state, renew_leaves=now), records=state.records, now=now)


def _same_authorities(
    stored: StoredSecret, state: SecretState, *, records: Mapping[str, AuthorityRecord], now: datetime
) -> dict[str, bytes]:
    data = _render(
        stored,
        state,
        authorities=(c for c in state.authorities() if c != state.next),
        key=stored.data.get(CA_KEY, b""),
        records=records,
        now=now,
    )
    if state.next:
        data |= {key: stored.data[key] for key in (NEXT_CERTIFICATE, NEXT_KEY)}
    return data


def _render(
    stored: StoredSecret | None,
    state: SecretState,
    *,
    authorities: Iterable[x509.Certificate],
    key: bytes,
    records: Mapping[str, AuthorityRecord],
    now: datetime,
    following: Authority | None = None,
) -> dict[str, bytes]:
    """All data of the Secret. Our keys are replaced, so what could not be read in them goes."""
    certificates = tuple(authorities)
    data = {name: content for name, content in (stored.data if stored else {}).items() if name not in OWN_KEYS}
    data |= {CA_CERTIFICATE: bundle_pem(certificates), CA_KEY: key}
    if following:
        data |= {NEXT_CERTIFICATE: bundle_pem([following.certificate]), NEXT_KEY: following.private_pem()}
    held = {fingerprint(c) for c in (*certificates, *(c for c in (state.next,) if c))}
    held |= {fingerprint(following.certificate)} if following else set()
    kept = {known: record for known, record in records.items() if known in held}
    kept |= latest({known: r for known, r in records.items() if known not in held and _outlives(r, now)})
    data[STATE] = render_state(kept, state.renew_leaves)
    return data


def _outlives(record: AuthorityRecord, now: datetime) -> bool:
    """Whether a record stays when its certificate goes: it keeps a retired authority from coming back."""
    return record.leaves_end is not None and record.expires > now


def _bare_records(certificates: Iterable[x509.Certificate]) -> dict[str, AuthorityRecord]:
    """So that no replica takes an authority that may have signed for an unknown one."""
    return {fingerprint(c): AuthorityRecord(expires=c.not_valid_after_utc) for c in certificates}


def _record(authority: Authority, leaf_lifetime: timedelta) -> dict[str, AuthorityRecord]:
    expires = authority.certificate.not_valid_after_utc
    return {fingerprint(authority.certificate): AuthorityRecord(expires=expires, leaf_lifetime=leaf_lifetime)}

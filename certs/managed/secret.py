"""The Secret in which the authority lives: its layout, how it is read whatever it holds, and each change to it.

    ca.crt      PEM: the authority that signs now, first, then those before it whose leaves may still be served
    ca.key      the key of the first
    next.crt    PEM: the authority that comes next, while it is staged
    next.key    its key
    state.json  {"authorities": {SHA-256 of a certificate: {"leaf_seconds": longest life of a leaf of it,
                                                            "leaves_end": when its last leaf expires,
                                                            "expires": when it does}},
                 "renew_leaves": when a person asked for new leaves; one that was signed before is replaced}
                Times are RFC 3339 in UTC. An authority that was taken out of ca.crt stays listed until it expires, so
                that no replica with an older view brings it back into the caBundle.

Other keys are left alone, and so are labels and annotations. A Secret without any of these is as good as none, as the
chart creates it. Private keys are looked at while the Secret is read, and not
kept: `State` has none; `signer` gives one out for the signing of a leaf.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from cryptography import x509

from certs.authority import Authority, can_sign, is_authority, make_leaf, verify
from certs.errors import UnreadablePair, UntrustedLeaf
from certs.names import BACKDATED
from certs.pem import bundle_pem, fingerprint, fits, load_key, parse_bundle

__all__ = [
    "Record",
    "SecretStore",
    "State",
    "Stored",
    "created",
    "dated",
    "promoted",
    "read",
    "renewal_asked",
    "retired",
    "signer",
    "staged",
]

_CERTIFICATE, _KEY, _NEXT_CERTIFICATE, _NEXT_KEY, _STATE = "ca.crt", "ca.key", "next.crt", "next.key", "state.json"
_OURS = frozenset({_CERTIFICATE, _KEY, _NEXT_CERTIFICATE, _NEXT_KEY, _STATE})


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The Secret as the API gave it."""

    data: Mapping[str, bytes] = field(repr=False)
    """Decoded from base64."""
    version: str
    """resourceVersion."""
    date: datetime | None = None
    """The API server's clock as it answered (the header `Date`); None if the adapter does not tell."""
    origin: object = field(default=None, repr=False, compare=False)
    """Whatever the adapter needs to write the rest of the object back unchanged."""


class SecretStore(Protocol):
    """One Secret. Every method raises a `StoreError`; a change that times out may have happened all the same."""

    async def get(self) -> Stored:
        """As it is now, never from a cache. Raises `NotFound`, `Forbidden`, `Unavailable`."""
        ...

    async def create(self, data: Mapping[str, bytes]) -> Stored:
        """Raises `Conflict` if it exists, `Forbidden`, `Rejected`, `Unavailable`."""
        ...

    async def update(self, stored: Stored, data: Mapping[str, bytes]) -> Stored:
        """Replace the data of `stored`. Raises `Conflict` if it was written since, `NotFound`, `Forbidden`, `Rejected`,
        `Unavailable`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is written down about an authority."""

    expires: datetime
    leaf_lifetime: timedelta | None = None
    leaves_end: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class State:
    """What the Secret says, without keys. An authority counts only with its key, and if a leaf of it verifies."""

    present: bool = True
    """Whether there is a Secret."""
    current: x509.Certificate | None = None
    next: x509.Certificate | None = None
    previous: tuple[x509.Certificate, ...] = ()
    """Every other authority in ca.crt, and the certificate of a next one whose key is lost."""
    records: Mapping[str, Record] = field(default_factory=dict)
    renew_leaves: datetime | None = None
    problems: tuple[str, ...] = ()
    """What cannot be used, a sentence each. A Secret that is absent or empty has none."""

    def authorities(self) -> tuple[x509.Certificate, ...]:
        """All of them, the one that signs first."""
        return (*(c for c in (self.current, self.next) if c is not None), *self.previous)

    def leaves_end(self, authority: x509.Certificate) -> datetime | None:
        """When the last leaf of an authority that no longer signs expires; None if that is not written down."""
        record = self.records.get(fingerprint(authority))
        return record.leaves_end if record else None

    def longest_leaf(self, authority: x509.Certificate, *, setting: timedelta) -> timedelta:
        """How long any replica's leaf of `authority` may live: what its maker wrote down, not one's own setting."""
        record = self.records.get(fingerprint(authority))
        return record.leaf_lifetime if record and record.leaf_lifetime else setting


def read(stored: Stored | None, *, name: str, shortest_leaf: timedelta = timedelta(0)) -> State:
    """The state of the Secret, whatever it holds. Never raises.

    name: one that its leaves must be good for; shortest_leaf: what is renewed in time. A record of less, or of more
    than the authority's own life, is a problem and counts as none.
    """
    if stored is None:
        return State(present=False)
    data = stored.data
    if not any(data.get(key, b"").strip() for key in _OURS):
        return State()
    bundle, following = parse_bundle(data.get(_CERTIFICATE, b"")), parse_bundle(data.get(_NEXT_CERTIFICATE, b""))
    problems = [f"{_CERTIFICATE}: {problem}" for problem in bundle.problems]
    problems += [f"{_NEXT_CERTIFICATE}: {problem}" for problem in following.problems]
    current, problem = _usable(bundle.certificates, data.get(_KEY, b""), name=name)
    if problem:
        problems.append(f"{_CERTIFICATE} and {_KEY}: {problem}")
    upcoming = None
    if data.get(_NEXT_CERTIFICATE, b"").strip() or data.get(_NEXT_KEY, b"").strip():
        upcoming, problem = _usable(following.certificates, data.get(_NEXT_KEY, b""), name=name)
        if problem:
            problems.append(f"{_NEXT_CERTIFICATE} and {_NEXT_KEY}: {problem}")
    try:
        records, renew_leaves = _parse(data.get(_STATE, b""))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        records, renew_leaves = {}, None
        problems.append(f"{_STATE} cannot be read")
    others = {fingerprint(c): c for c in (*bundle.certificates, *following.certificates) if is_authority(c)}
    previous = tuple(certificate for certificate in others.values() if certificate not in (current, upcoming))
    for known, certificate in others.items():
        least = shortest_leaf if certificate in (current, upcoming) else timedelta(0)  # others had their time
        if known in records and (problem := _untenable(records[known], certificate, least)):
            records[known] = replace(records[known], leaf_lifetime=None)
            problems.append(f"{_STATE}: {problem}")
    return State(
        current=current,
        next=upcoming if upcoming != current else None,
        previous=previous,
        records=records,
        renew_leaves=renew_leaves,
        problems=tuple(problems),
    )


def signer(stored: Stored, authority: x509.Certificate) -> Authority:
    """`authority` with its key out of ca.key. Raises `UnreadablePair` if that is not its key."""
    key = load_key(stored.data.get(_KEY, b""))
    if not can_sign(key) or not fits(authority, key):
        raise UnreadablePair(f"{_KEY} is not the key of {authority.subject.rfc4514_string()}")
    return Authority(certificate=authority, key=key)  # type: ignore[arg-type]


def created(
    stored: Stored | None,
    state: State,
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
        records={**state.records, **_record(authority, leaf_lifetime)},
        now=now,
    )


def staged(
    stored: Stored, state: State, authority: Authority, *, leaf_lifetime: timedelta, now: datetime
) -> dict[str, bytes]:
    """A Secret in which `authority` comes next."""
    return _render(
        stored,
        state,
        authorities=(c for c in state.authorities() if c != state.next),
        key=stored.data[_KEY],
        following=authority,
        records={**state.records, **_record(authority, leaf_lifetime)},
        now=now,
    )


def promoted(stored: Stored, state: State, *, now: datetime) -> dict[str, bytes]:
    """A Secret in which the next authority signs, and the one that did is trusted with no end written down yet."""
    if state.next is None:
        raise ValueError("there is no next authority")
    before = (c for c in state.authorities() if c != state.next and c.not_valid_after_utc > now)
    records = dict(state.records)
    if state.current and (record := records.get(fingerprint(state.current))):
        records[fingerprint(state.current)] = replace(record, leaves_end=None)
    return _render(
        stored, state, authorities=(state.next, *before), key=stored.data[_NEXT_KEY], records=records, now=now
    )


def dated(stored: Stored, state: State, ends: Mapping[str, datetime | None], *, now: datetime) -> dict[str, bytes]:
    """The same Secret with the time at which the last leaf of each authority in `ends`, by fingerprint, expires."""
    records = dict(state.records)
    for certificate in state.authorities():
        if (known := fingerprint(certificate)) in ends:
            record = records.get(known) or Record(expires=certificate.not_valid_after_utc)
            records[known] = replace(record, leaves_end=ends[known])
    return _same(stored, state, records=records, now=now)


def retired(
    stored: Stored, state: State, gone: Collection[str], *, leaf_lifetime: timedelta, now: datetime
) -> dict[str, bytes]:
    """The same Secret without the authorities in `gone`, by fingerprint; their records stay.

    leaf_lifetime: what is written down for one that signs, or will, whose record could not be kept.
    """
    records = dict(state.records)
    for authority in (state.current, state.next):
        if authority is not None and (record := records.get(fingerprint(authority))) and not record.leaf_lifetime:
            longest = min(leaf_lifetime, _life(authority) / 2)
            records[fingerprint(authority)] = replace(record, leaf_lifetime=longest)
    return _same(
        stored,
        replace(state, previous=tuple(c for c in state.previous if fingerprint(c) not in gone)),
        records=records,
        now=now,
    )


def renewal_asked(stored: Stored, state: State, *, now: datetime) -> dict[str, bytes]:
    """The same Secret, asking every replica to replace a leaf that was signed before it asked for this."""
    return _same(stored, replace(state, renew_leaves=now), records=state.records, now=now)


def _same(stored: Stored, state: State, *, records: Mapping[str, Record], now: datetime) -> dict[str, bytes]:
    data = _render(
        stored,
        state,
        authorities=(c for c in state.authorities() if c != state.next),
        key=stored.data.get(_KEY, b""),
        records=records,
        now=now,
    )
    if state.next:
        data |= {key: stored.data[key] for key in (_NEXT_CERTIFICATE, _NEXT_KEY)}
    return data


def _render(
    stored: Stored | None,
    state: State,
    *,
    authorities: Iterable[x509.Certificate],
    key: bytes,
    records: Mapping[str, Record],
    now: datetime,
    following: Authority | None = None,
) -> dict[str, bytes]:
    certificates = tuple(authorities)
    data = {name: content for name, content in (stored.data if stored else {}).items() if name not in _OURS}
    data |= {_CERTIFICATE: bundle_pem(certificates), _KEY: key}
    if following:
        data |= {_NEXT_CERTIFICATE: bundle_pem([following.certificate]), _NEXT_KEY: following.private_pem()}
    held = {fingerprint(c) for c in (*certificates, *(c for c in (state.next,) if c))}
    held |= {fingerprint(following.certificate)} if following else set()
    data[_STATE] = _written(
        {known: record for known, record in records.items() if known in held or _lingers(record, now)},
        state.renew_leaves,
    )
    return data


def _life(authority: x509.Certificate) -> timedelta:
    return authority.not_valid_after_utc - authority.not_valid_before_utc - BACKDATED


def _untenable(record: Record, authority: x509.Certificate, shortest_leaf: timedelta) -> str | None:
    """What is wrong with the longest life of a leaf that is written down: a sentence, or None.

    An authority that is too short-lived itself is replaced, and its leaves live for half of that until then.
    """
    lifetime, life = record.leaf_lifetime, _life(authority)
    least = max(min(shortest_leaf, life / 2), timedelta(seconds=1))
    if lifetime is None or least <= lifetime <= life:
        return None
    found, low, high = (each.total_seconds() for each in (lifetime, least, life))
    return f"leaf_seconds of {fingerprint(authority)[:8]} is {found:g}, expected {low:g} to {high:g}"


def _lingers(record: Record, now: datetime) -> bool:
    """Whether a record stays when its certificate goes: it keeps a retired authority from coming back."""
    return record.leaves_end is not None and record.expires > now


def _record(authority: Authority, leaf_lifetime: timedelta) -> dict[str, Record]:
    expires = authority.certificate.not_valid_after_utc
    return {fingerprint(authority.certificate): Record(expires=expires, leaf_lifetime=leaf_lifetime)}


def _usable(
    certificates: Iterable[x509.Certificate], key_pem: bytes, *, name: str
) -> tuple[x509.Certificate | None, str | None]:
    """The certificate that the key fits, if a leaf signed with it verifies; or why there is none."""
    try:
        key = load_key(key_pem)
    except UnreadablePair as error:
        return None, str(error)
    certificate = next((c for c in certificates if fits(c, key)), None)
    if certificate is None:
        return None, "the private key is not that of any certificate"
    if not is_authority(certificate) or not can_sign(key):
        return None, "the certificate is not that of an authority"
    authority = Authority(certificate=certificate, key=key)  # type: ignore[arg-type]
    start = certificate.not_valid_before_utc
    try:
        leaf = make_leaf(authority, names=[name], now=start, lifetime=timedelta(days=1))
        verify(leaf.certificate, [certificate], name=name, now=start)
    except (UntrustedLeaf, ValueError) as error:
        return None, f"a leaf of this authority would not be trusted: {error}"
    return certificate, None


def _parse(content: bytes) -> tuple[dict[str, Record], datetime | None]:
    """Raises whatever a strange JSON makes Python raise."""
    if not content.strip():
        return {}, None
    document: dict[str, Any] = json.loads(content)
    records = {}
    for known, fields in document.get("authorities", {}).items():
        seconds, end = fields.get("leaf_seconds"), fields.get("leaves_end")
        records[str(known)] = Record(
            expires=_time(fields["expires"]),
            leaf_lifetime=timedelta(seconds=float(seconds)) if seconds is not None else None,
            leaves_end=_time(end) if end else None,
        )
    asked = document.get("renew_leaves")
    return records, _time(asked) if asked else None


def _written(records: Mapping[str, Record], renew_leaves: datetime | None) -> bytes:
    document: dict[str, Any] = {"authorities": {}}
    for known, record in records.items():
        fields: dict[str, Any] = {"expires": _text(record.expires)}
        if record.leaf_lifetime is not None:
            fields["leaf_seconds"] = record.leaf_lifetime.total_seconds()
        if record.leaves_end:
            fields["leaves_end"] = _text(record.leaves_end)
        document["authorities"][known] = fields
    if renew_leaves:
        document["renew_leaves"] = _text(renew_leaves)
    return json.dumps(document, indent=1, sort_keys=True).encode()


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time.astimezone(UTC)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")

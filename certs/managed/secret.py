"""The Secret in which the authority is kept: its layout, and how it is read. `secret_changes` has what is written.

    ca.crt      PEM: the authority that signs, then those before it whose leaf certificates may still be served
    ca.key      the key of the first
    next.crt    PEM: the next authority, while it is staged
    next.key    its key
    state.json  {"authorities": {SHA-256 of a certificate: {"leaf_seconds": longest life of a leaf certificate of it,
                                                            "leaves_end": when the last of them expires,
                                                            "expires": when the authority does}},
                 "renew_leaves": when a person asked for new leaf certificates; those signed before are replaced}
                Times are RFC 3339 in UTC. An authority that was taken out of ca.crt stays listed until it expires, so
                that no replica with an older view puts it back into a caBundle, and so does a certificate that was
                found in a caBundle and not here: it is taken out when `leaves_end` has passed.

Other keys are left alone, and so are labels and annotations. The chart creates the Secret without any of these keys:
that counts as empty. Private keys are tried while the Secret is read, and not kept: `SecretState` has none; `signer`
returns one for the signing of a leaf certificate.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from cryptography import x509

from certs.authority import Authority, can_sign, is_authority, make_leaf, verify
from certs.errors import UnreadablePair, UntrustedLeaf
from certs.names import BACKDATED
from certs.pem import fingerprint, fits, load_key, parse_bundle

__all__ = [
    "CA_CERTIFICATE",
    "CA_KEY",
    "NEXT_CERTIFICATE",
    "NEXT_KEY",
    "OWN_KEYS",
    "STATE",
    "AuthorityRecord",
    "SecretState",
    "SecretStore",
    "StoredSecret",
    "authority_life",
    "latest",
    "read",
    "render_state",
    "signer",
]

CA_CERTIFICATE, CA_KEY, NEXT_CERTIFICATE, NEXT_KEY, STATE = "ca.crt", "ca.key", "next.crt", "next.key", "state.json"
OWN_KEYS = frozenset({CA_CERTIFICATE, CA_KEY, NEXT_CERTIFICATE, NEXT_KEY, STATE})
_MOST_RECORDS = 256  # of retired authorities: 40 kB of a Secret's 1 MiB; a rotation a week leaves 104 in 730 days


@dataclass(frozen=True, kw_only=True)
class StoredSecret:
    """The Secret as the API returned it."""

    data: Mapping[str, bytes] = field(repr=False)
    """Decoded from base64."""
    version: str
    """resourceVersion."""
    uid: str = ""
    """Of the object: a Secret that was deleted and made again has another."""
    date: datetime | None = None
    """The API server's time when it answered (the header `Date`); None if the answer had none."""
    origin: object = field(default=None, repr=False, compare=False)
    """What the adapter needs to write the rest of the object back unchanged."""


class SecretStore(Protocol):
    """One Secret. Every method raises a `StoreError`; a change that times out may have happened all the same."""

    async def get(self) -> StoredSecret:
        """As it is now, never from a cache. Raises `NotFound`, `Forbidden`, `StoreUnavailable`."""
        ...

    async def create(self, data: Mapping[str, bytes]) -> StoredSecret:
        """Raises `Conflict` if it exists, `Forbidden`, `Rejected`, `StoreUnavailable`."""
        ...

    async def update(self, stored: StoredSecret, data: Mapping[str, bytes]) -> StoredSecret:
        """Replace the data of `stored`.

        Raises `Conflict` if it was written since, `NotFound`, `Forbidden`, `Rejected`, `StoreUnavailable`.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class AuthorityRecord:
    """What state.json says of an authority."""

    expires: datetime
    leaf_lifetime: timedelta | None = None
    leaves_end: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class SecretState:
    """What the Secret says, without keys. An authority counts only with its key, and if a leaf of it verifies."""

    present: bool = True
    """Whether the Secret exists."""
    current: x509.Certificate | None = None
    next: x509.Certificate | None = None
    previous: tuple[x509.Certificate, ...] = ()
    """Every other authority in ca.crt, and the certificate of a next one whose key is lost."""
    records: Mapping[str, AuthorityRecord] = field(default_factory=dict)
    """By the authority's fingerprint."""
    renew_leaves: datetime | None = None
    problems: tuple[str, ...] = ()
    """What cannot be used, one sentence each. A Secret that is absent or empty has no problems."""
    refused: tuple[str, ...] = ()
    """What could be used and must not be, one sentence each: `certs.managed.refusal`."""

    def authorities(self) -> tuple[x509.Certificate, ...]:
        """All of them, the one that signs first."""
        return (*(c for c in (self.current, self.next) if c is not None), *self.previous)

    def leaves_end(self, authority: x509.Certificate) -> datetime | None:
        """When the last leaf of an authority that no longer signs expires; None if that is not recorded."""
        record = self.records.get(fingerprint(authority))
        return record.leaves_end if record else None

    def longest_leaf(self, authority: x509.Certificate, *, setting: timedelta) -> timedelta:
        """How long a leaf of `authority` may live at any replica: as recorded by its maker, otherwise `setting`."""
        record = self.records.get(fingerprint(authority))
        return record.leaf_lifetime if record and record.leaf_lifetime else setting


def read(stored: StoredSecret | None, *, name: str, shortest_leaf: timedelta = timedelta(0)) -> SecretState:
    """The state of the Secret, whatever is in it. Never raises.

    name: its leaf certificates must be good for this one; shortest_leaf: a shorter life is not renewed in time. A
    recorded life that is shorter, or longer than the authority's own, is a problem and is ignored.
    """
    if stored is None:
        return SecretState(present=False)
    data = stored.data
    if not any(data.get(key, b"").strip() for key in OWN_KEYS):
        return SecretState()
    bundle, following = parse_bundle(data.get(CA_CERTIFICATE, b"")), parse_bundle(data.get(NEXT_CERTIFICATE, b""))
    problems = [f"{CA_CERTIFICATE}: {problem}" for problem in bundle.problems]
    problems += [f"{NEXT_CERTIFICATE}: {problem}" for problem in following.problems]
    current, problem = _usable(bundle.certificates, data.get(CA_KEY, b""), name=name)
    if problem:
        problems.append(f"{CA_CERTIFICATE} and {CA_KEY}: {problem}")
    upcoming = None
    if data.get(NEXT_CERTIFICATE, b"").strip() or data.get(NEXT_KEY, b"").strip():
        upcoming, problem = _usable(following.certificates, data.get(NEXT_KEY, b""), name=name)
        if problem:
            problems.append(f"{NEXT_CERTIFICATE} and {NEXT_KEY}: {problem}")
    try:
        records, renew_leaves = _parse_state(data.get(STATE, b""))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        records, renew_leaves = {}, None
        problems.append(f"{STATE} cannot be read")
    others = {fingerprint(c): c for c in (*bundle.certificates, *following.certificates) if is_authority(c)}
    for known, certificate in others.items():
        least = shortest_leaf if certificate in (current, upcoming) else timedelta(0)  # the others sign no more
        if known in records and (problem := _lifetime_problem(records[known], certificate, least)):
            records[known] = replace(records[known], leaf_lifetime=None)
            problems.append(f"{STATE}: {problem}")
    return SecretState(
        current=current,
        next=upcoming if upcoming != current else None,
        previous=tuple(certificate for certificate in others.values() if certificate not in (current, upcoming)),
        records=records,
        renew_leaves=renew_leaves,
        problems=tuple(problems),
    )


def signer(stored: StoredSecret, authority: x509.Certificate) -> Authority:
    """`authority` with its key out of ca.key. Raises `UnreadablePair` if that is another key."""
    key = load_key(stored.data.get(CA_KEY, b""))
    if not can_sign(key) or not fits(authority, key):
        raise UnreadablePair(f"{CA_KEY} is not the key of {authority.subject.rfc4514_string()}")
    return Authority(certificate=authority, key=key)  # type: ignore[arg-type]


def authority_life(authority: x509.Certificate) -> timedelta:
    """How long it lives, from the moment at which it was made."""
    return authority.not_valid_after_utc - authority.not_valid_before_utc - BACKDATED


def latest(records: Mapping[str, AuthorityRecord]) -> dict[str, AuthorityRecord]:
    """The records of retired authorities that are kept: at most 256, those whose leaves ended last."""
    if len(records) <= _MOST_RECORDS:
        return dict(records)
    by_end = sorted(records.items(), key=lambda item: item[1].leaves_end or item[1].expires, reverse=True)
    return dict(by_end[:_MOST_RECORDS])


def render_state(records: Mapping[str, AuthorityRecord], renew_leaves: datetime | None) -> bytes:
    """The content of state.json."""
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


def _parse_state(content: bytes) -> tuple[dict[str, AuthorityRecord], datetime | None]:
    """The records, and `renew_leaves`. Raises whatever strange JSON makes Python raise."""
    if not content.strip():
        return {}, None
    document: dict[str, Any] = json.loads(content)
    records = {}
    for known, fields in document.get("authorities", {}).items():
        seconds, end = fields.get("leaf_seconds"), fields.get("leaves_end")
        records[str(known)] = AuthorityRecord(
            expires=_time(fields["expires"]),
            leaf_lifetime=timedelta(seconds=float(seconds)) if seconds is not None else None,
            leaves_end=_time(end) if end else None,
        )
    asked = document.get("renew_leaves")
    return records, _time(asked) if asked else None


def _lifetime_problem(record: AuthorityRecord, authority: x509.Certificate, shortest_leaf: timedelta) -> str | None:
    """What is wrong with the recorded life of a leaf: a sentence, or None.

    An authority whose own life is too short is replaced; until then its leaves live for half of that life.
    """
    lifetime, life = record.leaf_lifetime, authority_life(authority)
    least = max(min(shortest_leaf, life / 2), timedelta(seconds=1))
    if lifetime is None or least <= lifetime <= life:
        return None
    found, low, high = (each.total_seconds() for each in (lifetime, least, life))
    return f"leaf_seconds of {fingerprint(authority)[:8]} is {found:g}, expected {low:g} to {high:g}"


def _usable(
    certificates: Iterable[x509.Certificate], key_pem: bytes, *, name: str
) -> tuple[x509.Certificate | None, str | None]:
    """The certificate that the key fits, if a leaf signed with it verifies; otherwise None and the reason."""
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


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time.astimezone(UTC)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")

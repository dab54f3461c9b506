"""The Secret's layout: what is written is read back, and any content can be read."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from certs.authority import Authority
from certs.errors import UnreadablePair
from certs.managed import secret, secret_changes
from certs.managed.secret import AuthorityRecord, SecretState, StoredSecret, read
from certs.pem import bundle_pem, fingerprint, private_pem
from tests.authorities import make_authority
from tests.certs.fakes import NAME, START

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIRST, SECOND, THIRD = (make_authority(now=START, lifetime=60 * DAY) for _ in range(3))


def stored(data: dict[str, bytes], version: str = "1") -> StoredSecret:
    return StoredSecret(data=data, version=version)


def known(authority: Authority) -> str:
    return fingerprint(authority.certificate)


def state_of(data: dict[str, bytes]) -> SecretState:
    return read(stored(data), name=NAME)


def new(extra: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """A Secret with one authority."""
    before = stored(extra) if extra is not None else None
    return secret_changes.create(before, SecretState(), FIRST, previous=(), leaf_lifetime=5 * DAY, now=START)


def stage(data: dict[str, bytes], authority: Authority = SECOND) -> dict[str, bytes]:
    return secret_changes.stage(stored(data), state_of(data), authority, leaf_lifetime=3 * DAY, now=START)


def test_an_absent_secret_and_an_empty_one_are_two_states() -> None:
    """Neither is a problem, and only one of them needs `create`."""
    assert read(None, name=NAME) == SecretState(present=False)
    for data in ({}, {"theirs": b"x"}, {"ca.crt": b"", "ca.key": b"\n"}):
        assert state_of(data) == SecretState()


def test_a_new_authority_is_read_back() -> None:
    """With the longest life of its leaves, which bounds the settings of every replica."""
    state = state_of(new())
    assert (state.current, state.next, state.previous, state.problems) == (FIRST.certificate, None, (), ())
    assert state.records == {known(FIRST): AuthorityRecord(expires=START + 60 * DAY, leaf_lifetime=5 * DAY)}
    assert state.longest_leaf(FIRST.certificate, setting=DAY) == 5 * DAY
    assert state.longest_leaf(THIRD.certificate, setting=DAY) == DAY


def test_each_step_of_a_rotation_is_read_back_from_the_secret() -> None:
    """Each step is read back, and other keys of the Secret stay as they are."""
    data = stage(new({"theirs": b"x"}))
    state = state_of(data)
    assert (state.current, state.next, state.previous) == (FIRST.certificate, SECOND.certificate, ())
    data = secret_changes.promote(stored(data), state, now=START)
    state = state_of(data)
    assert (state.current, state.next, state.previous) == (SECOND.certificate, None, (FIRST.certificate,))
    assert state.leaves_end(FIRST.certificate) is None
    assert secret.signer(stored(data), SECOND.certificate).certificate == SECOND.certificate
    data = secret_changes.record_leaf_ends(stored(data), state, {known(FIRST): START + 5 * DAY}, now=START)
    state = state_of(data)
    assert state.leaves_end(FIRST.certificate) == START + 5 * DAY
    data = secret_changes.retire(stored(data), state, {known(FIRST)}, leaf_lifetime=5 * DAY, now=START)
    state = state_of(data)
    assert (state.current, state.previous, state.problems) == (SECOND.certificate, (), ())
    assert state.records[known(FIRST)].leaves_end == START + 5 * DAY
    assert data["theirs"] == b"x"
    assert bundle_pem([SECOND.certificate]) == data["ca.crt"]


def test_the_record_of_a_retired_authority_goes_when_it_expires() -> None:
    """Until then it keeps a replica with an older view from bringing it back; after that no client trusts it."""
    data = secret_changes.promote(stored(stage(new())), state_of(stage(new())), now=START)
    data = secret_changes.record_leaf_ends(stored(data), state_of(data), {known(FIRST): START + 5 * DAY}, now=START)
    data = secret_changes.retire(stored(data), state_of(data), {known(FIRST)}, leaf_lifetime=5 * DAY, now=START)
    assert (
        known(FIRST)
        in state_of(secret_changes.ask_for_renewal(stored(data), state_of(data), now=START + 59 * DAY)).records
    )
    assert (
        known(FIRST)
        not in state_of(secret_changes.ask_for_renewal(stored(data), state_of(data), now=START + 61 * DAY)).records
    )


def test_an_authority_that_stops_signing_again_gets_a_new_end() -> None:
    """A backup brought it back and it signed once more: the end that was recorded before is no longer right."""
    data = stage(new())
    data = secret_changes.record_leaf_ends(stored(data), state_of(data), {known(FIRST): START}, now=START)
    state = state_of(secret_changes.promote(stored(data), state_of(data), now=START))
    assert state.leaves_end(FIRST.certificate) is None


def test_asking_for_new_leaves_keeps_what_is_staged() -> None:
    """The request is kept in addition to the state."""
    data = stage(new())
    state = state_of(secret_changes.ask_for_renewal(stored(data), state_of(data), now=START + HOUR))
    assert state.renew_leaves == START + HOUR
    assert (state.current, state.next) == (FIRST.certificate, SECOND.certificate)


def _no_authority() -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "leaf")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(START).not_valid_after(START + DAY)
    return Authority(certificate=builder.sign(key, hashes.SHA256()), key=key)


def _odd_key() -> Authority:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "odd")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(START).not_valid_after(START + DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return Authority(certificate=builder.sign(key, None), key=key)


def _weak_curve() -> Authority:
    key = ec.generate_private_key(ec.SECP224R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(START).not_valid_after(START + DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return Authority(certificate=builder.sign(key, hashes.SHA256()), key=key)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ca.key": SECOND.private_pem()}, "ca.crt and ca.key: the private key is not that of any certificate"),
        ({"ca.key": b""}, "ca.crt and ca.key: the private key is empty"),
        ({"ca.key": b"rubbish"}, "ca.crt and ca.key: the private key is missing"),
        ({"ca.crt": b""}, "ca.crt and ca.key: the private key is not that of any certificate"),
        ({"ca.crt": b"rubbish"}, "ca.crt: it is not PEM"),
        (
            {"ca.crt": bundle_pem([(leaf := _no_authority()).certificate]), "ca.key": leaf.private_pem()},
            "the certificate is not that of an authority",
        ),
        (
            {"ca.crt": bundle_pem([(odd := _odd_key()).certificate]), "ca.key": odd.private_pem()},
            "the certificate is not that of an authority",
        ),
        (
            {"ca.crt": bundle_pem([(weak := _weak_curve()).certificate]), "ca.key": weak.private_pem()},
            "a leaf of this authority would not be trusted",
        ),
    ],
    ids=["other key", "no key", "rubbish key", "no certificate", "rubbish certificate", "leaf", "ed25519", "weak"],
)
def test_an_authority_that_cannot_sign_does_not_count(change: dict[str, bytes], words: str) -> None:
    """It must be one, fit its key, and sign leaves that are trusted; the reason quotes no content."""
    state = state_of({**new(), **change})
    assert state.current is None
    assert any(words in problem for problem in state.problems)
    assert not any("-----" in problem for problem in state.problems)


def test_the_authority_is_the_one_that_the_key_fits() -> None:
    """Anywhere in the bundle: a person may have changed the order."""
    state = state_of({**new(), "ca.crt": bundle_pem([SECOND.certificate, FIRST.certificate])})
    assert (state.current, state.previous) == (FIRST.certificate, (SECOND.certificate,))


def test_a_next_one_that_lost_its_key_stays_trusted() -> None:
    """It may be in a caBundle already. No replica serves a leaf of it, so it goes in due time."""
    state = state_of({**stage(new()), "next.key": b""})
    assert (state.current, state.next, state.previous) == (FIRST.certificate, None, (SECOND.certificate,))
    assert state.problems == ("next.crt and next.key: the private key is empty",)


@pytest.mark.parametrize(
    "content",
    [
        b"rubbish",
        b"[]",
        b"7",
        b"null",
        b'{"authorities": 1}',
        b'{"authorities": {"a": {}}}',
        b'{"authorities": {"a": {"expires": "tomorrow"}}}',
        b'{"authorities": {"a": {"expires": "2030-01-01T00:00:00"}}}',
        b'{"authorities": {"a": {"expires": "2030-01-01T00:00:00Z", "leaf_seconds": "many"}}}',
        b'{"authorities": {"a": {"expires": "2030-01-01T00:00:00Z", "leaf_seconds": 1e300}}}',
        b'{"renew_leaves": 7}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_state_that_cannot_be_read_is_left_out(content: bytes) -> None:
    """The authority goes on signing; the records are written anew."""
    state = state_of({**new(), "state.json": content})
    assert state.current == FIRST.certificate
    assert state.records == {}
    assert state.problems == ("state.json cannot be read",)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            key: st.one_of(
                st.binary(max_size=50),
                st.sampled_from([*new().values(), *stage(new()).values(), SECOND.private_pem(), b"null", b"{}"]),
            )
            for key in ("ca.crt", "ca.key", "next.crt", "next.key", "state.json")
        },
    )
)
def test_any_secret_can_be_read_and_replaced(data: dict[str, bytes]) -> None:
    """A new authority can be written over any content, and then no problem is left."""
    state = state_of(data)
    written = secret_changes.create(stored(data), state, THIRD, previous=(), leaf_lifetime=DAY, now=START)
    healed = state_of(written)
    assert (healed.current, healed.next, healed.problems) == (THIRD.certificate, None, ())
    assert set(healed.previous) == {c for c in state.authorities() if c != THIRD.certificate}


def test_a_signer_needs_its_key() -> None:
    """Nothing can have changed between reading and signing; it is checked all the same."""
    assert secret.signer(stored(new()), FIRST.certificate).private_pem() == FIRST.private_pem()
    for data in ({}, {"ca.key": SECOND.private_pem()}, {"ca.key": private_pem(ed25519.Ed25519PrivateKey.generate())}):
        with pytest.raises(UnreadablePair):
            secret.signer(stored(data), FIRST.certificate)


def test_the_layout_is_what_the_docs_say() -> None:
    """Four PEM files and one JSON, whose times are RFC 3339 in UTC."""
    data = stage(new())
    assert set(data) == {"ca.crt", "ca.key", "next.crt", "next.key", "state.json"}
    assert json.loads(data["state.json"]) == {
        "authorities": {
            known(FIRST): {"expires": "2030-03-02T00:00:00Z", "leaf_seconds": 432000.0},
            known(SECOND): {"expires": "2030-03-02T00:00:00Z", "leaf_seconds": 259200.0},
        }
    }

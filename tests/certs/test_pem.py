"""Reading PEM that may be anything."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from certs.authority import make_leaf
from certs.errors import MismatchedPair, PairError, UnreadablePair
from certs.pem import bundle_pem, load_key, parse_bundle, parse_pair, private_pem
from tests.authorities import make_authority
from tests.certs.fakes import NAMES, START

DAY = timedelta(days=1)
AUTHORITY = make_authority(now=START, lifetime=30 * DAY)
OTHER = make_authority(now=START, lifetime=30 * DAY)
LEAF = make_leaf(AUTHORITY, names=NAMES, now=START, lifetime=DAY)
ONE, TWO = bundle_pem([AUTHORITY.certificate]), bundle_pem([OTHER.certificate])
KEY, CERTIFICATE = private_pem(LEAF.key), bundle_pem([LEAF.certificate])


@pytest.mark.parametrize(
    ("pem", "good", "problems"),
    [
        (b"", 0, []),
        (b" \n", 0, []),
        (ONE + TWO, 2, []),
        (ONE + TWO + ONE, 2, []),
        (b"# first\n" + ONE + b"\n\nsecond:\r\n" + TWO.replace(b"\n", b"\r\n"), 2, []),
        (b"rubbish", 0, ["it is not PEM"]),
        (b"\x00\xff\xfe", 0, ["it is not PEM"]),
        (ONE[:300], 0, ["a certificate is cut off"]),
        (ONE[:300] + b"\n" + TWO, 1, ["a certificate is cut off"]),
        (ONE + TWO[:300], 1, ["a certificate is cut off"]),
        (ONE + AUTHORITY.private_pem(), 1, ["block 2 is a private key, not a certificate"]),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + ONE,
            1,
            ["block 1 cannot be read as a certificate"],
        ),
    ],
)
def test_what_is_good_in_a_bundle_is_kept_and_the_rest_is_told(pem: bytes, good: int, problems: list[str]) -> None:
    """Each certificate once, in order; each other part as a sentence; comments are allowed."""
    bundle = parse_bundle(pem)
    assert len(bundle.certificates) == good
    assert list(bundle.problems) == problems


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_bytes_make_the_parser_fail(before: bytes, after: bytes) -> None:
    """Nor do they cost a good certificate that stands between them on lines of its own."""
    assert AUTHORITY.certificate in parse_bundle(before + b"\n" + ONE + after).certificates or b"-----BEGIN" in before


def test_what_a_bundle_costs_grows_with_its_length_and_no_faster() -> None:
    """A megabyte of opening lines, which is what a Secret can hold, against an eighth of it."""

    def seconds(lines: int) -> float:
        text, taken = b"-----BEGIN CERTIFICATE-----\n" * lines, []
        for _ in range(5):
            start = time.thread_time()
            assert parse_bundle(text).certificates == ()
            taken.append(time.thread_time() - start)
        return min(taken)

    assert seconds(36_000) < 3 * 8 * seconds(4_500)


def test_a_bundle_of_too_many_is_cut() -> None:
    """What follows the 64th is ignored, and that is reported."""
    many = [make_authority(now=START, lifetime=DAY).certificate for _ in range(70)]
    bundle = parse_bundle(bundle_pem(many))
    assert list(bundle.certificates) == many[:64]
    assert bundle.problems == ("there are 70 blocks; those after 64 are ignored",)


@pytest.mark.parametrize("pem", [KEY + CERTIFICATE + ONE, ONE + CERTIFICATE + KEY, CERTIFICATE + KEY + ONE])
def test_one_file_may_hold_all_in_any_order(pem: bytes) -> None:
    """The leaf is the one that the key fits, and the rest is its chain."""
    pair = parse_pair(pem, pem)
    assert pair.certificate == LEAF.certificate
    assert pair.chain == (AUTHORITY.certificate,)


def test_an_rsa_key_and_a_parameter_block_are_fine() -> None:
    """`openssl ecparam -genkey` writes one, cert-manager makes RSA by default."""
    key = rsa.generate_private_key(65537, 2048)
    assert load_key(
        b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + private_pem(key)
    )


@pytest.mark.parametrize(
    ("certificate", "key", "kind", "words"),
    [
        (b"", KEY, UnreadablePair, "the certificate is empty"),
        (CERTIFICATE, b"", UnreadablePair, "the private key is empty"),
        (CERTIFICATE[:200], KEY, UnreadablePair, "a certificate is cut off"),
        (CERTIFICATE + ONE[:100], KEY, UnreadablePair, "a certificate is cut off"),
        (CERTIFICATE, KEY[:100], UnreadablePair, "the private key is missing"),
        (KEY, KEY, UnreadablePair, "the certificate is missing"),
        (CERTIFICATE, CERTIFICATE, UnreadablePair, "the private key is missing"),
        (CERTIFICATE, OTHER.private_pem(), MismatchedPair, "the private key belongs to another certificate"),
        (
            CERTIFICATE,
            AUTHORITY.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"words"),
            ),
            UnreadablePair,
            "the private key is encrypted",
        ),
        (
            CERTIFICATE,
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            UnreadablePair,
            "the private key cannot be read",
        ),
    ],
)
def test_a_pair_that_is_none_is_told_in_a_sentence(
    certificate: bytes, key: bytes, kind: type[PairError], words: str
) -> None:
    """Which of the two, and why; never what was read."""
    with pytest.raises(kind) as refused:
        parse_pair(certificate, key)
    assert words in str(refused.value)
    assert "-----" not in str(refused.value)

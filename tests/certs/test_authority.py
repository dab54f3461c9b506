"""Authorities and leaves: what is in them, which clients trust them, and that OpenSSL reads them alike."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from certs.authority import is_authority, make_leaf, renewal_time, verify
from certs.errors import UntimelyPair, UntrustedLeaf
from certs.names import service_names
from tests.authorities import make_authority
from tests.certs.fakes import NAME, NAMES, START

DAY = timedelta(days=1)


def test_an_authority_says_what_it_may_do() -> None:
    """It signs certificates and nothing else, signs no further authority, and is valid from an hour ago."""
    certificate = make_authority(now=START, lifetime=730 * DAY, common_name="example CA").certificate
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert certificate.not_valid_before_utc == START - timedelta(hours=1)
    assert certificate.not_valid_after_utc == START + 730 * DAY
    extensions = certificate.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    identifier = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == identifier
    assert certificate.subject.rfc4514_string() == f"CN=example CA {identifier.hex()[:8]}"
    assert is_authority(certificate)


def test_no_two_authorities_look_alike() -> None:
    """Their serial numbers, keys and subjects differ, so that no verifier takes one for the other."""
    made = [make_authority(now=START, lifetime=DAY).certificate for _ in range(20)]
    assert len({certificate.serial_number for certificate in made}) == 20
    assert len({certificate.subject.rfc4514_string() for certificate in made}) == 20


def test_a_long_common_name_is_cut_so_that_it_fits() -> None:
    """RFC 5280 allows 64 characters, and the key's id is never what is cut."""
    certificate = make_authority(now=START, lifetime=DAY, common_name="n" * 100).certificate
    name = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    assert len(name) == 64
    assert str(name)[-9] == " "


def test_a_leaf_is_for_servers_of_these_names() -> None:
    """Its names are those of the Service, its usage is serverAuth, and it points to its authority's key."""
    authority = make_authority(now=START, lifetime=730 * DAY)
    leaf = make_leaf(authority, names=[*NAMES, "127.0.0.1", "::1"], now=START, lifetime=14 * DAY).certificate
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "webhook",
        "webhook.m365",
        "webhook.m365.svc",
        "webhook.m365.svc.cluster.local",
    ]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]
    pointer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    holder = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert pointer == holder
    assert leaf.not_valid_after_utc == START + 14 * DAY
    assert not is_authority(leaf)


@given(age=st.timedeltas(timedelta(0), 20 * DAY), lifetime=st.timedeltas(timedelta(seconds=1), 40 * DAY))
def test_a_leaf_never_outlives_its_authority(age: timedelta, lifetime: timedelta) -> None:
    """However late and for however long it is asked for."""
    authority = make_authority(now=START, lifetime=20 * DAY)
    leaf = make_leaf(authority, names=NAMES, now=START + age, lifetime=lifetime).certificate
    assert leaf.not_valid_after_utc <= authority.certificate.not_valid_after_utc
    assert leaf.not_valid_after_utc <= START + age + lifetime
    assert leaf.not_valid_before_utc == authority.certificate.not_valid_before_utc


def test_a_leaf_cannot_end_before_its_authority_begins() -> None:
    """The clock was years behind: the error says so, instead of a ValueError of the library."""
    authority = make_authority(now=START, lifetime=20 * DAY)
    with pytest.raises(UntimelyPair):
        make_leaf(authority, names=NAMES, now=START - 365 * DAY, lifetime=DAY)


@pytest.mark.parametrize("name", [*NAMES, "127.0.0.1", "::1"])
def test_a_leaf_is_trusted_for_each_of_its_names(name: str) -> None:
    """By a client with its authority in the bundle, among others."""
    authority, other = (make_authority(now=START, lifetime=30 * DAY) for _ in range(2))
    leaf = make_leaf(authority, names=[*NAMES, "127.0.0.1", "::1"], now=START, lifetime=DAY).certificate
    verify(leaf, [other.certificate, authority.certificate], name=name, now=START)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "other.m365.svc"}, "no matching subjectAltName"),
        ({"now": START + 2 * DAY}, "not valid at validation time"),
        ({"now": START + 31 * DAY}, "no certificate in the bundle is valid at 2030-02-01"),
        ({"now": START - timedelta(hours=2)}, "no certificate in the bundle is valid"),
        ({"bundle": []}, "no certificate in the bundle is valid"),
        ({"bundle": [make_authority(now=START, lifetime=30 * DAY).certificate]}, "candidates exhausted"),
    ],
)
def test_a_leaf_is_refused_with_the_reason(change: dict[str, object], words: str) -> None:
    """Another name, another time, another authority: as kube-apiserver would."""
    authority = make_authority(now=START, lifetime=30 * DAY)
    leaf = make_leaf(authority, names=NAMES, now=START, lifetime=DAY).certificate
    arguments: dict[str, object] = {"bundle": [authority.certificate], "name": NAME, "now": START} | change
    with pytest.raises(UntrustedLeaf) as refused:
        verify(leaf, arguments.pop("bundle"), **arguments)  # type: ignore[arg-type]
    assert words in str(refused.value)


def test_a_leaf_signed_by_a_namesake_is_refused() -> None:
    """Same subject, other key: the signature decides."""
    authority = make_authority(now=START, lifetime=30 * DAY)
    forged = (
        x509.CertificateBuilder()
        .subject_name(authority.certificate.subject)
        .issuer_name(authority.certificate.subject)
        .public_key((key := ec.generate_private_key(ec.SECP256R1())).public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    leaf = make_leaf(authority, names=NAMES, now=START, lifetime=DAY).certificate
    with pytest.raises(UntrustedLeaf):
        verify(leaf, [forged], name=NAME, now=START)


def test_openssl_trusts_what_we_trust() -> None:
    """In its strict mode, with the names and the key ids checked; the time is the machine's own here."""
    from certs.serving import Serving

    now = datetime.now(UTC)
    authority = make_authority(now=now, lifetime=30 * DAY)
    serving = Serving()
    serving.replace(make_leaf(authority, names=NAMES, now=now, lifetime=DAY), names=NAMES)
    context = ssl.create_default_context(cadata=authority.pem)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.listening_context.wrap_bio(there, back, server_side=True)
    client = context.wrap_bio(back, there, server_hostname=NAME)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.getpeercert()


def test_renewal_is_due_at_two_thirds_and_a_little_earlier_by_chance() -> None:
    """So that replicas started together do not all sign in the same second."""
    end = START + 30 * DAY
    assert renewal_time(START, end) == START + 20 * DAY
    assert renewal_time(START, end, jitter=1.0) == START + 18.5 * DAY


def test_the_name_that_kube_apiserver_asks_for_is_the_third() -> None:
    """The name that kube-apiserver asks for is the third."""
    assert service_names("webhook", "m365") == NAMES
    assert NAMES[2] == NAME == "webhook.m365.svc"

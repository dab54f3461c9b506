"""Make an authority, sign a leaf certificate, verify it.

Pure except for the operating system's randomness; the time is passed in. Keys are ECDSA P-256: a handshake costs a
tenth of one with RSA 2048. Nothing here puts a private key into a repr, a str or an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from certs.constraints import NO_NAMES, constrained_to, general_name
from certs.errors import UntimelyPair, UntrustedLeaf
from certs.names import BACKDATED
from certs.pem import Pair, bundle_pem, private_pem

__all__ = [
    "Authority",
    "can_sign",
    "is_authority",
    "make_authority",
    "make_leaf",
    "renewal_time",
    "verify",
]

_SUBJECT_LIMIT = 64  # ub-common-name of RFC 5280


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A certificate authority with its private key."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes = field(repr=False)

    @property
    def pem(self) -> str:
        """The certificate: public."""
        return bundle_pem([self.certificate]).decode()

    def private_pem(self) -> bytes:
        """The key as unencrypted PKCS #8, for the Secret only."""
        return private_pem(self.key)


def make_authority(
    *,
    now: datetime,
    lifetime: timedelta,
    common_name: str = "m365-workload-identity CA",
    names: Sequence[str] = NO_NAMES,
) -> Authority:
    """A new authority, valid from an hour ago until `now` + `lifetime`.

    names: for which it may sign; by default for none, because the key of an authority for all names is worth too much.

    Its serial number is random, and its subject ends in the first 8 hex digits of its key's id. If two authorities had
    the same subject, a verifier could pick the wrong one and report a bad signature instead of an unknown authority.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    short = identifier.digest.hex()[:8]
    subject = _name(f"{common_name[: _SUBJECT_LIMIT - 9]} {short}")
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .add_extension(constrained_to(names), critical=True)
    )
    return Authority(certificate=builder.sign(key, hashes.SHA256()), key=key)


def make_leaf(authority: Authority, *, names: Sequence[str], now: datetime, lifetime: timedelta) -> Pair:
    """A serving certificate for `names` (DNS names or IP addresses), with a key of its own, until `now` + `lifetime`.

    NotAfter never exceeds the authority's. NotBefore is the authority's: a replica whose clock is ahead must not sign
    what kube-apiserver calls "not yet valid", and validity in the past does no harm. Raises `UntimelyPair` for a leaf
    that would end before the authority begins.
    """
    if now + lifetime < authority.certificate.not_valid_before_utc:
        raise UntimelyPair(f"the authority is not valid before {authority.certificate.not_valid_before_utc:%Y-%m-%d}")
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(f"m365-workload-identity webhook {identifier.digest.hex()[:8]}"))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(min(now + lifetime, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(_authority_key_identifier(issuer), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Pair(certificate=certificate, key=key)


def verify(
    leaf: x509.Certificate,
    bundle: Iterable[x509.Certificate],
    *,
    name: str,
    now: datetime,
    chain: Sequence[x509.Certificate] = (),
) -> None:
    """Check that a client which trusts only `bundle` accepts `leaf` for `name` at `now`, as kube-apiserver does.

    Raises `UntrustedLeaf` if it does not. As in Go and OpenSSL, an authority that is not valid at `now` is not trusted.
    """
    trusted = [certificate for certificate in bundle if _is_valid_at(certificate, now)]
    if not trusted:
        raise UntrustedLeaf(f"no certificate in the bundle is valid at {now:%Y-%m-%d %H:%M:%SZ}")
    try:
        verifier = PolicyBuilder().store(Store(trusted)).time(now).build_server_verifier(general_name(name))
        verifier.verify(leaf, list(chain))
    except (VerificationError, ValueError) as error:
        reason = str(error).partition(" (encountered processing")[0].removeprefix("validation failed: ")
        raise UntrustedLeaf(f"{_common_name(leaf)} is not trusted for {name}: {reason}") from None


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether the certificate says of itself that it may sign others."""
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
    except x509.ExtensionNotFound:
        return False
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def renewal_time(issued: datetime, not_after: datetime, *, jitter: float = 0.0) -> datetime:
    """Two thirds of the way from `issued` to `not_after`, earlier by up to a twentieth of it for `jitter` in [0, 1)."""
    return issued + (not_after - issued) * (2 / 3 - jitter / 20)


def can_sign(key: PrivateKeyTypes) -> bool:
    """Whether a key is of a kind that our authorities may have."""
    return isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)


def _is_valid_at(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:  # an authority that a person put into the Secret
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _common_name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "a certificate without subject"

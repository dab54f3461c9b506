"""The certificates of one test cluster: an authority that signs the API server and any user that a test asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.authority import make_authority, make_leaf
from certs.pem import bundle_pem, private_pem

__all__ = ["Authority", "KeyPair", "signing_key"]

LIFETIME = timedelta(days=1)


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """A certificate authority that lives as long as the cluster."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)
        self._made = make_authority(now=self._now, lifetime=LIFETIME, common_name="m365wi test cluster")

    @property
    def certificate(self) -> bytes:
        """The authority's own certificate, PEM."""
        return self._made.pem.encode()

    @property
    def key(self) -> bytes:
        """The authority's private key, PEM: the controller-manager signs CertificateSigningRequests with it."""
        return self._made.private_pem()

    def server(self, addresses: Sequence[str], names: Sequence[str]) -> KeyPair:
        """A serving certificate for IP addresses and DNS names."""
        pair = make_leaf(self._made, names=[*addresses, *names], now=self._now, lifetime=LIFETIME)
        return KeyPair(bundle_pem([pair.certificate]), private_pem(pair.key))

    def client(self, user: str, groups: Sequence[str] = ()) -> KeyPair:
        """A client certificate: to Kubernetes the common name is the user and each organization a group."""
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        key, issuer = ec.generate_private_key(ec.SECP256R1()), self._made.certificate
        signed = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user)]))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(issuer.not_valid_before_utc)
            .not_valid_after(issuer.not_valid_after_utc)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(self._made.key, hashes.SHA256())
        )
        return KeyPair(bundle_pem([signed]), private_pem(key))


def signing_key() -> bytes:
    """The RSA key that signs ServiceAccount tokens (RS256, the algorithm that Entra accepts), PEM."""
    return private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))

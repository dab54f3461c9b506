"""The certificates of one test cluster: an authority that signs the API server and any user that a test asks for.

They are as bare as those of EKS and of clusters that are some years old: they have no key identifiers, and the
authority has no key usage. Go accepts them; OpenSSL's strict mode, Python's default since 3.13, does not.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.pem import bundle_pem, private_pem

__all__ = ["Authority", "KeyPair", "signing_key", "trusting"]

LIFETIME = timedelta(days=1)
BACKDATED = timedelta(hours=1)


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """A certificate authority that lives as long as the cluster."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)
        # Numbered: if two authorities share a subject, verifiers report a bad signature, not an unknown issuer.
        self._subject = _name(f"m365wi test cluster {x509.random_serial_number():x}"[:60])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._signed(self._subject, self._key, x509.BasicConstraints(ca=True, path_length=None))

    @property
    def certificate(self) -> bytes:
        """The authority's own certificate, PEM."""
        return bundle_pem([self._certificate])

    @property
    def key(self) -> bytes:
        """The authority's private key, PEM: the controller-manager signs CertificateSigningRequests with it."""
        return private_pem(self._key)

    def server(self, addresses: Sequence[str], names: Sequence[str]) -> KeyPair:
        """A serving certificate for IP addresses and DNS names."""
        found = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        alternatives = x509.SubjectAlternativeName([*found, *map(x509.DNSName, names)])
        return self._pair(
            _name("kube-apiserver"), alternatives, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        )

    def client(self, user: str, groups: Sequence[str] = ()) -> KeyPair:
        """A client certificate: to Kubernetes the common name is the user and each organization a group."""
        return self._pair(_name(user, groups), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))

    def _pair(self, subject: x509.Name, *extensions: x509.ExtensionType) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        return KeyPair(bundle_pem([self._signed(subject, key, *extensions)]), private_pem(key))

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - BACKDATED)
            .not_valid_after(self._now + LIFETIME)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256())


def trusting(authority: bytes | None) -> ssl.SSLContext:
    """A client's context that trusts `authority` (None: the system's authorities) and verifies as Go does."""
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def signing_key() -> bytes:
    """The RSA key that signs ServiceAccount tokens (RS256, the algorithm that Entra accepts), PEM."""
    return private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def _name(common_name: str, groups: Sequence[str] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])

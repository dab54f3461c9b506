"""A stand-in for Sigstore's authority: it certifies a key for a workflow of GitHub, as Fulcio does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from tools.release import programs

GITHUB = "https://token.actions.githubusercontent.com"
# Of the issuer of the workflow's token: as text, and as DER.
ISSUER, ISSUER_DER = ObjectIdentifier("1.3.6.1.4.1.57264.1.1"), ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a stand-in for Fulcio")])
UTF8_STRING = 12


class Fulcio:
    """An authority, and the file that tells cosign to trust it and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._now = datetime.now(UTC)
        authority = self._begun(NAME, self._key.public_key(), timedelta(days=1))
        authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        own = folder / "fulcio.pem"
        own.write_bytes(self._signed(authority))
        self.trusted_root = folder / "trusted_root.json"
        about = f"url=https://fulcio.example.com,certificate-chain={own},start-time=2024-01-01T00:00:00Z"
        programs.run("cosign", "trusted-root", "create", "--fulcio", about, "--out", self.trusted_root)

    def certify(self, public: Path, identity: str, issuer: str = GITHUB) -> Path:
        """A certificate for the public key in a file."""
        key = serialization.load_pem_public_key(public.read_bytes())
        assert isinstance(key, ec.EllipticCurvePublicKey)
        told = issuer.encode()
        leaf = (
            self._begun(x509.Name([]), key, timedelta(hours=1))
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True)
            .add_extension(x509.UnrecognizedExtension(ISSUER, told), critical=False)
            .add_extension(
                x509.UnrecognizedExtension(ISSUER_DER, bytes([UTF8_STRING, len(told)]) + told), critical=False
            )
        )
        path = self._folder / f"{x509.random_serial_number()}.pem"
        path.write_bytes(self._signed(leaf))
        return path

    def _begun(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: timedelta
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder(NAME, subject, key, x509.random_serial_number())
        return builder.not_valid_before(self._now - timedelta(minutes=5)).not_valid_after(self._now + lifetime)

    def _signed(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

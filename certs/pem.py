"""Reading and writing PEM. What is read may be anything: half written, damaged, somebody else's.

Private keys leave here in one form only, unencrypted PKCS #8 in memory, for the Secret and for OpenSSL. They are never
in a repr, a str or an exception. An exception of the parser may quote what it read, so it is never passed on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from certs.errors import MismatchedPair, UnreadablePair

__all__ = [
    "Bundle",
    "Pair",
    "bundle_pem",
    "fingerprint",
    "fits",
    "load_key",
    "parse_bundle",
    "parse_pair",
    "private_pem",
]

_BUNDLE_LIMIT = 64  # certificates; a real caBundle has fewer, and each costs time at every reading
_CERTIFICATE = "CERTIFICATE"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A leaf with its private key, and the intermediate certificates that a client needs in addition, if any."""

    certificate: x509.Certificate
    key: PrivateKeyTypes = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    def private_pem(self) -> bytes:
        """Key, leaf and chain as one PEM, for OpenSSL only."""
        return private_pem(self.key) + bundle_pem([self.certificate, *self.chain])


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """The certificates of a PEM bundle, each once and in order, and a sentence for each part that is something else."""

    certificates: tuple[x509.Certificate, ...] = ()
    problems: tuple[str, ...] = ()


def parse_bundle(pem: bytes) -> Bundle:
    """The certificates in `pem`, each once, in order, and a sentence for each part that is not a certificate.

    Comments between the blocks are allowed, and so is an empty bundle.
    """
    certificates: dict[str, x509.Certificate] = {}
    blocks, problems = _blocks(pem)
    if len(blocks) > _BUNDLE_LIMIT:
        problems.append(f"there are {len(blocks)} blocks; those after {_BUNDLE_LIMIT} are ignored")
    for number, (label, block) in enumerate(blocks[:_BUNDLE_LIMIT], start=1):
        if label != _CERTIFICATE:
            problems.append(f"block {number} is {_article(label)}, not a certificate")
        elif (certificate := _certificate(block)) is None:
            problems.append(f"block {number} cannot be read as a certificate")
        else:
            certificates.setdefault(fingerprint(certificate), certificate)
    return Bundle(certificates=tuple(certificates.values()), problems=tuple(problems))


def bundle_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """The certificates as PEM, one after another."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the certificate, in hex: its name in logs and in the Secret."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def load_key(pem: bytes) -> PrivateKeyTypes:
    """The first private key in `pem`. Raises `UnreadablePair`, which never says what was read."""
    for label, block in _blocks(pem)[0]:
        if not label.endswith("PRIVATE KEY"):
            continue
        try:
            return serialization.load_pem_private_key(block, password=None)
        except TypeError:
            raise UnreadablePair("the private key is encrypted, expected one without a password") from None
        except Exception:  # noqa: BLE001 - whatever the parser says may quote what it read
            raise UnreadablePair("the private key cannot be read") from None
    raise UnreadablePair("the private key is missing" if pem.strip() else "the private key is empty")


def fits(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    """Whether `key` is the private half of the certificate's key."""
    return bool(certificate.public_key() == key.public_key())


def parse_pair(certificate_pem: bytes, key_pem: bytes) -> Pair:
    """A certificate, its chain and its key, from two PEMs or from one that holds all, in whatever order.

    The leaf is the certificate that the key fits; the others stay in their order as its chain.
    Raises `UnreadablePair` or `MismatchedPair`.
    """
    blocks, unfinished = _blocks(certificate_pem)
    bundle = parse_bundle(b"".join(block for label, block in blocks if label == _CERTIFICATE))
    if problems := [*unfinished, *bundle.problems]:
        raise UnreadablePair(f"the certificate cannot be read: {'; '.join(problems)}")
    if not bundle.certificates:
        raise UnreadablePair("the certificate is missing" if certificate_pem.strip() else "the certificate is empty")
    key = load_key(key_pem)
    for certificate in bundle.certificates:
        if fits(certificate, key):
            chain = tuple(other for other in bundle.certificates if other is not certificate)
            return Pair(certificate=certificate, key=key, chain=chain)
    raise MismatchedPair("the private key belongs to another certificate")


def private_pem(key: PrivateKeyTypes) -> bytes:
    """The key as unencrypted PKCS #8."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _blocks(pem: bytes) -> tuple[list[tuple[str, bytes]], list[str]]:
    """The complete blocks with their labels, and problems. One pass: a regular expression would need n² time."""
    blocks: list[tuple[str, bytes]] = []
    problems: list[str] = []
    label: str | None = None
    lines: list[bytes] = []
    for line in pem.splitlines():
        text = line.strip()
        if text.startswith(b"-----BEGIN ") and text.endswith(b"-----"):
            if label is not None:
                problems.append(f"{_article(label)} is cut off")
            label, lines = text[11:-5].decode("ascii", "replace"), [text]
        elif label is not None:
            lines.append(text)
            if text == f"-----END {label}-----".encode():
                blocks.append((label, b"\n".join(lines) + b"\n"))
                label = None
    if label is not None:
        problems.append(f"{_article(label)} is cut off")
    if pem.strip() and not blocks and not problems:
        problems.append("it is not PEM")
    return blocks, problems


def _certificate(block: bytes) -> x509.Certificate | None:
    try:
        certificate = x509.load_pem_x509_certificate(block)
        # These are parsed only when they are read: better here than where an error would be a surprise.
        _ = certificate.extensions, certificate.subject, certificate.issuer, certificate.not_valid_after_utc
        certificate.public_key()
    except Exception:  # noqa: BLE001 - it raises five kinds, one of them for algorithms that it does not know
        return None
    return certificate


def _article(label: str) -> str:
    label = label if label.isascii() and label.isprintable() and len(label) < 40 else "block"
    return f"{'an' if label[:1] in 'AEIOU' else 'a'} {label.lower()}"

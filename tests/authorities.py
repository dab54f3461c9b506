"""Authorities for tests: as `certs.authority.make_authority` makes them, but for the names that tests use."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certs import authority

__all__ = ["make_authority", "unconstrained"]

USED: Final = (
    "svc",
    "cluster.local",
    "m365",
    "webhook",
    "localhost",
    "test",
    "example",
    "example.com",
    "a",
    "x",
    "127.0.0.1",
    "::1",
)


def make_authority(
    *,
    now: datetime,
    lifetime: timedelta,
    common_name: str = "m365-workload-identity CA",
    names: Sequence[str] = USED,
) -> authority.Authority:
    """An authority that may sign what tests have it sign."""
    return authority.make_authority(now=now, lifetime=lifetime, common_name=common_name, names=names)


def unconstrained(*, now: datetime, lifetime: timedelta) -> authority.Authority:
    """One without name constraints, as a person or an early release made it."""
    like = make_authority(now=now, lifetime=lifetime)
    certificate = like.certificate
    builder = x509.CertificateBuilder(
        issuer_name=certificate.issuer,
        subject_name=certificate.subject,
        public_key=like.certificate.public_key(),
        serial_number=certificate.serial_number,
        not_valid_before=certificate.not_valid_before_utc,
        not_valid_after=certificate.not_valid_after_utc,
    )
    for extension in certificate.extensions:
        if not isinstance(extension.value, x509.NameConstraints):
            builder = builder.add_extension(extension.value, extension.critical)
    return authority.Authority(certificate=builder.sign(like.key, hashes.SHA256()), key=like.key)

"""Who a TLS server says it is, and whether that is who it should be: pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from m365_identity._text import shown
from m365_identity.clouds import CLOUDS, cloud_of

__all__ = ["Certificate", "from_der", "is_foreign", "verified"]

_MICROSOFT: Final = ("Microsoft", "DigiCert")
"""How the names of the organizations begin that sign Microsoft's certificates."""
_ISOLATED: Final = (CLOUDS["ex"], CLOUDS["rx"])
_SHORT: Final = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C"}


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Subject and issuer as `CN=…, O=…`; the organization of the issuer, "" if it names none."""

    subject: str
    issuer: str
    organization: str


def verified(certificate: Mapping[str, Any]) -> Certificate:
    """From what `SSLSocket.getpeercert()` gives."""
    issuer = _attributes(certificate.get("issuer", ()))
    return _certificate(_attributes(certificate.get("subject", ())), issuer)


def from_der(content: bytes) -> Certificate:
    """From a certificate that was not verified. Raises ValueError for anything else."""
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(content)
    names = {
        "2.5.4.3": "commonName",
        "2.5.4.10": "organizationName",
        "2.5.4.11": "organizationalUnitName",
        "2.5.4.6": "countryName",
    }
    subject, issuer = (
        [(names.get(each.oid.dotted_string, each.oid.dotted_string), str(each.value)) for each in name]
        for name in (certificate.subject, certificate.issuer)
    )
    return _certificate(subject, issuer)


def is_foreign(url: str, certificate: Certificate) -> bool:
    """Whether a server that should be Microsoft's has a certificate that Microsoft would not have: TLS is intercepted.

    False for the isolated clouds, of which nothing is known, and for servers that are not Microsoft's.
    """
    host = urlsplit(url).hostname
    cloud = cloud_of(url) or next((cloud for cloud in CLOUDS.values() if urlsplit(cloud.graph).hostname == host), None)
    if cloud is None or cloud in _ISOLATED:
        return False
    return not certificate.organization.startswith(_MICROSOFT)


def _certificate(subject: list[tuple[str, str]], issuer: list[tuple[str, str]]) -> Certificate:
    organization = next((value for name, value in issuer if name == "organizationName"), "")
    return Certificate(subject=_text(subject), issuer=_text(issuer), organization=organization)


def _attributes(name: Any) -> list[tuple[str, str]]:
    return [(key, value) for relative in name for key, value in relative]


def _text(attributes: list[tuple[str, str]]) -> str:
    """The common name first: it says the most."""
    ordered = sorted(attributes, key=lambda attribute: attribute[0] != "commonName")
    return shown(", ".join(f"{_SHORT.get(name, name)}={value}" for name, value in ordered)) or "no name"

"""What a ServiceAccount token says about itself, for diagnostics: Entra verifies it, this library does not."""

from dataclasses import dataclass
from typing import Final

from m365_identity._tokens import jwt_claims

__all__ = ["Assertion", "decode"]

_ACCOUNT: Final = "system:serviceaccount:"
_API_SERVERS: Final = ("kubernetes", "k3s", "rke2", "api")


@dataclass(frozen=True, kw_only=True)
class Assertion:
    """What a token says about itself; "" or None for what it does not say. Nothing in it is verified.

    Times are seconds since the epoch.
    """

    issuer: str
    subject: str
    audiences: tuple[str, ...]
    issued: float | None
    expires: float | None

    @property
    def audience(self) -> str:
        """The first audience, or ""."""
        return self.audiences[0] if self.audiences else ""

    @property
    def suits_entra(self) -> bool:
        """Whether the token can be meant for Entra: one that the API server takes is for the API server alone."""
        return bool(self.audiences) and not any(map(_is_api_server, self.audiences))

    @property
    def account(self) -> tuple[str, str] | None:
        """Namespace and name of the ServiceAccount, None if the subject is not one."""
        namespace, colon, name = self.subject.removeprefix(_ACCOUNT).partition(":")
        return (namespace, name) if self.subject.startswith(_ACCOUNT) and colon else None


def _is_api_server(audience: str) -> bool:
    """An address or the name of a host is never Entra's audience; the API server's is one, or its issuer, as a rule."""
    plain = audience.strip('"/ ').lower()
    is_address = "://" in plain or "." in plain
    return plain in _API_SERVERS or (is_address and not plain.startswith("api://"))


def decode(token: str) -> Assertion:
    """What `token` says about itself, not verified. Raises ValueError, with no part of it, if it is not a JWT."""
    claims = jwt_claims.claims(token)
    return Assertion(
        issuer=jwt_claims.text(claims.get("iss")),
        subject=jwt_claims.text(claims.get("sub")),
        audiences=jwt_claims.texts(claims.get("aud")),
        issued=jwt_claims.number(claims.get("iat")),
        expires=jwt_claims.number(claims.get("exp")),
    )

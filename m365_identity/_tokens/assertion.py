"""What a ServiceAccount token says about itself, for diagnostics: Entra verifies it, this library does not."""

from dataclasses import dataclass
from typing import Final

from m365_identity._tokens import jwt_claims

__all__ = ["Assertion", "decode"]

_ACCOUNT: Final = "system:serviceaccount:"


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
    def account(self) -> tuple[str, str] | None:
        """Namespace and name of the ServiceAccount, None if the subject is not one."""
        namespace, colon, name = self.subject.removeprefix(_ACCOUNT).partition(":")
        return (namespace, name) if self.subject.startswith(_ACCOUNT) and colon else None


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

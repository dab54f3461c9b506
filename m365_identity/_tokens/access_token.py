"""What an access token says about itself, for people: `whoami` and `doctor`.

Clients must treat access tokens as opaque, and Entra may change or encrypt them: a token that cannot be read is not
wrong. The signature is not verified, so nothing may be decided on what is read here.
"""

from dataclasses import dataclass

from m365_identity._tokens import jwt_claims

__all__ = ["AccessTokenClaims", "decode"]


@dataclass(frozen=True, kw_only=True)
class AccessTokenClaims:
    """What is known from the token; "" or None for what it does not say. Times are seconds since the epoch.

    roles: the application permissions that an administrator has consented to, such as `Organization.Read.All`.
    """

    tenant_id: str
    client_id: str
    application: str
    object_id: str
    roles: tuple[str, ...]
    audience: str
    issuer: str
    issued: float | None
    expires: float | None


def decode(token: str) -> AccessTokenClaims:
    """The claims of an access token. Raises ValueError, with no part of the token, if it cannot be read."""
    try:
        claims = jwt_claims.claims(token)
    except ValueError as error:
        raise ValueError(f"the access token cannot be read, which is not an error of its own: {error}") from None
    return AccessTokenClaims(
        tenant_id=jwt_claims.text(claims.get("tid")),
        client_id=jwt_claims.text(claims.get("appid")) or jwt_claims.text(claims.get("azp")),
        application=jwt_claims.text(claims.get("app_displayname")),
        object_id=jwt_claims.text(claims.get("oid")),
        roles=jwt_claims.texts(claims.get("roles")),
        audience=", ".join(jwt_claims.texts(claims.get("aud"))),
        issuer=jwt_claims.text(claims.get("iss")),
        issued=jwt_claims.number(claims.get("iat")),
        expires=jwt_claims.number(claims.get("exp")),
    )

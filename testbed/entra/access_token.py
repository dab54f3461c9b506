"""Access tokens: signed by the emulator's own key for an application, and checked by its Graph."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

import jwt

from testbed.entra.clock import Clock
from testbed.entra.directory import Application
from testbed.entra.issuer import SigningKey
from testbed.entra.principals import GRAPH_APP_ID, User

__all__ = ["GRAPH_APP_ID", "AccessTokens", "InvalidToken"]

_STS: Final = {"china": "https://sts.chinacloudapi.cn/"}


class InvalidToken(Exception):
    """Graph does not accept the access token; the text is Graph's message."""


class AccessTokens:
    """Signs and checks access tokens. `cloud` decides the issuer; Graph's tokens have that of version 1."""

    def __init__(self, clock: Clock, *, cloud: str) -> None:
        self._clock = clock
        self._sts = _STS.get(cloud, "https://sts.windows.net/")
        self.key = SigningKey("entra-1")

    def issue(self, application: Application, *, audience: str, lifetime: int, is_graph: bool, is_cae: bool) -> str:
        """A token for `audience`, with the application's roles if that is Graph. No roles, no claim `roles`."""
        claims = self._common(application.tenant_id, audience, lifetime) | {
            "app_displayname": application.name,
            "appid": application.client_id,
            "appidacr": "2",
            "idp": f"{self._sts}{application.tenant_id}/",
            "idtyp": "app",
            "oid": application.object_id,
            "sub": application.object_id,
        }
        if is_graph and application.roles:
            claims["roles"] = list(application.roles)
        if is_cae:
            claims["xms_cc"] = ["CP1"]
        return self.key.sign(claims)

    def issue_to_user(
        self, user: User, *, client_id: str, audience: str, lifetime: int, scopes: Iterable[str], is_cae: bool
    ) -> str:
        """A token for `audience` with delegated permissions, for a user who signed in to the client."""
        claims = self._common(user.tenant_id, audience, lifetime) | {
            "acr": "1",
            "amr": ["pwd", "mfa"],
            "appid": client_id,
            "appidacr": "0",
            "idtyp": "user",
            "name": user.name.partition("@")[0],
            "oid": user.id,
            "scp": " ".join(scopes),
            "sub": user.id,
            "unique_name": user.name,
            "upn": user.name,
        }
        if is_cae:
            claims["xms_cc"] = ["CP1"]
        return self.key.sign(claims)

    def id_token(self, user: User, *, client_id: str, host: str, lifetime: int) -> str:
        """What a client learns of the user who signed in."""
        claims = self._common(user.tenant_id, client_id, lifetime) | {
            "iss": f"https://{host}/{user.tenant_id}/v2.0",
            "name": user.name.partition("@")[0],
            "oid": user.id,
            "preferred_username": user.name,
            "sub": user.id,
            "ver": "2.0",
        }
        return self.key.sign(claims)

    def _common(self, tenant_id: str, audience: str, lifetime: int) -> dict[str, Any]:
        now = int(self._clock())
        return {
            "aud": audience,
            "iss": f"{self._sts}{tenant_id}/",
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "tid": tenant_id,
            "uti": uuid.uuid4().hex[:22],
            "ver": "1.0",
        }

    def check(self, token: str, *, audiences: frozenset[str]) -> Mapping[str, Any]:
        """The claims of a token for one of `audiences`. Raises InvalidToken."""
        try:
            claims = jwt.decode(
                token,
                self.key.private.public_key(),
                algorithms=["RS256"],
                options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.InvalidSignatureError:
            raise InvalidToken("Access token validation failure. Invalid signature.") from None
        except jwt.PyJWTError:
            raise InvalidToken("IDX14100: JWT is not well formed, there are no dots (.).") from None  # wording: quoted
        if claims.get("aud") not in audiences:
            raise InvalidToken("Access token validation failure. Invalid audience.")
        if not claims["nbf"] - 300 <= self._clock() < claims["exp"]:
            raise InvalidToken("Lifetime validation failed, the token is expired.")
        return claims

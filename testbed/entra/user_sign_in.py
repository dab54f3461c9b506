"""How users sign in: by device code, and later with refresh tokens.

Documented: the device authorization request and its answer, the errors of polling, refresh tokens. A test or a person
lets a user in by `complete`, or at once by `signed_in`. A page to type the code into is missing.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from testbed.entra.aadsts import Refusal
from testbed.entra.access_token import AccessTokens
from testbed.entra.clock import Clock
from testbed.entra.clouds import OIDC_SCOPES, Place
from testbed.entra.directory import Directory
from testbed.entra.principals import AZURE_CLI, AZURE_CLI_SCOPES, User

__all__ = ["DEVICE_CODE_GRANT", "UserSignIn"]

DEVICE_CODE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
CODE_SECONDS: Final = 900
_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXYZ23456789"


@dataclass
class _Request:
    """One device that waits for a user."""

    client_id: str
    ends_at: float
    user: User | None = None


@dataclass
class UserSignIn:
    """Device codes and refresh tokens of one emulator. interval: seconds between polls, as clients are told."""

    place: Place
    directory: Directory
    tokens: AccessTokens
    clock: Clock
    interval: int = 5
    signed_in: User | None = None
    _requests: dict[str, _Request] = field(default_factory=dict)
    _codes: dict[str, str] = field(default_factory=dict)
    _refresh: dict[str, tuple[User, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """The answer to a device authorization request. Raises Refusal."""
        client_id = form.get("client_id", "")
        self._check_client(client_id)
        device, code = secrets.token_urlsafe(48), "".join(secrets.choice(_LETTERS) for _ in range(9))
        with self._lock:
            self._requests[device] = _Request(client_id, self.clock() + CODE_SECONDS, self.signed_in)
            self._codes[code] = device
        where = "https://microsoft.com/devicelogin"
        return {
            "user_code": code,
            "device_code": device,
            "verification_uri": where,
            "expires_in": CODE_SECONDS,
            "interval": self.interval,
            "message": f"To sign in, open the page {where} and enter the code {code} to authenticate.",
        }

    def complete(self, code: str, user: User) -> None:
        """`user` types the code in and signs in. Raises KeyError for an unknown code."""
        with self._lock:
            self._requests[self._codes[code]].user = user

    def poll(self, form: Mapping[str, str]) -> tuple[User, str]:
        """The user who signed in for a device code, and the client. Raises Refusal."""
        with self._lock:
            request = self._requests.get(form.get("device_code", ""))
            if request is None or request.client_id != form.get("client_id"):
                raise Refusal(70018)
            if self.clock() >= request.ends_at:
                raise Refusal(70020)
            if request.user is None:
                raise Refusal(70016)
            del self._requests[form["device_code"]]
            return request.user, request.client_id

    def refresh(self, form: Mapping[str, str]) -> tuple[User, str]:
        """The user of a refresh token, and the client. Raises Refusal."""
        with self._lock:
            known = self._refresh.get(form.get("refresh_token", ""))
        if known is None:
            raise Refusal(70000)
        return known

    def document(self, user: User, client_id: str, *, resource: str, lifetime: int, is_cae: bool) -> dict[str, Any]:
        """What the token endpoint answers besides the times."""
        is_graph = resource in self.place.graph_audiences
        scopes = self._scopes(client_id, user) if is_graph else ("user_impersonation",)
        token = self.tokens.issue_to_user(
            user, client_id=client_id, audience=resource, lifetime=lifetime, scopes=scopes, is_cae=is_cae
        )
        refresh = secrets.token_urlsafe(64)
        with self._lock:
            self._refresh[refresh] = (user, client_id)
        shown = " ".join([*(f"{resource}/{each}" for each in scopes), *OIDC_SCOPES[:3]])
        client = json.dumps({"uid": user.id, "utid": user.tenant_id}).encode()
        return {
            "scope": shown,
            "access_token": token,
            "refresh_token": refresh,
            "id_token": self.tokens.id_token(user, client_id=client_id, host=self.place.login_host, lifetime=lifetime),
            "client_info": base64.urlsafe_b64encode(client).decode().rstrip("="),
        }

    def _check_client(self, client_id: str) -> None:
        if not client_id:
            raise Refusal(900144, field="client_id")
        known = [each.client_id for each in self.directory.everybody()]
        if client_id not in (AZURE_CLI, *known):
            raise Refusal(700016, client_id=client_id)

    def _scopes(self, client_id: str, user: User) -> tuple[str, ...]:
        """The delegated permissions of Graph that the client has: az all of its own, others what is granted."""
        if client_id == AZURE_CLI:
            return AZURE_CLI_SCOPES
        application = self.directory.application(user.tenant_id, client_id)
        granted = [
            each["scope"]
            for each in self.directory.grants
            if application and each["clientId"] == application.object_id and each.get("principalId") in (None, user.id)
        ]
        return tuple(dict.fromkeys(" ".join(granted).split())) or ("User.Read",)

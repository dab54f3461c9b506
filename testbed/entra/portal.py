"""The part of Azure's portal that `az ad app permission admin-consent` calls, because Graph has nothing like it.

Not documented; seen in az 2.91, which knows it in the public cloud only. Reported: it takes a user's token, and refuses
an application's. Assumed: the statuses.
"""

from __future__ import annotations

import re
from typing import Any, Final

from testbed.entra import assertion
from testbed.entra.access_token import AccessTokens, InvalidToken
from testbed.entra.clock import Clock
from testbed.entra.directory import Application, Directory
from testbed.entra.faults import Fault
from testbed.entra.messages import Note, Request, Response, json_response
from testbed.entra.principals import CONSENTING, FIRST_PARTY, Assignment

__all__ = ["PORTAL_APP_ID", "PORTAL_HOST", "Portal"]

PORTAL_APP_ID: Final = "74658136-14ec-4630-ad9b-26e160ff0fc6"
PORTAL_HOST: Final = "main.iam.ad.ext.azure.com"
_CONSENT: Final = re.compile("/api/RegisteredApplications/([0-9a-f-]{36})/Consent", re.IGNORECASE)


class Portal:
    """Consents to what an application asks for in `requiredResourceAccess`."""

    def __init__(self, directory: Directory, tokens: AccessTokens, clock: Clock) -> None:
        self._directory = directory
        self._tokens = tokens
        self._clock = clock

    def answer(self, request: Request, note: Note) -> Response:
        """204 for an administrator who consents."""
        _, _, token = request.headers.get("authorization", "").partition(" ")
        note.claims = assertion.claims_of(token)
        note.tenant, note.client_id = str(note.claims.get("tid", "")), str(note.claims.get("appid", ""))
        try:
            claims = self._tokens.check(token, audiences=frozenset({PORTAL_APP_ID}))
        except InvalidToken as error:
            return self._error(note, 401, str(error))
        match = _CONSENT.fullmatch(request.path)
        if not match or request.method != "POST":
            return self._error(note, 404, "Nothing is here.")
        user = next((each for each in self._directory.users if each.id == claims["oid"]), None)
        if user is None or user.roles.isdisjoint(CONSENTING):
            return self._error(note, 403, "Only an administrator may consent.")
        application = self._directory.application(user.tenant_id, match[1])
        if application is None or not application.has_service_principal:
            return self._error(note, 404, "The application is missing.")
        self._consent(application)
        return Response(204)

    def fail(self, request: Request, note: Note, fault: Fault) -> Response:
        """An error with the status of `fault`."""
        return self._error(note, fault.status or 500, "A fault was asked for.")

    def _consent(self, application: Application) -> None:
        for resource in application.properties.get("requiredResourceAccess", ()):
            api = FIRST_PARTY.get(resource["resourceAppId"])
            if api is None:
                continue
            wanted = {entry["id"]: entry["type"] for entry in resource["resourceAccess"]}
            held = {each.role_id for each in application.assignments if each.resource_app_id == api.app_id}
            application.assignments += [
                Assignment(resource_app_id=api.app_id, role=role, role_id=number, created=self._clock())
                for role, number in api.roles.items()
                if wanted.get(number) == "Role" and number not in held
            ]
            scopes = [scope for scope, number in api.scopes.items() if wanted.get(number) == "Scope"]
            if scopes:
                grant: dict[str, Any] = {
                    "id": f"{application.object_id}-{api.app_id}",
                    "clientId": application.object_id,
                    "consentType": "AllPrincipals",
                    "principalId": None,
                    "resourceId": api.object_id(application.tenant_id),
                    "scope": " ".join(scopes),
                }
                self._directory.grants.append(grant)

    def _error(self, note: Note, status: int, message: str) -> Response:
        note.code = status
        return json_response(status, {"Message": message})

"""The token endpoint: who gets an access token, and for what.

It accepts `client_credentials` with an assertion or a secret, device codes and refresh tokens, and refuses, in this
order:

    not a POST                                   900561         body is not a form               9002313
    tenant neither GUID nor domain / missing     900023, 50059  unknown / of another cloud       90002, 90038
    grant_type missing / another                 900144, 70003  client_id, scope missing         900144, 90014
    application unknown / without principal      700016, 7000229    disabled                         7000112
    scope without /.default / malformed          1002012, 70011 resource unknown                 500011
    no assertion / a wrong secret / an old one   7000218, 7000215, 7000222
    a public client                              700025
    assertion's type missing / another           900144, 7000216
    the assertion itself                         see testbed.entra.assertion
    not assigned to a resource that wants it     501051
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from testbed.entra import assertion
from testbed.entra.aadsts import Refusal
from testbed.entra.access_token import AccessTokens
from testbed.entra.clock import Clock
from testbed.entra.clouds import GUID, OIDC_SCOPES, Place
from testbed.entra.directory import Application, Directory, Tenant
from testbed.entra.keys import Keys
from testbed.entra.messages import Note
from testbed.entra.user_sign_in import DEVICE_CODE_GRANT, UserSignIn

__all__ = ["JWT_BEARER", "Behaviour", "TokenEndpoint", "required"]

JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_RESOURCE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+|" + GUID.pattern)


@dataclass
class Behaviour:
    """What a test may set at any time; all values are in seconds.

    token_lifetime: of access tokens. expires_in: what the answer says of it, if that is to be something else.
    refresh_in: the field of that name; None leaves it out. leeway: how much an assertion's times may be off. date_skew:
    how much the Date headers of login and Graph are ahead.
    is_assignment_required: whether resources give tokens only to applications with one of their roles.
    """

    token_lifetime: int = 3599
    expires_in: int | None = None
    refresh_in: int | None = None
    leeway: float = 300.0
    date_skew: float = 0.0
    is_assignment_required: bool = False


@dataclass
class TokenEndpoint:
    """Issues tokens. own: resources by the emulator's own addresses, for a cloud of az that is the emulator."""

    place: Place
    directory: Directory
    keys: Keys
    tokens: AccessTokens
    clock: Clock
    behaviour: Behaviour
    users: UserSignIn
    own: dict[str, str] = field(default_factory=dict)

    def answer(self, form: Mapping[str, str], tenant: Tenant | None, note: Note) -> Mapping[str, Any]:
        """The document for a form that was posted for `tenant`, or for any tenant. Raises Refusal."""
        grant = required(form, "grant_type")
        lifetime = self.behaviour.token_lifetime
        if grant == "client_credentials":
            document = self._to_application(form, tenant, note)
        elif grant in (DEVICE_CODE_GRANT, "device_code", "refresh_token"):
            user, client_id = self.users.refresh(form) if grant == "refresh_token" else self.users.poll(form)
            resource = self._resource(form.get("scope") or f"https://{self.place.graph_host}/.default")
            document = self.users.document(user, client_id, resource=resource, lifetime=lifetime, is_cae=note.is_cae)
        else:
            raise Refusal(70003, grant_type=grant)
        told = lifetime if self.behaviour.expires_in is None else self.behaviour.expires_in
        times: dict[str, Any] = {"token_type": "Bearer", "expires_in": told, "ext_expires_in": told}
        if self.behaviour.refresh_in is not None:
            times["refresh_in"] = self.behaviour.refresh_in
        return times | document

    def _to_application(self, form: Mapping[str, str], tenant: Tenant | None, note: Note) -> dict[str, Any]:
        if tenant is None:
            raise Refusal(50059)
        application = self.directory.application(tenant.id, required(form, "client_id"))
        if not form.get("scope"):
            raise Refusal(90014, field="scope")
        if application is None:
            raise Refusal(700016)
        if not application.has_service_principal:
            raise Refusal(7000229)
        if application.disabled:
            raise Refusal(7000112, name=application.name)
        resource = self._resource(form["scope"])
        self._authenticate(form, application)
        if self.behaviour.is_assignment_required and not application.roles:
            raise Refusal(501051, name=application.name, resource=resource)
        is_graph = resource in self.place.graph_audiences
        token = self.tokens.issue(
            application,
            audience=resource,
            lifetime=self.behaviour.token_lifetime,
            is_graph=is_graph,
            is_cae=note.is_cae,
        )
        return {"access_token": token}

    def _resource(self, scope: str) -> str:
        """The resource of the scope; the OpenID scopes that MSAL for Go adds are ignored."""
        asked = set(scope.split()) - {*OIDC_SCOPES}
        resources = [entry.removesuffix("/.default") for entry in asked if entry.endswith("/.default")]
        if not resources:
            raise Refusal(1002012)
        if len(asked) > 1 or not _RESOURCE.fullmatch(resources[0]):
            raise Refusal(70011)
        resource = self.own.get(resources[0].rstrip("/"), resources[0])
        if resource not in self.place.resources:
            raise Refusal(500011, resource=resource)
        return resource

    def _authenticate(self, form: Mapping[str, str], application: Application) -> None:
        """Raises Refusal unless the assertion or the secret proves the application's identity."""
        if application.public and (form.get("client_assertion") or form.get("client_secret")):
            raise Refusal(700025)
        if not form.get("client_assertion"):
            self._check_secret(form, application)
            return
        if required(form, "client_assertion_type") != JWT_BEARER:
            raise Refusal(7000216)
        presented = assertion.read(form["client_assertion"])
        assertion.check(presented, application, self.keys, now=self.clock(), leeway=self.behaviour.leeway)

    def _check_secret(self, form: Mapping[str, str], application: Application) -> None:
        if not form.get("client_secret"):
            raise Refusal(7000218)
        secret = next((each for each in application.secrets if each.text == form["client_secret"]), None)
        if secret is None:
            raise Refusal(7000215)
        if not secret.start <= self.clock() < secret.end:
            raise Refusal(7000222)


def required(form: Mapping[str, str], name: str) -> str:
    """A field of the form. Raises Refusal if it is missing."""
    value = form.get(name)
    if not value:
        raise Refusal(900144, field=name)
    return value

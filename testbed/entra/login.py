"""The login server: discovery, the keys of access tokens, and the token endpoint.

The token endpoint accepts `grant_type=client_credentials` with an assertion or a secret. It refuses, in this order:

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
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from testbed.entra import assertion
from testbed.entra.aadsts import Refusal, refusal_response
from testbed.entra.access_token import AccessTokens
from testbed.entra.clock import Clock
from testbed.entra.clouds import OIDC_SCOPES, Place
from testbed.entra.directory import Application, Directory, Tenant
from testbed.entra.faults import Fault
from testbed.entra.keys import Keys
from testbed.entra.messages import Note, Request, Response, json_response
from testbed.entra.server import correlation_id

__all__ = ["Behaviour", "Login"]

JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_PATH: Final = "/oauth2/v2.0/token"
MOST_FIELDS: Final = 100

_GUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DOMAIN = re.compile(r"[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)+")
_RESOURCE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+|" + _GUID.pattern)
_NOT_FOR_APPLICATIONS: Final = ("common", "organizations", "consumers")
_BY_STATUS: Final = {429: 90055, 500: 90006, 503: 90033}


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


class Login:
    """The service behind login.microsoftonline.com, of one cloud."""

    def __init__(
        self,
        *,
        place: Place,
        directory: Directory,
        keys: Keys,
        tokens: AccessTokens,
        clock: Clock,
        behaviour: Behaviour,
    ) -> None:
        self._place = place
        self._directory = directory
        self._keys = keys
        self._tokens = tokens
        self._clock = clock
        self._behaviour = behaviour
        self._routes: Mapping[str, Callable[[Request, Note], Response]] = {
            "v2.0/.well-known/openid-configuration": self._discovery,
            ".well-known/openid-configuration": self._discovery,
            "discovery/v2.0/keys": self._signing_keys,
            "discovery/keys": self._signing_keys,
            TOKEN_PATH.lstrip("/"): self._token,
        }

    def answer(self, request: Request, note: Note) -> Response:
        """Login's true answer; 404 for a path that Entra does not have."""
        first, _, rest = request.path.lstrip("/").partition("/")
        if f"{first}/{rest}" == "common/discovery/instance":
            return self._guard(request, note, self._instance)
        if not first or rest not in self._routes:
            note.code = 404
            return Response(404)
        note.tenant = first
        return self._guard(request, note, self._routes[rest])

    def fail(self, request: Request, note: Note, fault: Fault) -> Response:
        """The refusal that `fault` names; a gateway's HTML for 502 and 504, an empty document for 2xx."""
        note.tenant = request.path.lstrip("/").partition("/")[0]
        if fault.code is None and fault.status in (502, 504):
            return Response(fault.status, b"<html><body>Our services aren't available.</body></html>", _HTML)
        if fault.code is None and fault.status is not None and fault.status < 300:
            return json_response(fault.status, {})
        number = int(fault.code) if fault.code is not None else _BY_STATUS.get(fault.status or 0, 9002313)

        def refuse(request: Request, note: Note) -> Response:
            if request.method == "POST":
                self._form(request, note)
            raise Refusal(number, status=fault.status or 0)

        return self._guard(request, note, refuse)

    def _guard(self, request: Request, note: Note, make: Callable[[Request, Note], Response]) -> Response:
        """What `make` returns, or the body of the Refusal that it raises, with the headers of all answers."""
        identifier = correlation_id(request)
        headers = {
            "Cache-Control": "no-store, no-cache",
            "Pragma": "no-cache",
            "client-request-id": identifier,
            "x-ms-request-id": str(uuid.uuid4()),
        }
        try:
            response = make(request, note)
        except Refusal as refusal:
            note.code = refusal.number
            response = refusal_response(
                refusal,
                now=self._clock(),
                host=self._place.login_host,
                trace_id=headers["x-ms-request-id"],
                correlation_id=identifier,
                values=_values(note),
            )
        return Response(response.status, response.body, {**headers, **response.headers})

    def _instance(self, request: Request, note: Note) -> Response:
        """The cloud of an authority; the emulator's own address counts as a known authority."""
        authority = urlsplit(request.query.get("authorization_endpoint", ""))
        known = {alias for instance in self._place.instances for alias in instance["aliases"]}
        if authority.netloc != request.host and (authority.hostname or "") not in known:
            raise Refusal(50049)
        tenant = authority.path.lstrip("/").partition("/")[0]
        where = f"https://{authority.netloc}/{tenant}/v2.0/.well-known/openid-configuration"
        document = {"tenant_discovery_endpoint": where, "api-version": "1.1", "metadata": self._place.instances}
        return json_response(200, document)

    def _discovery(self, request: Request, note: Note) -> Response:
        """The OpenID configuration, with the host that the client used in all addresses."""
        is_any = note.tenant in _NOT_FOR_APPLICATIONS
        tenant = note.tenant if is_any else self._tenant(note.tenant, error="invalid_tenant").id
        base = f"https://{request.host}/{tenant}"
        return json_response(
            200,
            {
                "token_endpoint": f"{base}{TOKEN_PATH}",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "response_types_supported": ["code", "id_token", "token"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": list(OIDC_SCOPES),
                "issuer": f"https://{request.host}/{{tenantid}}/v2.0" if is_any else f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "cloud_instance_name": self._place.login_host.partition(".")[2],
                "msgraph_host": self._place.graph_host,
            },
        )

    def _signing_keys(self, request: Request, note: Note) -> Response:
        return json_response(200, {"keys": [self._tokens.key.public()]})

    def _token(self, request: Request, note: Note) -> Response:
        if request.method != "POST":
            raise Refusal(900561, method=request.method)
        form = self._form(request, note)
        tenant = self._tenant(note.tenant)
        if (grant := _required(form, "grant_type")) != "client_credentials":
            raise Refusal(70003, grant_type=grant)
        application = self._directory.application(tenant.id, _required(form, "client_id"))
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
        if self._behaviour.is_assignment_required and not application.roles:
            raise Refusal(501051, name=application.name, resource=resource)
        lifetime = self._behaviour.token_lifetime
        is_graph = resource in self._place.graph_audiences
        token = self._tokens.issue(
            application, audience=resource, lifetime=lifetime, is_graph=is_graph, is_cae=note.is_cae
        )
        told = lifetime if self._behaviour.expires_in is None else self._behaviour.expires_in
        document: dict[str, Any] = {"token_type": "Bearer", "expires_in": told, "ext_expires_in": told}
        if self._behaviour.refresh_in is not None:
            document["refresh_in"] = self._behaviour.refresh_in
        return json_response(200, document | {"access_token": token})

    def _form(self, request: Request, note: Note) -> Mapping[str, str]:
        """The fields of the body; what the log may keep of them goes into `note`."""
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return {}
        try:
            text = request.body.decode("ascii")
            form = dict(parse_qsl(text, strict_parsing=bool(text), errors="strict", max_num_fields=MOST_FIELDS))
        except ValueError:
            raise Refusal(9002313) from None
        note.client_id = form.get("client_id", "")
        note.scope = form.get("scope", "")
        note.is_cae = '"CP1"' in form.get("claims", "")
        note.claims = assertion.claims_of(form.get("client_assertion", ""))
        return form

    def _tenant(self, identifier: str, *, error: str = "") -> Tenant:
        if identifier in _NOT_FOR_APPLICATIONS:
            raise Refusal(50059)
        if not _GUID.fullmatch(identifier) and not _DOMAIN.fullmatch(identifier):
            raise Refusal(900023, error=error)
        tenant = self._directory.tenant(identifier)
        if tenant is None:
            raise Refusal(90002, error=error)
        if tenant.cloud and tenant.cloud != self._place.cloud:
            raise Refusal(tenant.code, cloud=tenant.cloud)
        return tenant

    def _resource(self, scope: str) -> str:
        """The resource of the scope; the OpenID scopes that MSAL for Go adds are ignored."""
        asked = set(scope.split()) - {*OIDC_SCOPES}
        resources = [entry.removesuffix("/.default") for entry in asked if entry.endswith("/.default")]
        if not resources:
            raise Refusal(1002012)
        if len(asked) > 1 or not _RESOURCE.fullmatch(resources[0]):
            raise Refusal(70011)
        if resources[0] not in self._place.resources:
            raise Refusal(500011, resource=resources[0])
        return resources[0]

    def _authenticate(self, form: Mapping[str, str], application: Application) -> None:
        """Raises Refusal unless the assertion proves the application's identity."""
        if application.public and (form.get("client_assertion") or form.get("client_secret")):
            raise Refusal(700025)
        if not form.get("client_assertion"):
            self._check_secret(form, application)
            return
        if _required(form, "client_assertion_type") != JWT_BEARER:
            raise Refusal(7000216)
        presented = assertion.read(form["client_assertion"])
        assertion.check(presented, application, self._keys, now=self._clock(), leeway=self._behaviour.leeway)

    def _check_secret(self, form: Mapping[str, str], application: Application) -> None:
        if not form.get("client_secret"):
            raise Refusal(7000218)
        secret = next((each for each in application.secrets if each.text == form["client_secret"]), None)
        if secret is None:
            raise Refusal(7000215)
        if not secret.start <= self._clock() < secret.end:
            raise Refusal(7000222)


_HTML: Final = {"Content-Type": "text/html; charset=utf-8"}


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise Refusal(900144, field=name)
    return value


def _values(note: Note) -> dict[str, str]:
    """The values of the request that sentences of errors may name."""
    audience = note.claims.get("aud", "")
    return {
        "tenant": note.tenant,
        "client_id": note.client_id,
        "scope": note.scope,
        "issuer": str(note.claims.get("iss", "")),
        "subject": str(note.claims.get("sub", "")),
        "audience": ", ".join(map(str, audience)) if isinstance(audience, list) else str(audience),
    }

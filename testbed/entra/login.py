"""The login server: discovery, the keys of access tokens, device codes, and the token endpoint's address."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from testbed.entra import assertion
from testbed.entra.aadsts import Refusal, refusal_response
from testbed.entra.clouds import GUID, OIDC_SCOPES
from testbed.entra.directory import Tenant
from testbed.entra.faults import Fault
from testbed.entra.messages import Note, Request, Response, json_response
from testbed.entra.server import correlation_id
from testbed.entra.token_endpoint import TokenEndpoint

__all__ = ["TOKEN_PATH", "Login"]

TOKEN_PATH: Final = "/oauth2/v2.0/token"
MOST_FIELDS: Final = 100
NOT_FOR_APPLICATIONS: Final = ("common", "organizations", "consumers")

_DOMAIN = re.compile(r"[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)+")
_BY_STATUS: Final = {429: 90055, 500: 90006, 503: 90033}


class Login:
    """The service behind login.microsoftonline.com, of one cloud."""

    def __init__(self, tokens: TokenEndpoint) -> None:
        self.tokens = tokens
        self._place = tokens.place
        self._directory = tokens.directory
        self._clock = tokens.clock
        self._routes: Mapping[str, Callable[[Request, Note], Response]] = {
            "v2.0/.well-known/openid-configuration": self._discovery,
            ".well-known/openid-configuration": self._discovery,
            "discovery/v2.0/keys": self._signing_keys,
            "discovery/keys": self._signing_keys,
            "oauth2/v2.0/devicecode": self._device_code,
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
        is_any = note.tenant in NOT_FOR_APPLICATIONS
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
        return json_response(200, {"keys": [self.tokens.tokens.key.public()]})

    def _token(self, request: Request, note: Note) -> Response:
        if request.method != "POST":
            raise Refusal(900561, method=request.method)
        form = self._form(request, note)
        # Users may sign in without naming their tenant.
        is_user = form.get("grant_type", "client_credentials") != "client_credentials"
        is_any = is_user and note.tenant in NOT_FOR_APPLICATIONS
        tenant = None if is_any else self._tenant(note.tenant)
        return json_response(200, self.tokens.answer(form, tenant, note))

    def _device_code(self, request: Request, note: Note) -> Response:
        if request.method != "POST":
            raise Refusal(900561, method=request.method)
        form = self._form(request, note)
        if note.tenant not in NOT_FOR_APPLICATIONS:
            self._tenant(note.tenant)
        return json_response(200, self.tokens.users.start(form))

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
        if identifier in NOT_FOR_APPLICATIONS:
            raise Refusal(50059)
        if not GUID.fullmatch(identifier) and not _DOMAIN.fullmatch(identifier):
            raise Refusal(900023, error=error)
        tenant = self._directory.tenant(identifier)
        if tenant is None:
            raise Refusal(90002, error=error)
        if tenant.cloud and tenant.cloud != self._place.cloud:
            raise Refusal(tenant.code, cloud=tenant.cloud)
        return tenant


_HTML: Final = {"Content-Type": "text/html; charset=utf-8"}


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

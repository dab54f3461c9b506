"""The part of Microsoft Graph that shows what a sign-in may do: who may read what, and the errors."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from testbed.entra import assertion
from testbed.entra.access_token import GRAPH_APP_ID, AccessTokens, InvalidToken
from testbed.entra.clock import Clock
from testbed.entra.clouds import Place
from testbed.entra.directory import Directory, Tenant
from testbed.entra.faults import Fault
from testbed.entra.graph_api.context import Settings
from testbed.entra.graph_api.directory_api import DirectoryApi
from testbed.entra.graph_api.errors import BY_STATUS, GraphError
from testbed.entra.messages import Note, Request, Response, json_response
from testbed.entra.server import correlation_id

__all__ = ["Graph"]

VERSIONS: Final = ("v1.0", "beta")

_DIRECTORY: Final = (
    "Organization.Read.All",
    "Organization.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
)
_LICENCES: Final = (*_DIRECTORY, "LicenseAssignment.Read.All", "LicenseAssignment.ReadWrite.All")

Maker = Callable[[Tenant], Any]


@dataclass(frozen=True)
class _Collection:
    """What a path has for a tenant. A token needs one of `roles` to read it; without roles, any token may."""

    make: Maker
    roles: frozenset[str]


class Graph:
    """The service behind graph.microsoft.com."""

    def __init__(
        self, place: Place, directory: Directory, tokens: AccessTokens, clock: Clock, settings: Settings
    ) -> None:
        self._place = place
        self._written = DirectoryApi(directory, settings, clock)
        self._directory = directory
        self._tokens = tokens
        self._clock = clock
        self._collections: dict[str, _Collection] = {}
        self.serve("/organization", _organization, roles=_DIRECTORY)
        self.serve("/subscribedSkus", _skus, roles=_LICENCES)

    def serve(self, path: str, content: Maker | list[Any] | Mapping[str, Any], *, roles: Iterable[str] = ()) -> None:
        """Serves entities, or a single one, under `path` of either version. A function makes them for a tenant."""
        make = content if callable(content) else lambda _: content
        self._collections[path.lower()] = _Collection(make, frozenset(roles))

    def answer(self, request: Request, note: Note) -> Response:
        """Graph's true answer; 401 without a good access token."""
        claims, problem = self._sign_in(request, note)
        if claims is None:
            return self._error(request, note, 401, message=problem)
        # The Python SDK asks for /v1.0//organization.
        version, _, rest = re.sub("/{2,}", "/", request.path).lstrip("/").partition("/")
        if version not in VERSIONS:
            return self._error(request, note, 400, code="BadRequest", message=f"Invalid version: {version}")
        path, collection, key = self._find(f"/{rest}".rstrip("/"))
        if collection is None and self._written.has(f"/{rest}"):
            return self._from_directory(request, note, claims, version=version, path=f"/{rest}")
        if collection is None:
            segment = rest.partition("/")[0]
            message = f"Resource not found for the segment '{segment}'."
            return self._error(request, note, 400, code="BadRequest", message=message)
        if request.method not in ("GET", "HEAD"):
            return self._error(
                request, note, 405, code="Request_BadRequest", message="Specified HTTP method is not allowed."
            )
        if collection.roles and not collection.roles & {*claims.get("roles", ()), *claims.get("scp", "").split()}:
            return self._error(request, note, 403)
        content = collection.make(self._directory.tenant(claims["tid"]) or Tenant(claims["tid"], domains=()))
        if key:
            entities = content if isinstance(content, list) else []
            content = next((entity for entity in entities if entity.get("id") == key), None)
            if content is None:
                return self._error(request, note, 404)
        return self._content(request, version, path, content)

    def fail(self, request: Request, note: Note, fault: Fault) -> Response:
        """The answer with the status or code of `fault`; 403 or 400 if it has a code alone."""
        self._sign_in(request, note)
        if fault.code is None and fault.status is not None and fault.status < 300:
            return json_response(fault.status, {})
        code = str(fault.code) if fault.code is not None else ""
        return self._error(request, note, fault.status or (403 if code.startswith("Auth") else 400), code=code)

    def _from_directory(
        self, request: Request, note: Note, claims: Mapping[str, Any], *, version: str, path: str
    ) -> Response:
        identifiers = {"request-id": str(uuid.uuid4()), "client-request-id": correlation_id(request)}
        try:
            return self._written.answer(request, claims, version=version, path=path, headers=identifiers)
        except GraphError as error:
            return self._error(
                request, note, error.status, code=error.code, message=error.message, details=error.details
            )

    def _sign_in(self, request: Request, note: Note) -> tuple[Mapping[str, Any] | None, str]:
        """The claims of the access token, or None and Graph's reason."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None, "Access token is empty."
        note.claims = assertion.claims_of(token)
        note.tenant, note.client_id = str(note.claims.get("tid", "")), str(note.claims.get("appid", ""))
        note.is_cae = "xms_cc" in note.claims
        try:
            return self._tokens.check(token, audiences=self._place.graph_audiences), ""
        except InvalidToken as error:
            return None, str(error)

    def _find(self, path: str) -> tuple[str, _Collection | None, str]:
        """What is served under a path: as it is, or as one entity of a list, `/organization/{id}` or `('{id}')`."""
        if collection := self._collections.get(path.lower()):
            return path, collection, ""
        parent, _, key = path.replace("('", "/").removesuffix("')").rpartition("/")
        collection = self._collections.get(parent.lower())
        return parent, collection, key

    def _content(self, request: Request, version: str, path: str, content: Any) -> Response:
        context = f"https://{self._place.graph_host}/{version}/$metadata#{path.lstrip('/')}"
        selected = [name for name in request.query.get("$select", "").split(",") if name]
        if isinstance(content, list):
            top = int(request.query["$top"]) if request.query.get("$top", "").isdigit() else None
            document = {"@odata.context": context, "value": [_select(entity, selected) for entity in content[:top]]}
        else:
            document = {"@odata.context": f"{context}/$entity", **_select(content, selected)}
        identifiers = {"request-id": str(uuid.uuid4()), "client-request-id": correlation_id(request)}
        return json_response(200, document, {"Content-Type": _ODATA, "OData-Version": "4.0", **identifiers})

    def _error(
        self,
        request: Request,
        note: Note,
        status: int,
        *,
        code: str = "",
        message: str = "",
        details: Sequence[Mapping[str, Any]] = (),
    ) -> Response:
        """The body of an error; a 401 says where to sign in."""
        usual_code, usual_message = BY_STATUS.get(status, ("UnknownError", ""))
        note.code = code or usual_code
        identifier, request_id = correlation_id(request), str(uuid.uuid4())
        inner = {
            "date": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self._clock())),
            "request-id": request_id,
            "client-request-id": identifier,
        }
        headers = {"request-id": request_id, "client-request-id": identifier}
        if status == 401:
            where = f"https://{self._place.login_host}/common/oauth2/authorize"
            headers["WWW-Authenticate"] = f'Bearer realm="", authorization_uri="{where}", client_id="{GRAPH_APP_ID}"'
        error: dict[str, Any] = {"code": code or usual_code, "message": message or usual_message}
        if details:
            error["details"] = list(details)
        error["innerError"] = inner
        return json_response(status, {"error": error}, headers)


_ODATA: Final = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"


def _select(entity: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: value for name, value in entity.items() if not names or name in names}


def _organization(tenant: Tenant) -> list[dict[str, Any]]:
    domains = [
        {"capabilities": "Email", "isDefault": index == 0, "isInitial": index == 0, "name": name, "type": "Managed"}
        for index, name in enumerate(tenant.domains)
    ]
    return [
        {
            "id": tenant.id,
            "displayName": tenant.name,
            "countryLetterCode": "DE",
            "createdDateTime": "2020-01-01T00:00:00Z",
            "tenantType": "AAD",
            "technicalNotificationMails": [],
            "businessPhones": [],
            "assignedPlans": [],
            "provisionedPlans": [],
            "verifiedDomains": domains,
        }
    ]


def _skus(tenant: Tenant) -> list[dict[str, Any]]:
    sku = "06ebc4ee-1bb5-47dd-8120-11324bc54e06"
    return [
        {
            "id": f"{tenant.id}_{sku}",
            "accountId": tenant.id,
            "accountName": tenant.name,
            "appliesTo": "User",
            "capabilityStatus": "Enabled",
            "consumedUnits": 14,
            "skuId": sku,
            "skuPartNumber": "SPE_E5",
            "prepaidUnits": {"enabled": 25, "suspended": 0, "warning": 0, "lockedOut": 0},
            "servicePlans": [],
            "subscriptionIds": [],
        }
    ]

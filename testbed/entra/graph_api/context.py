"""One request to Graph's directory: who asks, what is asked, and how lists and entities are answered."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

from testbed.entra.directory import Directory
from testbed.entra.graph_api import filters
from testbed.entra.graph_api.errors import GraphError, bad_request, denied
from testbed.entra.messages import Request, Response, json_response

__all__ = ["ADMINISTRATORS", "Caller", "Context", "Handler", "Settings", "day"]

Handler = Callable[..., Response]

MOST_IN_A_PAGE: Final = 999
ADMINISTRATORS: Final = frozenset(
    {"Global Administrator", "Application Administrator", "Cloud Application Administrator"}
)
"""Directory roles whose users may write every application."""

_READ: Final = (
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
    "Directory.AccessAsUser.All",
)
_OPTIONS: Final = frozenset({"$filter", "$select", "$top", "$skiptoken", "$count", "$search"})


@dataclass
class Settings:
    """How the directory behaves; a test may set it at any time. Seconds are those of the emulator's clock.

    propagation: until the token endpoint knows a credential, or no longer knows it. replication: until others than the
    answer to its creation know an application or a service principal. page: how many entities a page has without $top.
    """

    propagation: float = 0.0
    replication: float = 0.0
    page: int = 100


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks, by the access token. permissions: roles of an application, or scopes of a user's token."""

    tenant_id: str
    object_id: str
    permissions: frozenset[str]
    directory_roles: frozenset[str] = frozenset()
    is_user: bool = False

    def has(self, *permissions: str) -> bool:
        """Whether the token has one of the permissions."""
        return not self.permissions.isdisjoint(permissions)

    def may_write(self, owners: Sequence[str]) -> bool:
        """Whether the caller may write an application or service principal that belongs to `owners`."""
        is_owner = self.object_id in owners
        if self.is_user:
            if not self.has("Application.ReadWrite.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All"):
                return False
            return is_owner or not self.directory_roles.isdisjoint(ADMINISTRATORS)
        return self.has("Application.ReadWrite.All") or (is_owner and self.has("Application.ReadWrite.OwnedBy"))


@dataclass(frozen=True, kw_only=True)
class Context:
    """One request. base: the address of this version of Graph, for contexts and links. path: without the version."""

    request: Request
    caller: Caller
    directory: Directory
    settings: Settings
    base: str
    path: str
    now: float
    headers: Mapping[str, str] = field(default_factory=dict)

    def need_to_read(self) -> None:
        """Raises GraphError unless the caller may read applications and service principals."""
        if not self.caller.has(*_READ):
            raise denied()

    def need_to_create(self) -> None:
        """Raises GraphError unless the caller may make applications."""
        writing = {"Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"}
        if self.caller.is_user:
            writing = {"Application.ReadWrite.All", "Directory.ReadWrite.All", "Directory.AccessAsUser.All"}
        if not self.caller.has(*writing):
            raise denied()

    def need_to_write(self, owners: Sequence[str]) -> None:
        """Raises GraphError unless the caller may write what belongs to `owners`."""
        if not self.caller.may_write(owners):
            raise denied()

    def is_replicated(self, created: float) -> bool:
        """Whether an object of this age is known everywhere."""
        return created + self.settings.replication <= self.now or not self.settings.replication

    def body(self) -> dict[str, Any]:
        """The JSON object of the request. Raises GraphError."""
        return {name: value for name, value in self._json().items() if not name.startswith("@")}

    def reference(self) -> str:
        """The id of the object that the request refers to by its address. Raises GraphError."""
        return str(self._json().get("@odata.id", "")).rpartition("/")[2]

    def _json(self) -> dict[str, Any]:
        message = (
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid "
            "JSON format."
        )
        is_json = self.request.headers.get("content-type", "").lower().startswith("application/json")
        try:
            document = json.loads(self.request.body) if is_json else None
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise GraphError(400, "BadRequest", message)
        return document

    def wants_creation(self) -> bool:
        """Whether an update is to create what is missing."""
        preferences = self.request.headers.get("prefer", "").lower().split(",")
        return "create-if-missing" in (each.strip() for each in preferences)

    def entity(self, kind: str, document: Mapping[str, Any], *, status: int = 200) -> Response:
        """The answer with one entity."""
        shown = {"@odata.context": f"{self.base}/$metadata#{kind}/$entity", **self._selected(document)}
        return self._response(status, shown)

    def listing(self, kind: str, entities: Sequence[Mapping[str, Any]], *, properties: frozenset[str]) -> Response:
        """The page of a list that the query asks for; `properties` may be in filters."""
        query = self.request.query
        for name in query:
            if name.startswith("$") and name not in _OPTIONS:
                # Graph has more of them: without this, a client that uses one would get an answer that is wrong.
                raise GraphError(501, "NotImplemented", f"The emulator does not know the query parameter '{name}'.")
        advanced = self.request.headers.get("consistencylevel", "").lower() == "eventual"
        if "$filter" in query:
            test = filters.read(
                query["$filter"], properties=properties, advanced=advanced and query.get("$count") == "true"
            )
            entities = [each for each in entities if test(each)]
        if "$search" in query:
            entities = _search(query["$search"], entities, advanced=advanced)
        start, size = self._page(query)
        document: dict[str, Any] = {"@odata.context": f"{self.base}/$metadata#{kind}"}
        if query.get("$count") == "true" and advanced:
            document["@odata.count"] = len(entities)
        if start + size < len(entities):
            document["@odata.nextLink"] = self._next_link(query, start + size)
        document["value"] = [self._selected(each) for each in entities[start : start + size]]
        return self._response(200, document)

    def nothing(self) -> Response:
        """The answer 204."""
        return Response(204, b"", dict(self.headers))

    def _page(self, query: Mapping[str, str]) -> tuple[int, int]:
        top = query.get("$top", str(self.settings.page))
        if not top.isdigit() or not 0 < int(top) <= MOST_IN_A_PAGE:
            message = f"Invalid page size specified: '{top}'. Must be between 1 and {MOST_IN_A_PAGE} inclusive."
            raise bad_request(message, code="Request_UnsupportedQuery")
        token = query.get("$skiptoken", "")
        if not token:
            return 0, int(top)
        try:
            return int(base64.urlsafe_b64decode(token.encode()).decode()), int(top)
        except ValueError:
            raise bad_request("Invalid skip token.", code="Directory_ExpiredPageToken") from None

    def _next_link(self, query: Mapping[str, str], start: int) -> str:
        token = base64.urlsafe_b64encode(str(start).encode()).decode()
        options = {name: value for name, value in query.items() if name != "$skiptoken"} | {"$skiptoken": token}
        return f"{self.base}{self.path}?{urlencode(options, quote_via=quote, safe='$')}"

    def _selected(self, document: Mapping[str, Any]) -> dict[str, Any]:
        names = [name.strip() for name in self.request.query.get("$select", "").split(",") if name.strip()]
        if not names:
            return dict(document)
        return {name: value for name, value in document.items() if name in names}

    def _response(self, status: int, document: Mapping[str, Any]) -> Response:
        kind = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
        return json_response(status, document, {"Content-Type": kind, "OData-Version": "4.0", **self.headers})


def _search(text: str, entities: Sequence[Mapping[str, Any]], *, advanced: bool) -> Sequence[Mapping[str, Any]]:
    """`$search="displayName:word"`: the entities with a word of the property that begins so."""
    name, colon, word = text.strip('"').partition(":")
    if not advanced or not colon:
        message = "Request with $search query parameter only works through MSGraph with a special request header: "
        raise bad_request(message + "'ConsistencyLevel: eventual'", code="Request_UnsupportedQuery")
    wanted = word.lower()
    return [each for each in entities if wanted in str(each.get(name) or "").lower()]


def day(seconds: float) -> str:
    """A time as Graph writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

"""Azure Resource Manager: tenants, subscriptions, resource groups, managed identities, and the cloud's description.

Documented: paths, bodies and statuses of the REST API, `api-version` in every request, paging by `nextLink`, the
description of a cloud at /metadata/endpoints, which `az cloud register` reads without a sign-in. Reported: codes and
texts of MissingApiVersionParameter, AuthorizationFailed, ResourceNotFound, ResourceGroupNotFound, SubscriptionNotFound.
"""

from __future__ import annotations

import contextlib
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from testbed.entra import assertion
from testbed.entra.access_token import AccessTokens, InvalidToken
from testbed.entra.arm.access import Access
from testbed.entra.arm.errors import BY_STATUS, ArmError
from testbed.entra.arm.identities import Identities, Question
from testbed.entra.clouds import Place
from testbed.entra.directory import SUBSCRIPTION, Directory
from testbed.entra.faults import Fault
from testbed.entra.graph_api.context import Settings
from testbed.entra.messages import Note, Request, Response, json_response

__all__ = ["Arm"]

_VERSION: Final = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")
_PROVIDER: Final = "providers/microsoft.managedidentity/userassignedidentities"
_GROUP: Final = "subscriptions/*/resourcegroups/*"


@dataclass
class Arm:
    """The service behind management.azure.com. A group of resources exists once something names it, or by `groups`.

    during_write: is called while a credential of a managed identity is written; another write is refused meanwhile.
    """

    place: Place
    directory: Directory
    tokens: AccessTokens
    settings: Settings
    describe: Callable[[str], Mapping[str, Any]]
    access: Access = field(default_factory=Access)
    subscriptions: list[str] = field(default_factory=lambda: [SUBSCRIPTION])
    groups: dict[tuple[str, str], str] = field(default_factory=dict)
    during_write: Callable[[], None] = lambda: None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _written: set[tuple[str, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._identities = Identities(self.directory, self.access, self.settings)
        self._routes: Mapping[tuple[str, str], Callable[[Question], Response]] = {
            ("GET", "tenants"): self._tenants,
            ("GET", "subscriptions"): self._subscriptions,
            ("GET", "subscriptions/*"): self._subscription,
            ("GET", "subscriptions/*/resourcegroups"): self._groups,
            ("GET", _GROUP): self._group,
            ("PUT", _GROUP): self._make_group,
            ("GET", f"subscriptions/*/{_PROVIDER}"): self._identities.list,
            **self._identities.routes(f"{_GROUP}/{_PROVIDER}"),
        }

    def answer(self, request: Request, note: Note) -> Response:
        """The true answer."""
        try:
            if request.path.rstrip("/").lower() == "/metadata/endpoints":
                return self._metadata(request)
            caller = self._sign_in(request, note)
            pattern, names = _parse(request.path)
            handler = self._routes.get((request.method, pattern))
            if handler is None:
                raise self._unknown(request, pattern)
            version = request.query.get("api-version", "")
            if not version:
                message = "The api-version query parameter (?api-version=) is required for all requests."
                raise ArmError(400, "MissingApiVersionParameter", message)
            if not _VERSION.fullmatch(version):
                message = f"The api-version '{version}' is invalid. It has the form YYYY-MM-DD or YYYY-MM-DD-preview."
                raise ArmError(400, "InvalidApiVersionParameter", message)
            question = Question(request=request, names=names, caller=caller, version=version, tenant=note.tenant)
            with self._alone(question), self._lock:
                self._check_place(question)
                return handler(question)
        except ArmError as error:
            return _refused(note, error)

    def fail(self, request: Request, note: Note, fault: Fault) -> Response:
        """An error with the status and code of `fault`."""
        status = fault.status or 409
        code, message = BY_STATUS.get(status, ("Failed", "A fault was asked for."))
        return _refused(note, ArmError(status, str(fault.code or code), message))

    @contextlib.contextmanager
    def _alone(self, question: Question) -> Iterator[None]:
        """Raises ArmError if another request changes credentials of the same identity at this moment."""
        if question.request.method == "GET" or len(question.names) < 4:
            yield
            return
        identity = tuple(name.lower() for name in question.names[:3])
        with self._lock:
            if identity in self._written:
                message = (
                    "Too many Federated Identity Credentials are written concurrently for the managed identity "
                    f"'{question.scope.rpartition('/federated')[0]}'. Concurrent Federated Identity Credentials writes "
                    "under the same managed identity are not supported."
                )
                raise ArmError(409, "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity", message)
            self._written.add(identity)
        try:
            self.during_write()
            yield
        finally:
            with self._lock:
                self._written.remove(identity)

    def _sign_in(self, request: Request, note: Note) -> str:
        """The object id of the caller. Raises ArmError."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        note.claims = assertion.claims_of(token)
        note.tenant, note.client_id = str(note.claims.get("tid", "")), str(note.claims.get("appid", ""))
        if scheme.lower() != "bearer":
            message = "Authentication failed. The 'Authorization' header is missing."
            raise ArmError(401, "AuthenticationFailed", message)
        try:
            return str(self.tokens.check(token, audiences=self.place.arm_audiences)["oid"])
        except InvalidToken as error:
            raise ArmError(401, "InvalidAuthenticationToken", str(error)) from None

    def _unknown(self, request: Request, pattern: str) -> ArmError:
        if any(pattern == known for _, known in self._routes):
            return ArmError(405, "MethodNotAllowed", f"The HTTP method '{request.method}' is not supported here.")
        return ArmError(404, "InvalidResourceType", f"The resource type could not be found for {request.path}.")

    def _check_place(self, question: Question) -> None:
        """Raises ArmError unless the subscription and the group of the path exist."""
        names = question.names
        if names and not (names[0] in self.subscriptions and self.access.sees(question.caller, names[0])):
            raise ArmError(404, "SubscriptionNotFound", f"The subscription '{names[0]}' could not be found.")
        is_new = question.request.method == "PUT" and len(names) == 2
        if len(names) > 1 and not is_new and (names[0], names[1].lower()) not in self._known_groups():
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{names[1]}' could not be found.")

    def _known_groups(self) -> Mapping[tuple[str, str], str]:
        """The resource groups, by subscription and name in lower case."""
        known = {(subscription, name.lower()): name for subscription, name in self.groups}
        for each in self.directory.managed_identities():
            parts = each.arm_id.split("/")
            known.setdefault((parts[2], parts[4].lower()), parts[4])
        return known

    def _metadata(self, request: Request) -> Response:
        return json_response(200, self.describe(request.host))

    def _tenants(self, question: Question) -> Response:
        tenant = self.directory.home(question.tenant)
        entry = {"id": f"/tenants/{tenant.id}", "tenantId": tenant.id, "displayName": tenant.name}
        return json_response(200, {"value": [entry]})

    def _subscriptions(self, question: Question) -> Response:
        seen = [each for each in self.subscriptions if self.access.sees(question.caller, each)]
        return json_response(200, {"value": [_subscription(each, question.tenant) for each in seen]})

    def _subscription(self, question: Question) -> Response:
        return json_response(200, _subscription(question.names[0], question.tenant))

    def _groups(self, question: Question) -> Response:
        (subscription,) = question.names
        known = [name for (where, _), name in self._known_groups().items() if where == subscription]
        return json_response(200, {"value": [_group(subscription, each) for each in known]})

    def _group(self, question: Question) -> Response:
        subscription, name = question.names
        self.access.need(question.caller, "Microsoft.Resources/subscriptions/resourceGroups/read", question.scope)
        return json_response(200, _group(subscription, name))

    def _make_group(self, question: Question) -> Response:
        subscription, name = question.names
        self.access.need(question.caller, "Microsoft.Resources/subscriptions/resourceGroups/write", question.scope)
        status = 200 if (subscription, name.lower()) in self._known_groups() else 201
        self.groups[subscription, name] = name
        return json_response(status, _group(subscription, name))


def _parse(path: str) -> tuple[str, Sequence[str]]:
    """The pattern of a path, in lower case with * for names; and the names. Types and names take turns."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    pattern, names, skip = [], [], False
    for part in parts:
        if skip:
            pattern.append("*")
            names.append(part)
            skip = False
        else:
            pattern.append(part.lower())
            skip = part.lower() not in ("providers", "microsoft.managedidentity")
    return "/".join(pattern), names


def _subscription(number: str, tenant: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{number}",
        "subscriptionId": number,
        "tenantId": tenant,
        "displayName": "Contoso",
        "state": "Enabled",
        "authorizationSource": "RoleBased",
        "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01", "spendingLimit": "Off"},
        "managedByTenants": [],
    }


def _group(subscription: str, name: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": "westeurope",
        "properties": {"provisioningState": "Succeeded"},
    }


def _refused(note: Note, error: ArmError) -> Response:
    note.code = error.code
    headers = {"x-ms-failure-cause": "gateway", "x-ms-request-id": str(uuid.uuid4())}
    return json_response(error.status, {"error": {"code": error.code, "message": error.message}}, headers)

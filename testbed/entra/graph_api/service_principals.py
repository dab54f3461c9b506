"""Service principals: of applications, of managed identities, and of Microsoft's own APIs.

Documented: POST with appId, addressing by id and appId, types, `alternativeNames` of a managed identity, 204. Reported:
409 for a second one, 400 NoBackingApplicationObject for an application that is missing or not replicated yet, and that
the application which creates a service principal does not become its owner. Assumed: the texts of the other 400s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from testbed.entra.directory import Application
from testbed.entra.graph_api.applications import guid_or_bad
from testbed.entra.graph_api.context import Context, day
from testbed.entra.graph_api.errors import GraphError, bad_request, denied, not_found
from testbed.entra.graph_api.paths import Key
from testbed.entra.messages import Response
from testbed.entra.principals import FIRST_PARTY, Api

__all__ = ["ROUTES", "Principal", "find", "known"]

_WRITABLE: Final = frozenset(
    {"appId", "accountEnabled", "appRoleAssignmentRequired", "tags", "notes", "description", "alternativeNames"}
)
_FILTERED: Final = frozenset(
    {"id", "appId", "displayName", "servicePrincipalType", "alternativeNames", "servicePrincipalNames", "tags"}
    | {"accountEnabled", "appOwnerOrganizationId"}
)
_MICROSOFT: Final = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"  # the tenant of Microsoft's own applications


@dataclass(frozen=True)
class Principal:
    """A service principal: of an application of this tenant, or of one of Microsoft's APIs."""

    id: str
    app_id: str
    name: str
    application: Application | None = None
    api: Api | None = None

    @property
    def owners(self) -> Sequence[str]:
        """The ids of its owners. Microsoft's APIs have none."""
        held = self.application and self.application.service_principal
        return held.owners if held else ()

    @property
    def roles(self) -> Mapping[str, str]:
        """Ids of the application permissions that it offers, by value."""
        if self.api:
            return self.api.roles
        offered = self.application.properties.get("appRoles", []) if self.application else []
        return {each["value"]: each["id"] for each in offered if each.get("value")}


def known(context: Context) -> Iterator[Principal]:
    """All service principals of the caller's tenant that Graph knows everywhere."""
    tenant = context.caller.tenant_id
    for api in FIRST_PARTY.values():
        yield Principal(api.object_id(tenant), api.app_id, api.name, api=api)
    for each in context.directory.applications(tenant):
        if each.service_principal and context.is_replicated(each.service_principal.created):
            yield Principal(each.service_principal.id, each.client_id, each.name, application=each)


def find(context: Context, key: Key) -> Principal:
    """The service principal with this key. Raises GraphError."""
    if key.by not in ("id", "appId"):
        raise bad_request(f"Invalid key '{key.by}'.", code="BadRequest")
    guid_or_bad(key.value)
    wanted = key.value.lower()
    for each in known(context):
        if wanted == (each.id if key.by == "id" else each.app_id).lower():
            return each
    raise not_found(key.value)


def _document(context: Context, principal: Principal) -> dict[str, Any]:
    application, held = principal.application, None
    if application:
        held = application.service_principal
    is_identity = bool(application and application.arm_id)
    names = [principal.app_id, *(principal.api.uris if principal.api else ())]
    if application:
        names += application.properties.get("identifierUris", [])
    return {
        "id": principal.id,
        "deletedDateTime": None,
        "accountEnabled": not (application and application.disabled),
        "alternativeNames": ["isExplicit=True", application.arm_id] if application and is_identity else [],
        "appDisplayName": None if is_identity else principal.name,
        "appId": principal.app_id,
        "appOwnerOrganizationId": _MICROSOFT if principal.api else None if is_identity else context.caller.tenant_id,
        "appRoleAssignmentRequired": False,
        "createdDateTime": day(held.created) if held else None,
        "displayName": principal.name,
        "notes": None,
        "servicePrincipalNames": names,
        "servicePrincipalType": "ManagedIdentity" if is_identity else "Application",
        "signInAudience": "AzureADMultipleOrgs" if principal.api else None if is_identity else "AzureADMyOrg",
        "tags": [],
        "appRoles": [_role(value, number) for value, number in principal.roles.items()],
        "oauth2PermissionScopes": [_scope(value, number) for value, number in _scopes(principal).items()],
        "keyCredentials": [],
        "passwordCredentials": [],
        **(held.properties if held else {}),
    }


def _role(value: str, number: str) -> dict[str, Any]:
    return {
        "allowedMemberTypes": ["Application"],
        "description": f"The application permission {value}.",
        "displayName": value,
        "id": number,
        "isEnabled": True,
        "origin": "Application",
        "value": value,
    }


def _scopes(principal: Principal) -> Mapping[str, str]:
    return principal.api.scopes if principal.api else {}


def _scope(value: str, number: str) -> dict[str, Any]:
    return {
        "adminConsentDescription": f"The delegated permission {value}.",
        "adminConsentDisplayName": value,
        "id": number,
        "isEnabled": True,
        "type": "User" if value in ("openid", "profile", "email", "offline_access", "User.Read") else "Admin",
        "userConsentDescription": None,
        "userConsentDisplayName": None,
        "value": value,
    }


def _list(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_read()
    shown = [_document(context, each) for each in known(context)]
    return context.listing("servicePrincipals", shown, properties=_FILTERED)


def _read(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_read()
    return context.entity("servicePrincipals", _document(context, find(context, keys[0])))


def _create(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_create()
    body = context.body()
    client_id = str(body.get("appId") or "")
    if not client_id:
        message = "A value is required for property 'appId' of resource 'ServicePrincipal'."
        raise bad_request(message, detail="MissingValue", target="appId")
    _check(body)
    application = context.directory.application(context.caller.tenant_id, client_id)
    if client_id in FIRST_PARTY or (application and application.service_principal):
        message = (
            "The service principal cannot be created, updated, or restored because the service principal name "
            f"{client_id} is already in use."
        )
        raise GraphError(409, message=message, details=[{"code": "ConflictingObjects", "message": message}])
    if application is None or application.arm_id or not context.is_replicated(application.created):
        message = f"The appId '{client_id}' of the service principal does not reference a valid application object."
        raise bad_request(message, detail="NoBackingApplicationObject", target="appId")
    if context.caller.has("Application.ReadWrite.OwnedBy") and not context.caller.may_write(application.owners):
        raise denied()
    application.has_service_principal = True
    held = application.service_principal
    assert held is not None
    held.created = context.now
    held.properties.update({name: value for name, value in body.items() if name != "appId"})
    if context.caller.is_user:
        held.owners.append(context.caller.object_id)
    principal = Principal(held.id, application.client_id, application.name, application=application)
    return context.entity("servicePrincipals", _document(context, principal), status=201)


def _update(context: Context, keys: Sequence[Key]) -> Response:
    principal = find(context, keys[0])
    context.need_to_write(principal.owners)
    body = context.body()
    _check(body)
    application = principal.application
    if application is None or application.service_principal is None:
        raise denied()
    application.disabled = not body.get("accountEnabled", not application.disabled)
    application.service_principal.properties.update(body)
    return context.nothing()


def _delete(context: Context, keys: Sequence[Key]) -> Response:
    principal = find(context, keys[0])
    context.need_to_write(principal.owners)
    if principal.application is None or principal.application.arm_id:
        raise denied()
    principal.application.has_service_principal = False
    principal.application.assignments.clear()
    return context.nothing()


def _check(body: Mapping[str, Any]) -> None:
    for name in body:
        if name not in _WRITABLE:
            raise bad_request(f"Invalid property '{name}'.", detail="InvalidProperty", target=name)


ROUTES: Final = {
    ("GET", "serviceprincipals"): _list,
    ("POST", "serviceprincipals"): _create,
    ("GET", "serviceprincipals/*"): _read,
    ("PATCH", "serviceprincipals/*"): _update,
    ("DELETE", "serviceprincipals/*"): _delete,
}

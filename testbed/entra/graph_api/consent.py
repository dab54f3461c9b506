"""Consent: app role assignments of service principals, and delegated permissions.

Documented: POST at either side, the permission AppRoleAssignment.ReadWrite.All (a user needs a role that may consent),
201 and 204. Reported: 400 "Permission being assigned already exists on the object" and "… was not found on
application". Assumed: the text for a body that names another principal than the path.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from typing import Any, Final

from testbed.entra.graph_api.context import Context, day
from testbed.entra.graph_api.errors import bad_request, denied, not_found
from testbed.entra.graph_api.paths import Key
from testbed.entra.graph_api.service_principals import Principal, find, known
from testbed.entra.messages import Response
from testbed.entra.principals import CONSENTING, Assignment

__all__ = ["ROUTES"]

_FILTERED: Final = frozenset(
    {"id", "principalId", "resourceId", "appRoleId", "principalDisplayName", "resourceDisplayName"}
)
_NEW_FIELDS: Final = ("principalId", "resourceId", "appRoleId")


def _document(context: Context, principal: Principal, assignment: Assignment) -> dict[str, Any]:
    resource = next(each for each in known(context) if each.app_id == assignment.resource_app_id)
    return {
        "id": assignment.id,
        "deletedDateTime": None,
        "appRoleId": assignment.role_id,
        "createdDateTime": day(assignment.created),
        "principalDisplayName": principal.name,
        "principalId": principal.id,
        "principalType": "ServicePrincipal",
        "resourceDisplayName": resource.name,
        "resourceId": resource.id,
    }


def _held(context: Context, principal: Principal) -> Sequence[dict[str, Any]]:
    """The assignments of one service principal."""
    if principal.application is None:
        return ()
    return [_document(context, principal, each) for each in principal.application.assignments]


def _of_principal(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_read()
    principal = find(context, keys[0])
    kind = f"servicePrincipals('{principal.id}')/appRoleAssignments"
    return context.listing(kind, _held(context, principal), properties=_FILTERED)


def _to_resource(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_read()
    resource = find(context, keys[0])
    kind = f"servicePrincipals('{resource.id}')/appRoleAssignedTo"
    everybody = [entry for each in known(context) for entry in _held(context, each)]
    return context.listing(
        kind, [each for each in everybody if each["resourceId"] == resource.id], properties=_FILTERED
    )


def _assign_principal(context: Context, keys: Sequence[Key]) -> Response:
    principal = find(context, keys[0])
    return _assign(context, principal.id, "principalId", "appRoleAssignments")


def _assign_to_resource(context: Context, keys: Sequence[Key]) -> Response:
    resource = find(context, keys[0])
    return _assign(context, resource.id, "resourceId", "appRoleAssignedTo")


def _assign(context: Context, identifier: str, field: str, collection: str) -> Response:
    _need_to_consent(context)
    body = context.body()
    for name in _NEW_FIELDS:
        if not body.get(name):
            message = f"A value is required for property '{name}' of resource 'AppRoleAssignment'."
            raise bad_request(message, detail="MissingValue", target=name)
    if str(body[field]).lower() != identifier.lower():
        raise bad_request(f"The value of '{field}' does not match the object in the request's address.")
    principal, resource = (find(context, Key("id", str(body[name]))) for name in ("principalId", "resourceId"))
    number = str(body["appRoleId"]).lower()
    role = next((value for value, each in resource.roles.items() if each == number), None)
    if role is None:
        raise bad_request(f"Permission being assigned was not found on application '{resource.app_id}'.")
    if principal.application is None:
        raise denied()
    held = principal.application.assignments
    if any((each.resource_app_id, each.role_id) == (resource.app_id, number) for each in held):
        raise bad_request("Permission being assigned already exists on the object", detail="InvalidUpdate")
    made = Assignment(resource_app_id=resource.app_id, role=role, role_id=number, created=context.now)
    held.append(made)
    kind = f"servicePrincipals('{identifier}')/{collection}"
    return context.entity(kind, _document(context, principal, made), status=201)


def _remove_from_principal(context: Context, keys: Sequence[Key]) -> Response:
    find(context, keys[0])
    return _remove(context, keys[1])


def _remove(context: Context, key: Key) -> Response:
    _need_to_consent(context)
    for principal in known(context):
        held = principal.application.assignments if principal.application else []
        for each in held:
            if each.id == key.value:
                held.remove(each)
                return context.nothing()
    raise not_found(key.value)


def _need_to_consent(context: Context) -> None:
    caller = context.caller
    if not caller.has("AppRoleAssignment.ReadWrite.All", "Directory.AccessAsUser.All" if caller.is_user else ""):
        raise denied()
    if caller.is_user and caller.directory_roles.isdisjoint(CONSENTING):
        raise denied()


def _grants(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_read()
    return context.listing(
        "oauth2PermissionGrants",
        context.directory.grants,
        properties=frozenset({"id", "clientId", "resourceId", "principalId", "consentType"}),
    )


def _grant(context: Context, keys: Sequence[Key]) -> Response:
    _need_to_grant(context)
    body = context.body()
    for name in ("clientId", "resourceId"):
        find(context, Key("id", str(body.get(name))))
    if body.get("consentType") not in ("AllPrincipals", "Principal"):
        raise bad_request("Invalid value specified for property 'consentType' of resource 'OAuth2PermissionGrant'.")
    number = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    made = {
        "clientId": body["clientId"],
        "consentType": body["consentType"],
        "id": number,
        "principalId": body.get("principalId"),
        "resourceId": body["resourceId"],
        "scope": body.get("scope", ""),
    }
    context.directory.grants.append(made)
    return context.entity("oauth2PermissionGrants", made, status=201)


def _regrant(context: Context, keys: Sequence[Key]) -> Response:
    _need_to_grant(context)
    known_grant = _known_grant(context, keys[0])
    known_grant["scope"] = context.body().get("scope", known_grant["scope"])
    return context.nothing()


def _ungrant(context: Context, keys: Sequence[Key]) -> Response:
    _need_to_grant(context)
    context.directory.grants.remove(_known_grant(context, keys[0]))
    return context.nothing()


def _known_grant(context: Context, key: Key) -> dict[str, Any]:
    found = next((each for each in context.directory.grants if each["id"] == key.value), None)
    if found is None:
        raise not_found(key.value)
    return found


def _need_to_grant(context: Context) -> None:
    if not context.caller.has("DelegatedPermissionGrant.ReadWrite.All", "Directory.AccessAsUser.All"):
        raise denied()


ROUTES: Final = {
    ("GET", "serviceprincipals/*/approleassignments"): _of_principal,
    ("POST", "serviceprincipals/*/approleassignments"): _assign_principal,
    ("DELETE", "serviceprincipals/*/approleassignments/*"): _remove_from_principal,
    ("GET", "serviceprincipals/*/approleassignedto"): _to_resource,
    ("POST", "serviceprincipals/*/approleassignedto"): _assign_to_resource,
    ("DELETE", "serviceprincipals/*/approleassignedto/*"): _remove_from_principal,
    ("GET", "oauth2permissiongrants"): _grants,
    ("POST", "oauth2permissiongrants"): _grant,
    ("PATCH", "oauth2permissiongrants/*"): _regrant,
    ("DELETE", "oauth2permissiongrants/*"): _ungrant,
}

"""Applications: list, create, read, change, delete; owners, secrets and deleted applications.

Documented: addressing by id, appId and uniqueName, properties and filters, 201 and 204, upsert by uniqueName, deleting
takes the service principal of the home tenant along and keeps the application for 30 days, restoring brings the
application alone back, secrets are shown once. The first owner is the user who creates an application, unless an
administrator, or the application that does (Application.ReadWrite.OwnedBy). Reported: the 404's text; a deleted
application keeps its uniqueName (400). Assumed: the texts of 400s about properties; deleted applications can be
filtered by the same properties; an upsert knows what others do not know yet.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from testbed.entra.clouds import GUID
from testbed.entra.directory import Application
from testbed.entra.graph_api.context import Context, day
from testbed.entra.graph_api.errors import bad_request, denied, invalid_value, not_found
from testbed.entra.graph_api.paths import Key
from testbed.entra.messages import Response
from testbed.entra.principals import Secret

__all__ = ["ROUTES", "find", "guid_or_bad"]

_AUDIENCES: Final = (
    "AzureADMyOrg",
    "AzureADMultipleOrgs",
    "AzureADandPersonalMicrosoftAccount",
    "PersonalMicrosoftAccount",
)
_DEFAULTS: Final[Mapping[str, Any]] = {
    "description": None,
    "groupMembershipClaims": None,
    "identifierUris": [],
    "isFallbackPublicClient": None,
    "notes": None,
    "signInAudience": "AzureADMyOrg",
    "tags": [],
    "uniqueName": None,
    "serviceManagementReference": None,
    "api": {
        "acceptMappedClaims": None,
        "knownClientApplications": [],
        "requestedAccessTokenVersion": None,
        "oauth2PermissionScopes": [],
        "preAuthorizedApplications": [],
    },
    "appRoles": [],
    "info": {},
    "keyCredentials": [],
    "optionalClaims": None,
    "parentalControlSettings": {"countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow"},
    "publicClient": {"redirectUris": []},
    "requiredResourceAccess": [],
    "spa": {"redirectUris": []},
    "web": {"homePageUrl": None, "logoutUrl": None, "redirectUris": [], "implicitGrantSettings": {}},
}
_WRITABLE: Final = frozenset({*_DEFAULTS, "displayName", "passwordCredentials"})
_FILTERED: Final = frozenset(
    {"id", "appId", "displayName", "uniqueName", "signInAudience", "tags", "identifierUris", "publisherDomain", "notes"}
)


def find(context: Context, key: Key) -> Application:
    """The application with this key. Raises GraphError."""
    if key.by in ("id", "appId"):
        guid_or_bad(key.value)
    found = _with_key(context, key)
    if found is None or not context.is_replicated(found.created):
        raise not_found(key.value)
    return found


def _with_key(context: Context, key: Key) -> Application | None:
    """The application with this key, as the server knows it that makes new ones."""
    registered = [each for each in context.directory.applications(context.caller.tenant_id) if not each.arm_id]
    return next((each for each in registered if _key(each, key.by) == key.value.lower()), None)


def _key(application: Application, by: str) -> str:
    if by == "id":
        return application.registration_id
    if by == "appId":
        return application.client_id.lower()
    if by == "uniqueName":
        return str(application.properties.get("uniqueName") or "").lower()
    raise bad_request(f"Invalid key '{by}'.", code="BadRequest")


def guid_or_bad(text: str) -> None:
    """Raises GraphError unless `text` is a GUID."""
    if not GUID.fullmatch(text):
        raise bad_request(f"Invalid object identifier '{text}'.")


def _document(context: Context, application: Application) -> dict[str, Any]:
    tenant = context.directory.home(application.tenant_id)
    return {
        "id": application.registration_id,
        "deletedDateTime": None,
        "appId": application.client_id,
        "createdDateTime": day(application.created),
        "displayName": application.name,
        "publisherDomain": next(iter(tenant.domains), None),
        **_DEFAULTS,
        **application.properties,
        "passwordCredentials": [_secret(each) for each in application.secrets],
    }


def _secret(secret: Secret) -> dict[str, Any]:
    return {
        "customKeyIdentifier": None,
        "displayName": secret.name or None,
        "startDateTime": day(secret.start),
        "endDateTime": day(secret.end),
        "hint": secret.hint,
        "keyId": secret.id,
        "secretText": None,
    }


def _list(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_read()
    known = context.directory.applications(context.caller.tenant_id)
    shown = [_document(context, each) for each in known if not each.arm_id and context.is_replicated(each.created)]
    return context.listing("applications", shown, properties=_FILTERED)


def _create(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_create()
    return _made(context, context.body())


def _made(context: Context, body: Mapping[str, Any]) -> Response:
    if not body.get("displayName"):
        message = "A value is required for property 'displayName' of resource 'Application'."
        raise bad_request(message, detail="MissingValue", target="displayName")
    _check(context, body, None)
    application = context.directory.add_application(
        client_id=str(uuid.uuid4()), tenant_id=context.caller.tenant_id, name=str(body["displayName"])
    )
    application.has_service_principal = False
    application.properties.update({name: value for name, value in body.items() if name != "displayName"})
    application.owners.append(context.caller.object_id)
    return context.entity("applications", _document(context, application), status=201)


def _read(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_read()
    return context.entity("applications", _document(context, find(context, keys[0])))


def _update(context: Context, keys: Sequence[Key]) -> Response:
    body = context.body()
    if keys[0].by == "uniqueName" and context.wants_creation():
        known = _with_key(context, keys[0])
        if known is None:
            context.need_to_create()
            return _made(context, {**body, "uniqueName": keys[0].value})
        application = known
    else:
        application = find(context, keys[0])
    context.need_to_write(application.owners)
    _check(context, body, application)
    application.name = str(body.pop("displayName", application.name))
    application.properties.update(body)
    return context.nothing()


def _delete(context: Context, keys: Sequence[Key]) -> Response:
    application = find(context, keys[0])
    context.need_to_write(application.owners)
    application.has_service_principal = False
    application.assignments.clear()
    context.directory.remove_application(application)
    return context.nothing()


def _check(context: Context, body: Mapping[str, Any], known: Application | None) -> None:
    """Raises GraphError unless the properties may be set so."""
    for name, value in body.items():
        if name not in _WRITABLE:
            raise bad_request(f"Invalid property '{name}'.", detail="InvalidProperty", target=name)
        if isinstance(_DEFAULTS.get(name), list) is not isinstance(value, list) and name in _DEFAULTS:
            raise invalid_value(name, "Application")
    if len(str(body.get("displayName", ""))) > 256:
        raise invalid_value("displayName", "Application")
    if body.get("signInAudience", "AzureADMyOrg") not in _AUDIENCES:
        raise invalid_value("signInAudience", "Application")
    unique = body.get("uniqueName")
    others = [*context.directory.applications(context.caller.tenant_id), *context.directory.deleted]
    if unique and any(each.properties.get("uniqueName") == unique for each in others if each is not known):
        message = "Another object with the same value for property uniqueName already exists."
        raise bad_request(message, detail="ObjectConflict", target="uniqueName")


def _add_password(context: Context, keys: Sequence[Key]) -> Response:
    application = find(context, keys[0])
    context.need_to_write(application.owners)
    wanted = context.body().get("passwordCredential") or {}
    application.add_secret(name=str(wanted.get("displayName") or ""))
    secret = application.secrets[-1]
    shown = {**_secret(secret), "secretText": secret.text}
    return context.entity("microsoft.graph.passwordCredential", shown)


def _remove_password(context: Context, keys: Sequence[Key]) -> Response:
    application = find(context, keys[0])
    context.need_to_write(application.owners)
    wanted = str(context.body().get("keyId", ""))
    kept = [each for each in application.secrets if each.id != wanted]
    if len(kept) == len(application.secrets):
        raise bad_request(f"No password credential found with keyId '{wanted}'.")
    application.secrets[:] = kept
    return context.nothing()


def _owners(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_read()
    owners = find(context, keys[0]).owners
    return context.listing(
        "directoryObjects", [_owner(context, each) for each in owners], properties=frozenset({"id", "displayName"})
    )


def _owner(context: Context, identifier: str) -> dict[str, Any]:
    for user in context.directory.users:
        if user.id == identifier:
            return {"@odata.type": "#microsoft.graph.user", "id": identifier, "userPrincipalName": user.name}
    return {"@odata.type": "#microsoft.graph.servicePrincipal", "id": identifier}


def _add_owner(context: Context, keys: Sequence[Key]) -> Response:
    application = find(context, keys[0])
    context.need_to_write(application.owners)
    identifier = context.reference()
    if identifier in application.owners:
        message = "One or more added object references already exist for the following modified properties: 'owners'."
        raise bad_request(message)
    application.owners.append(identifier)
    return context.nothing()


def _remove_owner(context: Context, keys: Sequence[Key]) -> Response:
    application = find(context, keys[0])
    context.need_to_write(application.owners)
    if keys[1].value not in application.owners:
        raise not_found(keys[1].value)
    application.owners.remove(keys[1].value)
    return context.nothing()


def _deleted(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_read()
    mine = [each for each in context.directory.deleted if each.tenant_id == context.caller.tenant_id]
    return context.listing("applications", [_document(context, each) for each in mine], properties=_FILTERED)


def _purge(context: Context, keys: Sequence[Key]) -> Response:
    context.directory.deleted.remove(_removed(context, keys[0]))
    return context.nothing()


def _restore(context: Context, keys: Sequence[Key]) -> Response:
    found = _removed(context, keys[0])
    context.directory.restore_application(found)
    return context.entity("directoryObjects", _document(context, found))


def _removed(context: Context, key: Key) -> Application:
    """The deleted application with this key, which the caller may write. Raises GraphError."""
    found = next((each for each in context.directory.deleted if each.registration_id == key.value.lower()), None)
    if found is None:
        raise not_found(key.value)
    if not context.caller.may_write(found.owners):
        raise denied()
    return found


ROUTES: Final = {
    ("GET", "applications"): _list,
    ("POST", "applications"): _create,
    ("GET", "applications/*"): _read,
    ("PATCH", "applications/*"): _update,
    ("DELETE", "applications/*"): _delete,
    ("POST", "applications/*/addpassword"): _add_password,
    ("POST", "applications/*/removepassword"): _remove_password,
    ("GET", "applications/*/owners"): _owners,
    ("POST", "applications/*/owners/$ref"): _add_owner,
    ("DELETE", "applications/*/owners/*/$ref"): _remove_owner,
    ("GET", "directory/deleteditems/microsoft.graph.application"): _deleted,
    ("DELETE", "directory/deleteditems/*"): _purge,
    ("POST", "directory/deleteditems/*/restore"): _restore,
}

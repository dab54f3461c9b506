"""The signed-in user, and directory objects by id.

Reported: the text that an application gets for /me. Documented: the permissions User.Read and User.Read.All.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from testbed.entra.graph_api.context import Context
from testbed.entra.graph_api.errors import GraphError, bad_request, denied, not_found
from testbed.entra.graph_api.paths import Key
from testbed.entra.graph_api.service_principals import find as find_principal
from testbed.entra.messages import Response
from testbed.entra.principals import User

__all__ = ["ROUTES"]

_READ_ALL: Final = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.AccessAsUser.All")


def _document(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "displayName": user.name.partition("@")[0],
        "userPrincipalName": user.name,
        "mail": user.name,
        "businessPhones": [],
    }


def _mine(context: Context) -> Sequence[User]:
    return [each for each in context.directory.users if each.tenant_id == context.caller.tenant_id]


def _me(context: Context, keys: Sequence[Key]) -> Response:
    if not context.caller.is_user:
        raise bad_request("/me request is only valid with delegated authentication flow.", code="BadRequest")
    if not context.caller.has("User.Read", *_READ_ALL):
        raise denied()
    return _user(context, context.caller.object_id)


def _list(context: Context, keys: Sequence[Key]) -> Response:
    if not context.caller.has(*_READ_ALL):
        raise denied()
    shown = [_document(each) for each in _mine(context)]
    return context.listing("users", shown, properties=frozenset({"id", "userPrincipalName", "displayName"}))


def _read(context: Context, keys: Sequence[Key]) -> Response:
    if not context.caller.has(*_READ_ALL):
        raise denied()
    return _user(context, keys[0].value)


def _user(context: Context, key: str) -> Response:
    for each in _mine(context):
        if key.lower() in (each.id, each.name.lower()):
            return context.entity("users", _document(each))
    raise not_found(key)


def _object(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_read()
    try:
        principal = find_principal(context, keys[0])
    except GraphError:
        return _user(context, keys[0].value)
    shown = {"@odata.type": "#microsoft.graph.servicePrincipal", "id": principal.id, "displayName": principal.name}
    return context.entity("directoryObjects", shown)


ROUTES: Final = {
    ("GET", "me"): _me,
    ("GET", "users"): _list,
    ("GET", "users/*"): _read,
    ("GET", "directoryobjects/*"): _object,
}

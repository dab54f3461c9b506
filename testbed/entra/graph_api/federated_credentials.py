"""The federated identity credentials of an application.

Documented: 20 at most, the limits of the properties, one audience, `name` never changes, addressing by id and by name,
upsert by name (201 with the credential when it is new, 204 when it changes one), 204 for changes and deletions.
Reported: 409 Request_MultipleObjectsWithSameKeyValue for a name that is taken, and for an issuer and subject that are
400 InvalidFederatedIdentityCredentialValue. Assumed: the texts of the other 400s, and that a deletion reaches the token
endpoint as late as a creation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from testbed.entra.credentials import CredentialRefused, FederatedCredential, Rule
from testbed.entra.directory import Application
from testbed.entra.graph_api.applications import find
from testbed.entra.graph_api.context import Context
from testbed.entra.graph_api.errors import GraphError, already_there, bad_request, invalid_value, not_found
from testbed.entra.graph_api.paths import Key
from testbed.entra.messages import Response

__all__ = ["ROUTES"]

_WRITABLE: Final = frozenset({"name", "issuer", "subject", "audiences", "description", "claimsMatchingExpression"})
_REQUIRED: Final = ("name", "issuer", "subject", "audiences")
_RESOURCE: Final = "FederatedIdentityCredential"
_FILTERED: Final = frozenset({"id", "name", "issuer", "subject"})


def _list(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_read()
    application = find(context, keys[0])
    shown = [_document(each) for each in application.credentials]
    return context.listing(_kind(application), shown, properties=_FILTERED)


def _create(context: Context, keys: Sequence[Key]) -> Response:
    application = find(context, keys[0])
    context.need_to_write(application.owners)
    return _made(context, application, context.body())


def _read(context: Context, keys: Sequence[Key]) -> Response:
    context.need_to_read()
    application = find(context, keys[0])
    return context.entity(_kind(application), _document(_known(application, keys[1])))


def _update(context: Context, keys: Sequence[Key]) -> Response:
    application = find(context, keys[0])
    context.need_to_write(application.owners)
    body = context.body()
    known = application.federation.find(keys[1].value)
    if known is None and keys[1].by == "name" and context.wants_creation():
        return _made(context, application, {**body, "name": keys[1].value})
    if known is None:
        raise not_found(keys[1].value)
    if body.get("name", known.name) != known.name:
        message = "The property 'name' is immutable and cannot be changed once it has been set."
        raise bad_request(message, detail="PropertyNotUpdatable", target="name")
    wanted = _wanted({**_document(known), **body})
    with _refusals(wanted):
        application.federation.change(known, wanted, delay=context.settings.propagation)
    return context.nothing()


def _delete(context: Context, keys: Sequence[Key]) -> Response:
    application = find(context, keys[0])
    context.need_to_write(application.owners)
    application.federation.remove(_known(application, keys[1]), delay=context.settings.propagation)
    return context.nothing()


def _made(context: Context, application: Application, body: Mapping[str, Any]) -> Response:
    for name in _REQUIRED:
        if not body.get(name):
            message = f"A value is required for property '{name}' of resource '{_RESOURCE}'."
            raise bad_request(message, detail="MissingValue", target=name)
    wanted = _wanted(body)
    with _refusals(wanted):
        made = application.federation.add(wanted, delay=context.settings.propagation)
    return context.entity(_kind(application), _document(made), status=201)


def _known(application: Application, key: Key) -> FederatedCredential:
    known = application.federation.find(key.value)
    if known is None:
        raise not_found(key.value)
    return known


def _wanted(body: Mapping[str, Any]) -> FederatedCredential:
    """The credential that `body` describes. Raises GraphError if a value has another type than Graph's."""
    for name, value in body.items():
        if name not in (*_WRITABLE, "id"):
            raise bad_request(f"Invalid property '{name}'.", detail="InvalidProperty", target=name)
        expected: tuple[type, ...] = (list,) if name == "audiences" else (str, type(None))
        if not isinstance(value, expected):
            raise invalid_value(name, _RESOURCE)
    audiences = body["audiences"]
    if len(audiences) != 1 or not isinstance(audiences[0], str):
        raise invalid_value("audiences", _RESOURCE)
    return FederatedCredential(
        name=body["name"],
        issuer=body["issuer"] or "",
        subject=body["subject"] or "",
        audience=audiences[0],
        description=body.get("description"),
    )


@contextlib.contextmanager
def _refusals(wanted: FederatedCredential) -> Iterator[None]:
    """Turns a broken rule into Graph's error."""
    try:
        yield
    except CredentialRefused as refused:
        raise _error(refused, wanted) from None


def _error(refused: CredentialRefused, wanted: FederatedCredential) -> GraphError:
    if refused.rule is Rule.NAME_TAKEN:
        return already_there(f"{_RESOURCE} with name {wanted.name} already exists.")
    if refused.rule is Rule.PAIR_TAKEN:
        issuer, subject = wanted.issuer, wanted.subject
        message = (
            f"The combination of issuer and subject must be unique for the application. Issuer {issuer} and Subject: "
            f"{subject} already exist. paramName: {_RESOURCE}.Subject, paramValue: {subject}, objectType: "
            "Microsoft.Online.DirectoryServices.Application"
        )
        return bad_request(message, code="InvalidFederatedIdentityCredentialValue")
    if refused.rule is Rule.TOO_MANY:
        message = "The number of federated identity credentials exceeds the maximum of 20 for the application."
        return bad_request(message)
    return invalid_value(refused.field, _RESOURCE)


def _document(credential: FederatedCredential) -> dict[str, Any]:
    return {
        "id": credential.id,
        "name": credential.name,
        "issuer": credential.issuer,
        "subject": credential.subject,
        "description": credential.description,
        "audiences": [credential.audience],
    }


def _kind(application: Application) -> str:
    return f"applications('{application.registration_id}')/federatedIdentityCredentials"


ROUTES: Final = {
    ("GET", "applications/*/federatedidentitycredentials"): _list,
    ("POST", "applications/*/federatedidentitycredentials"): _create,
    ("GET", "applications/*/federatedidentitycredentials/*"): _read,
    ("PATCH", "applications/*/federatedidentitycredentials/*"): _update,
    ("DELETE", "applications/*/federatedidentitycredentials/*"): _delete,
}

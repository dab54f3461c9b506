"""User-assigned managed identities and their federated identity credentials.

Documented: paths, bodies, 200 and 201 of a PUT, 204 of a DELETE that finds nothing, 20 credentials at most, one
audience; and the errors (learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations): the texts
for the name, the audiences, empty properties, and the pair of issuer and subject. Newer reports have 409 Conflict for
that pair; we follow the documentation, which has 400. Reported: 409 for two writes at once, and its text. Assumed: the
text for more than 20.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from testbed.entra.arm.access import Access
from testbed.entra.arm.errors import ArmError
from testbed.entra.credentials import CredentialRefused, FederatedCredential, Rule
from testbed.entra.directory import Application, Directory
from testbed.entra.graph_api.context import Settings
from testbed.entra.messages import Request, Response, json_response

__all__ = ["Identities", "Question"]

TYPE: Final = "Microsoft.ManagedIdentity/userAssignedIdentities"
CHILD: Final = f"{TYPE}/federatedIdentityCredentials"
FIRST_CHILD_VERSION: Final = "2022-01-31"
VERSIONS: Final = (
    "2018-11-30",
    "2021-09-30-preview",
    "2022-01-31-preview",
    "2023-01-31",
    "2023-07-31-preview",
    "2024-11-30",
    "2025-01-31-preview",
    "2025-05-31-preview",
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request: the names in its path, the object id of the caller, and the api-version."""

    request: Request
    names: Sequence[str]
    caller: str
    version: str
    tenant: str

    @property
    def scope(self) -> str:
        """The path, as messages and role assignments have it."""
        return self.request.path.rstrip("/")

    def properties(self) -> Mapping[str, Any]:
        """The properties in the body. Raises ArmError."""
        try:
            document = json.loads(self.request.body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise ArmError(
                400, "InvalidRequestContent", "The request content was invalid and could not be deserialized."
            )
        return dict(document.get("properties") or {})


class Identities:
    """Managed identities, which are applications with an `arm_id` in the directory."""

    def __init__(self, directory: Directory, access: Access, settings: Settings) -> None:
        self._directory = directory
        self._access = access
        self._settings = settings

    def routes(self, base: str) -> Mapping[tuple[str, str], Callable[[Question], Response]]:
        """The functions for paths below `base`, the collection in a resource group."""
        child = f"{base}/*/federatedidentitycredentials"
        return {
            ("GET", base): self.list,
            ("GET", f"{base}/*"): self._get,
            ("PUT", f"{base}/*"): self._put,
            ("DELETE", f"{base}/*"): self._delete,
            ("GET", child): self._list_credentials,
            ("GET", f"{child}/*"): self._get_credential,
            ("PUT", f"{child}/*"): self._put_credential,
            ("DELETE", f"{child}/*"): self._delete_credential,
        }

    def list(self, question: Question) -> Response:
        """The identities of a subscription or of a resource group."""
        self._check(question, f"{TYPE}/read")
        prefix = "/subscriptions/" + "/resourcegroups/".join(question.names).lower() + "/"
        found = [each for each in self._directory.managed_identities() if each.arm_id.lower().startswith(prefix)]
        return self._page(question, [_identity(each) for each in found])

    def _get(self, question: Question) -> Response:
        self._check(question, f"{TYPE}/read")
        return json_response(200, _identity(self._found(question)))

    def _put(self, question: Question) -> Response:
        self._check(question, f"{TYPE}/write")
        subscription, group, name = question.names
        known = self._find(question)
        if known is None:
            made = self._directory.add_managed_identity(
                name, group=group, subscription=subscription, tenant_id=question.tenant
            )
            return json_response(201, _identity(made))
        return json_response(200, _identity(known))

    def _delete(self, question: Question) -> Response:
        self._check(question, f"{TYPE}/delete")
        known = self._find(question)
        if known is None:
            return Response(204)
        self._directory.remove_application(known)
        return Response(200)

    def _list_credentials(self, question: Question) -> Response:
        self._check(question, f"{CHILD}/read")
        identity = self._found(question)
        return self._page(question, [_credential(identity, each) for each in identity.credentials])

    def _get_credential(self, question: Question) -> Response:
        self._check(question, f"{CHILD}/read")
        identity = self._found(question)
        known = _credential_named(identity, question.names[3])
        if known is None:
            raise _missing(CHILD, "/".join(question.names[2:]), question.names[1])
        return json_response(200, _credential(identity, known))

    def _put_credential(self, question: Question) -> Response:
        self._check(question, f"{CHILD}/write")
        identity = self._found(question, is_parent=True)
        wanted = _wanted(question)
        known = _credential_named(identity, question.names[3])
        try:
            if known is None:
                made = identity.federation.add(wanted, delay=self._settings.propagation)
            else:
                made = identity.federation.change(known, wanted, delay=self._settings.propagation)
        except CredentialRefused as refused:
            raise _refused(refused) from None
        return json_response(200 if known else 201, _credential(identity, made))

    def _delete_credential(self, question: Question) -> Response:
        self._check(question, f"{CHILD}/delete")
        identity = self._found(question)
        known = _credential_named(identity, question.names[3])
        if known is None:
            return Response(204)
        identity.federation.remove(known, delay=self._settings.propagation)
        return Response(200)

    def _check(self, question: Question, action: str) -> None:
        """Raises ArmError for an api-version that the type does not have, or a caller who may not do it."""
        is_child = action.startswith(CHILD)
        kind = CHILD if is_child else TYPE
        known = [each for each in VERSIONS if not is_child or each >= FIRST_CHILD_VERSION]
        if question.version not in known:
            message = (
                f"No registered resource provider found for location 'westeurope' and API version '{question.version}' "
                f"for type '{kind.partition('/')[2]}'. The supported api-versions are '{', '.join(known)}'."
            )
            raise ArmError(400, "NoRegisteredProviderFound", message)
        self._access.need(question.caller, action, question.scope)

    def _find(self, question: Question) -> Application | None:
        wanted = [each.lower() for each in question.names[:3]]
        for each in self._directory.managed_identities():
            parts = each.arm_id.lower().split("/")
            if [parts[2], parts[4], parts[8]] == wanted:
                return each
        return None

    def _found(self, question: Question, *, is_parent: bool = False) -> Application:
        identity = self._find(question)
        if identity is None and is_parent:
            message = (
                "Can not perform requested operation on nested resource. Parent resource "
                f"'{question.names[2]}' not found."
            )
            raise ArmError(404, "ParentResourceNotFound", message)
        if identity is None:
            raise _missing(TYPE, question.names[2], question.names[1])
        return identity

    def _page(self, question: Question, entries: Sequence[Mapping[str, Any]]) -> Response:
        """A page of a list, with the address of the next."""
        query = question.request.query
        start, size = int(query.get("$skiptoken", "0")), int(query.get("$top", self._settings.page))
        document: dict[str, Any] = {"value": list(entries[start : start + size])}
        if start + size < len(entries):
            options = urlencode({**query, "$skiptoken": str(start + size)}, quote_via=quote, safe="$")
            document["nextLink"] = f"https://{question.request.host}{question.request.path}?{options}"
        return json_response(200, document)


def _wanted(question: Question) -> FederatedCredential:
    properties = question.properties()
    audiences = properties.get("audiences")
    if not all(properties.get(name) for name in ("issuer", "subject", "audiences")):
        message = "Federated Identity Credential from HTTP body has empty properties"
        raise ArmError(400, "BadRequest", message)
    if not isinstance(audiences, list) or len(audiences) != 1:
        raise ArmError(400, "BadRequest", "Federated identity credentials must have exactly one audience.")
    return FederatedCredential(
        name=question.names[3],
        issuer=str(properties["issuer"]),
        subject=str(properties["subject"]),
        audience=str(audiences[0]),
    )


def _refused(refused: CredentialRefused) -> ArmError:
    if refused.rule is Rule.PAIR_TAKEN:
        message = "Issuer and subject combination already exists for this Managed Identity."
    elif refused.rule is Rule.NAME:
        message = f"Federated Identity Credential {refused}."
    elif refused.rule is Rule.TOO_MANY:
        message = "Too many Federated Identity Credentials: a managed identity has at most 20."
    else:
        message = f"The request format was unexpected: {refused}."
    return ArmError(400, "BadRequest", message)


def _missing(kind: str, name: str, group: str) -> ArmError:
    message = (
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to "
        "https://aka.ms/ARMResourceNotFoundFix"
    )
    return ArmError(404, "ResourceNotFound", message)


def _credential_named(identity: Application, name: str) -> FederatedCredential | None:
    return next((each for each in identity.credentials if each.name.lower() == name.lower()), None)


def _identity(identity: Application) -> dict[str, Any]:
    return {
        "id": identity.arm_id,
        "name": identity.arm_id.rpartition("/")[2],
        "type": TYPE,
        "location": "westeurope",
        "tags": {},
        "properties": {
            "tenantId": identity.tenant_id,
            "principalId": identity.object_id,
            "clientId": identity.client_id,
        },
    }


def _credential(identity: Application, credential: FederatedCredential) -> dict[str, Any]:
    return {
        "id": f"{identity.arm_id}/federatedIdentityCredentials/{credential.name}",
        "name": credential.name,
        "type": CHILD,
        "properties": {
            "issuer": credential.issuer,
            "subject": credential.subject,
            "audiences": [credential.audience],
        },
    }

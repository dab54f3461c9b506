"""Applications and user-assigned managed identities by their client id, and their federated identity credentials.

An application is asked for at Microsoft Graph, a managed identity at Azure Resource Manager. Both look alike from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from webhook.core.messages import Message, message
from webhook.core.messages.onboarding import APPLICATION_DELETED
from webhook.entra.comparison import Existing, Wanted
from webhook.entra.federated_credential import is_named_for
from webhook.entra.mark import read_mark
from webhook.entra.rest import Rest

APPLICATION: Final = "application"
MANAGED_IDENTITY: Final = "managed identity"
ARM_VERSION: Final = "?api-version=2023-01-31"
"""Of managed identities in Azure Resource Manager."""

_UPSERT: Final = {"Prefer": "create-if-missing"}
_WITHOUT_UPSERT: Final = (404, 405, 501)
_CREDENTIALS: Final = "federatedIdentityCredentials"
_DELETED: Final = "/directory/deletedItems/microsoft.graph.application"
_IDENTITIES: Final = "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"


@dataclass(frozen=True)
class Application:
    """One of them. kind: APPLICATION or MANAGED_IDENTITY. path: of Graph, or the id in Azure Resource Manager."""

    client_id: str
    name: str
    kind: str
    path: str

    @property
    def subscription(self) -> str:
        """Of a managed identity."""
        return self.path.split("/")[2]

    @property
    def resource_group(self) -> str:
        """Of a managed identity."""
        return self.path.split("/")[4]


@dataclass(frozen=True)
class Deleted:
    """An application that was deleted, and can be restored for 30 days. address: in Graph."""

    address: str
    name: str


def of_deleted(deleted: Deleted, client: str, instead: str = "") -> Message:
    """That it was deleted. instead: what else can be done, as the end of a sentence."""
    values = {"name": deleted.name, "address": deleted.address, "client": client, "instead": instead}
    return message(APPLICATION_DELETED, **values)


class Applications:
    """Those of one tenant. Every method raises Failed."""

    def __init__(self, graph: Rest, arm: Rest) -> None:
        self._graph = graph
        self._arm = arm

    async def find(self, client_id: str) -> Application | None:
        """The one with this client id, None if the tenant has neither."""
        what = f"client id {client_id}"
        found = await self._graph.request(
            "GET", f"/applications(appId='{client_id}')?$select=id,appId,displayName", ok=(404,), what=what
        )
        if found.status == 200:
            return Application(
                client_id, str(found.body["displayName"]), APPLICATION, f"/applications/{found.body['id']}"
            )
        selected = "$select=id,appId,displayName,servicePrincipalType,alternativeNames"
        found = await self._graph.request(
            "GET", f"/servicePrincipals(appId='{client_id}')?{selected}", ok=(404,), what=what
        )
        path = managed_identity(found.body) if found.status == 200 else ""
        return Application(client_id, path.rpartition("/")[2], MANAGED_IDENTITY, path) if path else None

    async def deleted(self, client_id: str) -> Deleted | None:
        """The deleted application with this client id; None if there is not one, or the caller may not see it."""
        condition = quote(f"appId eq '{client_id}'")
        found = await self._graph.request(
            "GET", f"{_DELETED}?$filter={condition}&$select=id,displayName", ok=(400, 403, 404)
        )
        entry = next(iter(found.body.get("value") or ()), None)
        if entry is None:
            return None
        address = f"{self._graph.root}/directory/deletedItems/{entry['id']}"
        return Deleted(address, str(entry.get("displayName") or client_id))

    async def credentials(self, application: Application) -> list[Existing]:
        """All its credentials."""
        if application.kind == APPLICATION:
            pages = self._graph.pages(f"{application.path}/{_CREDENTIALS}", what=_shown(application))
            return [_of_graph(each) async for each in pages]
        pages = self._arm.pages(f"{application.path}/{_CREDENTIALS}{ARM_VERSION}", what=_shown(application))
        return [_of_arm(each) async for each in pages]

    async def put(self, application: Application, wanted: Wanted, description: str, *, awaited: float = 0.0) -> None:
        """Creates the credential, or makes the one of this name what is wanted.

        awaited: for so many seconds a 404 means that Graph does not know the application yet.
        """
        what = f"{_shown(application)}: credential {wanted.name}"
        if application.kind == MANAGED_IDENTITY:
            await self._put_arm(application, wanted.name, wanted, what)
            return
        body = _body(wanted, description)
        path = f"{application.path}/{_CREDENTIALS}"
        answer = await self._graph.request(
            "PATCH",
            f"{path}(name='{wanted.name}')",
            body=body,
            headers=_UPSERT,
            ok=() if awaited else _WITHOUT_UPSERT,
            awaited=awaited,
            what=what,
        )
        if answer.status in _WITHOUT_UPSERT:
            made = await self._graph.request("POST", path, body={"name": wanted.name, **body}, ok=(409,), what=what)
            if made.status == 409:  # the name exists: somebody was faster, or it has to be changed
                await self._graph.request("PATCH", f"{path}/{wanted.name}", body=body, what=what)

    async def change(self, application: Application, known: Existing, wanted: Wanted, description: str) -> None:
        """Makes `known` what is wanted. Its name stays, unless the name is the mark."""
        what = f"{_shown(application)}: credential {known.name}"
        if application.kind == MANAGED_IDENTITY:
            if is_renamed(known, wanted):
                await self.remove(application, known)
            await self._put_arm(application, name_after(known, wanted), wanted, what)
            return
        path = f"{application.path}/{_CREDENTIALS}/{known.id}"
        await self._graph.request("PATCH", path, body=_body(wanted, description), what=what)

    async def remove(self, application: Application, known: Existing) -> None:
        """Removes it; that it is gone already is right, too."""
        what = f"{_shown(application)}: credential {known.name}"
        path = f"{application.path}/{_CREDENTIALS}/{known.id}"
        if application.kind == MANAGED_IDENTITY:
            await self._arm.request("DELETE", path + ARM_VERSION, ok=(404,), what=what)
        else:
            await self._graph.request("DELETE", path, ok=(404,), what=what)

    async def _put_arm(self, application: Application, name: str, wanted: Wanted, what: str) -> None:
        body = {"issuer": wanted.issuer, "subject": wanted.subject, "audiences": [wanted.audience]}
        path = f"{application.path}/{_CREDENTIALS}/{quote(name, safe='')}{ARM_VERSION}"
        await self._arm.request("PUT", path, body={"properties": body}, what=what)


def is_renamed(known: Existing, wanted: Wanted) -> bool:
    """Whether a managed identity's credential, whose name is its mark, is to be for another issuer or subject."""
    return known.is_marked and not is_named_for(known.name, wanted.issuer, wanted.subject)


def name_after(known: Existing, wanted: Wanted) -> str:
    """The name of a managed identity's credential after it was changed."""
    return wanted.name if is_renamed(known, wanted) else known.name


def managed_identity(principal: Mapping[str, Any]) -> str:
    """The id in Azure Resource Manager of a service principal that is a user-assigned managed identity's, else ""."""
    if principal.get("servicePrincipalType") != "ManagedIdentity":
        return ""
    names = map(str, principal.get("alternativeNames") or ())
    return next((name for name in names if _IDENTITIES.lower() in name.lower()), "")


def _body(wanted: Wanted, description: str) -> dict[str, Any]:
    return {
        "issuer": wanted.issuer,
        "subject": wanted.subject,
        "audiences": [wanted.audience],
        "description": description or None,
    }


def _of_graph(document: Mapping[str, Any]) -> Existing:
    description = str(document.get("description") or "")
    return Existing(
        id=str(document["id"]),
        name=str(document["name"]),
        issuer=str(document.get("issuer") or ""),
        subject=str(document.get("subject") or ""),  # None in a flexible credential, which no ServiceAccount has
        audiences=tuple(map(str, document.get("audiences") or ())),
        description=description,
        is_marked=read_mark(description) is not None,
    )


def _of_arm(document: Mapping[str, Any]) -> Existing:
    name, properties = str(document["name"]), document.get("properties") or {}
    issuer, subject = str(properties.get("issuer") or ""), str(properties.get("subject") or "")
    audiences = tuple(map(str, properties.get("audiences") or ()))
    return Existing(name, name, issuer, subject, audiences, is_marked=is_named_for(name, issuer, subject))


def _shown(application: Application) -> str:
    return f"{application.kind} {application.name or application.client_id}"

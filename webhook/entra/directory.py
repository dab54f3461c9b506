"""Reads what a tenant's directory has: applications, service principals, app roles."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from webhook.entra.applications import ARM_VERSION, managed_identity
from webhook.entra.failures import Refused
from webhook.entra.registrations import GRAPH_ID, Identity, Owner, Registration
from webhook.entra.rest import Rest

_APPLICATION: Final = "id,appId,displayName,tags,notes,requiredResourceAccess,passwordCredentials,keyCredentials"
_PRINCIPAL: Final = "id,appId,displayName,accountEnabled,servicePrincipalType,alternativeNames"
_GRAPH: Final = "id,appId,appRoles,oauth2PermissionScopes"


class Directory:
    """The directory behind Microsoft Graph. Each method raises `webhook.entra.failures.Failed`."""

    def __init__(self, graph: Rest) -> None:
        self._graph = graph

    async def application(self, client: str, *, whole: bool = False) -> Registration | None:
        """The application with this client id. whole: with its owners and its federated identity credentials."""
        answer = await self._graph.request("GET", f"/applications(appId='{client}')?$select={_APPLICATION}", ok=(404,))
        if answer.status == 404:
            return None
        return await self._with_owners(answer.body) if whole else _application(answer.body)

    async def named(self, name: str) -> list[Registration]:
        """All applications with this name, with their owners and federated identity credentials."""
        condition = quote("displayName eq '" + name.replace("'", "''") + "'")
        path = f"/applications?$filter={condition}&$select={_APPLICATION}"
        return [await self._with_owners(each) async for each in self._graph.pages(path)]

    async def _with_owners(self, body: Mapping[str, Any]) -> Registration:
        root = f"/applications(appId='{body['appId']}')"
        owners = [
            Owner(str(each.get("id")), str(each.get("displayName") or each.get("id")))
            async for each in self._graph.pages(f"{root}/owners?$select=id,displayName")
        ]
        trusted = [each async for each in self._graph.pages(f"{root}/federatedIdentityCredentials")]
        return _application(body, owners, trusted)

    async def principal(self, client: str) -> Mapping[str, Any] | None:
        """The service principal with this client id, of an application or a managed identity."""
        path = f"/servicePrincipals(appId='{client}')?$select={_PRINCIPAL}"
        answer = await self._graph.request("GET", path, ok=(404,))
        return answer.body if answer.status == 200 else None

    async def resource_of(self, client: str) -> str:
        """The resource id of the user-assigned managed identity with this client id; "" if it is not one."""
        found = await self.principal(client)
        return managed_identity(found) if found else ""

    async def organization(self) -> Mapping[str, Any]:
        """The tenant's name and domains; {} for a caller who may not read them."""
        answer = await self._graph.request("GET", "/organization?$select=id,displayName,verifiedDomains", ok=(403,))
        entries = answer.body.get("value") or [{}]
        first: Mapping[str, Any] = entries[0]
        return first

    async def graph(self) -> Mapping[str, Any]:
        """The service principal of Microsoft Graph, with its app roles."""
        answer = await self._graph.request("GET", f"/servicePrincipals(appId='{GRAPH_ID}')?$select={_GRAPH}")
        return answer.body

    async def assignments(self, principal: str, *, young: bool = False) -> list[Mapping[str, Any]]:
        """The app roles that a service principal has. A young one may be unknown for a moment: it has none."""
        try:
            return [each async for each in self._graph.pages(f"/servicePrincipals/{principal}/appRoleAssignments")]
        except Refused as error:
            if not young or error.status != 404:
                raise
            return []


def _application(
    body: Mapping[str, Any], owners: Sequence[Owner] = (), trusted: Sequence[Mapping[str, Any]] = ()
) -> Registration:
    return Registration(
        client_id=str(body["appId"]),
        name=str(body.get("displayName") or ""),
        tags=tuple(body.get("tags") or ()),
        required=tuple(body.get("requiredResourceAccess") or ()),
        secrets=len(body.get("passwordCredentials") or ()) + len(body.get("keyCredentials") or ()),
        owners=tuple(owners),
        federated=tuple(f"{each.get('issuer')} {each.get('subject')}" for each in trusted),
    )


async def identity_at(resource_manager: Rest, resource: str) -> Identity:
    """The user-assigned managed identity with this resource id. Raises Failed."""
    what = f"managed identity {resource.rpartition('/')[2]}"
    body = (await resource_manager.request("GET", f"{resource}{ARM_VERSION}", what=what)).body
    properties = body.get("properties") or {}
    client, principal = str(properties.get("clientId")), str(properties.get("principalId"))
    return Identity(resource, str(body.get("name")), client, principal)

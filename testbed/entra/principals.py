"""What stands beside an application: secrets, service principals, consent, users, Microsoft's own APIs."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from testbed.entra.permissions import APPLICATION_PERMISSIONS, DELEGATED_PERMISSIONS

__all__ = [
    "ADMINISTRATOR",
    "AZURE_CLI",
    "AZURE_CLI_SCOPES",
    "CONSENTING",
    "FIRST_PARTY",
    "GRAPH_APP_ID",
    "Api",
    "Assignment",
    "Secret",
    "ServicePrincipal",
    "User",
    "role_id",
]

GRAPH_APP_ID: Final = "00000003-0000-0000-c000-000000000000"
ADMINISTRATOR: Final = "Global Administrator"
CONSENTING: Final = frozenset({ADMINISTRATOR, "Privileged Role Administrator"})
"""Directory roles whose users may consent to application permissions."""

AZURE_CLI: Final = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
"""The client id with which az, and the device code of azure-identity, sign a user in."""

AZURE_CLI_SCOPES: Final = (
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "AuditLog.Read.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.AccessAsUser.All",
    "Group.ReadWrite.All",
    "User.Read.All",
    "User.ReadWrite.All",
)
"""The delegated permissions of Graph in a token that az gets for a user, as reported."""


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A client secret. `text` is shown once, when it is made; `hint` has its first letters."""

    id: str
    name: str
    start: float
    end: float
    text: str = field(repr=False)

    @classmethod
    def new(cls, text: str = "", *, now: float, name: str, lifetime: float) -> Self:
        """A new secret; without `text` it has 40 letters, as those that Entra makes."""
        text = text or base64.urlsafe_b64encode(secrets.token_bytes(30)).decode()
        return cls(id=str(uuid.uuid4()), name=name, start=now, end=now + lifetime, text=text)

    @property
    def hint(self) -> str:
        """The first three letters."""
        return self.text[:3]


@dataclass
class ServicePrincipal:
    """The service principal of an application. properties: what Graph stores beside the application's own."""

    id: str
    created: float
    properties: dict[str, Any] = field(default_factory=dict)
    owners: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Consent to one application permission `role` of an API."""

    resource_app_id: str
    role: str
    role_id: str
    created: float
    id: str = field(default_factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("="))


@dataclass(frozen=True, kw_only=True)
class User:
    """A user, who signs in by device code. roles: names of directory roles, such as "Global Administrator"."""

    tenant_id: str
    name: str
    id: str
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Api:
    """An API of Microsoft with a service principal in every tenant. roles, scopes: ids by value."""

    app_id: str
    name: str
    uris: tuple[str, ...]
    roles: Mapping[str, str]
    scopes: Mapping[str, str]

    def object_id(self, tenant_id: str) -> str:
        """The id of its service principal in a tenant: another in each."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{tenant_id}/{self.app_id}"))


FIRST_PARTY: Final[Mapping[str, Api]] = {
    api.app_id: api
    for api in (
        Api(
            app_id=GRAPH_APP_ID,
            name="Microsoft Graph",
            uris=("https://graph.microsoft.com", "https://graph.microsoft.com/"),
            roles=APPLICATION_PERMISSIONS,
            scopes=DELEGATED_PERMISSIONS,
        ),
        Api(
            app_id="00000002-0000-0ff1-ce00-000000000000",
            name="Office 365 Exchange Online",
            uris=("https://outlook.office365.com", "https://outlook.office365.com/"),
            roles={"Exchange.ManageAsApp": "dc50a0fb-09a3-484d-be87-e023b12c6440"},
            scopes={},
        ),
        Api(
            app_id="797f4846-ba00-4fd7-ba43-dac1f8f63013",
            name="Windows Azure Service Management API",
            uris=("https://management.core.windows.net/", "https://management.azure.com/"),
            roles={},
            scopes={"user_impersonation": "41094075-9dad-400e-a0bd-54e686782033"},
        ),
    )
}
"""By application id."""


def role_id(value: str) -> str:
    """The id of an application permission of Microsoft Graph; one of the emulator's own for a name it does not know."""
    return APPLICATION_PERMISSIONS.get(value) or str(uuid.uuid5(uuid.NAMESPACE_OID, f"role {value}"))

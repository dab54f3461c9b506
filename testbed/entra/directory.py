"""Tenants and applications, users and managed identities, as the emulator knows them."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from testbed.entra.clock import Clock
from testbed.entra.credentials import Credentials, FederatedCredential
from testbed.entra.principals import GRAPH_APP_ID, Assignment, Secret, ServicePrincipal, User, role_id

__all__ = ["SUBSCRIPTION", "TENANT_ID", "Application", "Directory", "FederatedCredential", "Tenant"]

TENANT_ID = "11111111-2222-4333-8444-555555555555"
"""The tenant of an application that names no other."""

SUBSCRIPTION = "33333333-3333-4333-8333-333333333333"
"""The subscription of a managed identity that names no other."""


@dataclass(frozen=True)
class Tenant:
    """A tenant, known by its id and its domains. If it is of another `cloud`, requests are refused with `code`."""

    id: str
    name: str = "Contoso"
    domains: tuple[str, ...] = ("contoso.onmicrosoft.com",)
    cloud: str = ""
    code: int = 90038


class Application:
    """An application in one tenant, with its service principal; a user-assigned managed identity if it has an `arm_id`.

    `roles`, `name`, `disabled`, `public` and `has_service_principal` may be set at any time. `roles`: the application
    permissions of Microsoft Graph that are consented to; Graph shows them as `assignments`. object_id: of the service
    principal, which is in tokens. registration_id: Graph's id of the application itself. properties: the others that
    Graph stores. owners: object ids. Without a service principal it is as `az ad app create` leaves it.
    """

    def __init__(
        self,
        *,
        client_id: str,
        tenant_id: str,
        clock: Clock,
        default_audience: str,
        name: str = "terraform",
        roles: Iterable[str] = (),
        disabled: bool = False,
        public: bool = False,
        arm_id: str = "",
    ) -> None:
        self.client_id = client_id
        self.tenant_id = tenant_id
        self.name = name
        self.public = public
        self.arm_id = arm_id
        self.registration_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"registration {tenant_id}/{client_id}"))
        self.created = clock()
        self.properties: dict[str, Any] = {}
        self.owners: list[str] = []
        self.secrets: list[Secret] = []
        self.federation = Credentials(clock)
        self.assignments: list[Assignment] = []
        self.service_principal: ServicePrincipal | None = ServicePrincipal(
            id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{tenant_id}/{client_id}")), created=self.created
        )
        self._clock = clock
        self._default_audience = default_audience
        self._is_disabled = False
        self._object_id = self.service_principal.id
        self.roles = tuple(roles)
        self.disabled = disabled

    def __repr__(self) -> str:
        return f"Application({self.client_id} in {self.tenant_id}, roles={self.roles})"

    @property
    def object_id(self) -> str:
        """The id of the service principal."""
        return self.service_principal.id if self.service_principal else self._object_id

    @property
    def has_service_principal(self) -> bool:
        """Whether there is a service principal. Its id and what is assigned to it are kept for when it comes back."""
        return self.service_principal is not None

    @has_service_principal.setter
    def has_service_principal(self, value: bool) -> None:
        if value and self.service_principal is None:
            self.service_principal = ServicePrincipal(id=self._object_id, created=self._clock())
        elif not value:
            self.service_principal = None

    @property
    def disabled(self) -> bool:
        """Whether sign-ins are refused."""
        return self._is_disabled

    @disabled.setter
    def disabled(self, value: bool) -> None:
        self._is_disabled = value

    @property
    def roles(self) -> tuple[str, ...]:
        """The application permissions of Microsoft Graph that are consented to, in order."""
        return tuple(each.role for each in self.assignments if each.resource_app_id == GRAPH_APP_ID)

    @roles.setter
    def roles(self, values: Iterable[str]) -> None:
        others = [each for each in self.assignments if each.resource_app_id != GRAPH_APP_ID]
        now = self._clock()
        made = [
            Assignment(resource_app_id=GRAPH_APP_ID, role=each, role_id=role_id(each), created=now) for each in values
        ]
        self.assignments = others + made

    @property
    def credentials(self) -> Sequence[FederatedCredential]:
        """All federated credentials, including those that the token endpoint does not know yet."""
        return self.federation.all()

    def visible_credentials(self) -> Sequence[FederatedCredential]:
        """The federated credentials that the token endpoint knows."""
        return self.federation.visible()

    def federate(
        self,
        *,
        issuer: str,
        subject: str,
        audience: str | None = None,
        delay: float = 0.0,
        name: str = "",
        description: str | None = None,
    ) -> FederatedCredential:
        """Adds a federated credential, which the token endpoint sees after `delay` seconds of the emulator's clock.

        Without `audience` it is the cloud's. Raises ValueError if Entra would not accept the credential; see
        `testbed.entra.credentials`.
        """
        audience = self._default_audience if audience is None else audience
        wanted = FederatedCredential(
            issuer=issuer, subject=subject, audience=audience, name=name, description=description
        )
        return self.federation.add(wanted, delay=delay)

    def unfederate(self, credential: FederatedCredential | None = None) -> None:
        """Removes a federated credential, or all of them."""
        self.federation.remove(credential)

    def add_secret(self, text: str = "", *, name: str = "", lifetime: float = 730 * 86400.0) -> str:
        """Adds a client secret that is valid for `lifetime` seconds, and returns its text: a new one without `text`."""
        secret = Secret.new(text, now=self._clock(), name=name, lifetime=lifetime)
        self.secrets.append(secret)
        return secret.text


@dataclass
class Directory:
    """Every tenant, application and user of one emulator."""

    clock: Clock
    default_audience: str
    users: list[User] = field(default_factory=list)
    deleted: list[Application] = field(default_factory=list)
    grants: list[dict[str, Any]] = field(default_factory=list)
    _tenants: dict[str, Tenant] = field(default_factory=dict)
    _applications: dict[tuple[str, str], Application] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_tenant(self, tenant: Tenant) -> Tenant:
        """Registers a tenant; it replaces one with the same id."""
        with self._lock:
            self._tenants[tenant.id.lower()] = tenant
        return tenant

    def tenant(self, identifier: str) -> Tenant | None:
        """The tenant with this id or domain, in upper or lower case."""
        wanted = identifier.lower()
        with self._lock:
            by_id = self._tenants.get(wanted)
            if by_id:
                return by_id
            return next((t for t in self._tenants.values() if wanted in (d.lower() for d in t.domains)), None)

    def home(self, tenant_id: str) -> Tenant:
        """The tenant with this id, which is registered if it is new."""
        if known := self.tenant(tenant_id):
            return known
        return self.add_tenant(
            Tenant(tenant_id, domains=("contoso.onmicrosoft.com",) if tenant_id == TENANT_ID else ())
        )

    def add_application(
        self,
        *,
        client_id: str | None = None,
        tenant_id: str = TENANT_ID,
        name: str = "terraform",
        roles: Iterable[str] = (),
        disabled: bool = False,
        public: bool = False,
        arm_id: str = "",
    ) -> Application:
        """Registers an application, and its tenant if that is new. Without `client_id` it gets a new one."""
        with self._lock:
            number = next(self._numbers)
            client_id = client_id or str(uuid.uuid5(uuid.NAMESPACE_OID, f"application {number}"))
        self.home(tenant_id)
        application = Application(
            client_id=client_id,
            tenant_id=tenant_id,
            clock=self.clock,
            default_audience=self.default_audience,
            name=name,
            roles=roles,
            disabled=disabled,
            public=public,
            arm_id=arm_id,
        )
        with self._lock:
            self._applications[tenant_id.lower(), client_id.lower()] = application
        return application

    def add_managed_identity(
        self, name: str, *, group: str, subscription: str = SUBSCRIPTION, tenant_id: str = TENANT_ID
    ) -> Application:
        """Registers a user-assigned managed identity."""
        provider = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"
        arm_id = f"/subscriptions/{subscription}/resourcegroups/{group}/{provider}/{name}"
        client_id = str(uuid.uuid5(uuid.NAMESPACE_OID, arm_id.lower()))
        return self.add_application(client_id=client_id, tenant_id=tenant_id, name=name, arm_id=arm_id)

    def everybody(self) -> Sequence[Application]:
        """The applications and managed identities of all tenants."""
        with self._lock:
            return list(self._applications.values())

    def managed_identities(self) -> Sequence[Application]:
        """All managed identities, oldest first."""
        with self._lock:
            return [each for each in self._applications.values() if each.arm_id]

    def add_user(self, name: str, *, roles: Iterable[str], tenant_id: str = TENANT_ID) -> User:
        """Registers a user, and the tenant if that is new."""
        self.home(tenant_id)
        number = str(uuid.uuid5(uuid.NAMESPACE_OID, f"user {tenant_id}/{name}"))
        user = User(tenant_id=tenant_id, name=name, id=number, roles=frozenset(roles))
        self.users.append(user)
        return user

    def remove_application(self, application: Application) -> None:
        """Deletes an application or a managed identity. Graph keeps an application among the deleted ones."""
        with self._lock:
            self._applications.pop((application.tenant_id.lower(), application.client_id.lower()), None)
            if not application.arm_id:
                self.deleted.append(application)

    def restore_application(self, application: Application) -> None:
        """Takes a deleted application back, without its service principal."""
        with self._lock:
            self.deleted.remove(application)
            self._applications[application.tenant_id.lower(), application.client_id.lower()] = application

    def application(self, tenant_id: str, client_id: str) -> Application | None:
        """The application with this client id in the tenant."""
        with self._lock:
            return self._applications.get((tenant_id.lower(), client_id.lower()))

    def applications(self, tenant_id: str) -> Sequence[Application]:
        """All applications and managed identities of the tenant, oldest first."""
        with self._lock:
            return [each for (tenant, _), each in self._applications.items() if tenant == tenant_id.lower()]

"""Tenants, applications and their federated credentials, as the emulator knows them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from testbed.entra.clock import Clock

__all__ = ["TENANT_ID", "Application", "Directory", "FederatedCredential", "Tenant"]

TENANT_ID = "11111111-2222-4333-8444-555555555555"
"""The tenant of an application that names no other."""

MOST_CREDENTIALS = 20
LONGEST = 600  # characters, of each of issuer, subject and audience


@dataclass(frozen=True)
class Tenant:
    """A tenant, known by its id and its domains. If it is of another `cloud`, requests are refused with `code`."""

    id: str
    name: str = "Contoso"
    domains: tuple[str, ...] = ("contoso.onmicrosoft.com",)
    cloud: str = ""
    code: int = 90038


@dataclass(frozen=True, kw_only=True)
class FederatedCredential:
    """A federated identity credential. The token endpoint knows it from `visible_at` on, in the emulator's time."""

    issuer: str
    subject: str
    audience: str
    visible_at: float = 0.0


class Application:
    """An application in one tenant. `roles`, `disabled`, `public` and `has_service_principal` may be set at any time.

    Without a service principal it is as `az ad app create` leaves it, before `az ad sp create`.
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
    ) -> None:
        self.client_id = client_id
        self.tenant_id = tenant_id
        self.name = name
        self.roles = tuple(roles)
        self.disabled = disabled
        self.public = public
        self.has_service_principal = True
        self.object_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{tenant_id}/{client_id}"))
        self._clock = clock
        self._default_audience = default_audience
        self._credentials: tuple[FederatedCredential, ...] = ()

    def __repr__(self) -> str:
        return f"Application({self.client_id} in {self.tenant_id}, roles={self.roles})"

    @property
    def credentials(self) -> Sequence[FederatedCredential]:
        """All federated credentials, including those that the token endpoint does not know yet."""
        return self._credentials

    def visible_credentials(self) -> Sequence[FederatedCredential]:
        """The federated credentials that have reached the token endpoint."""
        now = self._clock()
        return [credential for credential in self._credentials if credential.visible_at <= now]

    def federate(
        self, *, issuer: str, subject: str, audience: str | None = None, delay: float = 0.0
    ) -> FederatedCredential:
        """Adds a federated credential, which the token endpoint sees after `delay` seconds of the emulator's clock.

        Without `audience` it is the cloud's. Raises ValueError if Entra would not accept the credential:
        more than 20, the same issuer and subject twice, an empty value or one of more than 600 characters.
        """
        audience = self._default_audience if audience is None else audience
        for name, value in (("issuer", issuer), ("subject", subject), ("audience", audience)):
            if not 0 < len(value) <= LONGEST:
                raise ValueError(f"{name} has {len(value)} characters, expected 1 to {LONGEST}")
        if any((known.issuer, known.subject) == (issuer, subject) for known in self._credentials):
            raise ValueError(f"there is a credential for {issuer} and {subject} already")
        if len(self._credentials) >= MOST_CREDENTIALS:
            raise ValueError(f"an application has at most {MOST_CREDENTIALS} federated credentials")
        credential = FederatedCredential(
            issuer=issuer, subject=subject, audience=audience, visible_at=self._clock() + delay if delay else 0.0
        )
        self._credentials += (credential,)
        return credential

    def unfederate(self, credential: FederatedCredential | None = None) -> None:
        """Removes a federated credential, or all of them."""
        self._credentials = tuple(known for known in self._credentials if credential not in (None, known))


@dataclass
class Directory:
    """Every tenant and application of one emulator."""

    clock: Clock
    default_audience: str
    _tenants: dict[str, Tenant] = field(default_factory=dict)
    _applications: dict[tuple[str, str], Application] = field(default_factory=dict)
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

    def add_application(
        self,
        *,
        client_id: str | None = None,
        tenant_id: str = TENANT_ID,
        name: str = "terraform",
        roles: Iterable[str] = (),
        disabled: bool = False,
        public: bool = False,
    ) -> Application:
        """Registers an application, and its tenant if that is new. Without `client_id` it gets a new one."""
        with self._lock:
            client_id = client_id or str(uuid.uuid5(uuid.NAMESPACE_OID, f"application {len(self._applications)}"))
            known = tenant_id.lower() in self._tenants
        if not known:
            domains = ("contoso.onmicrosoft.com",) if tenant_id == TENANT_ID else ()
            self.add_tenant(Tenant(tenant_id, domains=domains))
        application = Application(
            client_id=client_id,
            tenant_id=tenant_id,
            clock=self.clock,
            default_audience=self.default_audience,
            name=name,
            roles=roles,
            disabled=disabled,
            public=public,
        )
        with self._lock:
            self._applications[tenant_id.lower(), client_id.lower()] = application
        return application

    def application(self, tenant_id: str, client_id: str) -> Application | None:
        """The application with this client id in the tenant."""
        with self._lock:
            return self._applications.get((tenant_id.lower(), client_id.lower()))

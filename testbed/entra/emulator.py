"""The emulator as a whole: four TLS servers, for login, Graph, issuers and ARM, with one authority, clock and log."""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from testbed.entra.access_token import AccessTokens
from testbed.entra.api import Api, ApiService
from testbed.entra.arm.description import description
from testbed.entra.arm.service import Arm
from testbed.entra.clock import Clock
from testbed.entra.clouds import Place, place
from testbed.entra.directory import SUBSCRIPTION, TENANT_ID, Application, Directory, Tenant
from testbed.entra.faults import Cut, Fault, Faults, Site
from testbed.entra.graph import Graph, Maker
from testbed.entra.graph_api.context import Settings
from testbed.entra.issuer import Issuer, Issuers
from testbed.entra.keys import Keys
from testbed.entra.listening import ANY_PORT, Listening
from testbed.entra.login import TOKEN_PATH, Login
from testbed.entra.messages import Asked, Log
from testbed.entra.portal import PORTAL_APP_ID, PORTAL_HOST, Portal
from testbed.entra.principals import ADMINISTRATOR, AZURE_CLI, AZURE_CLI_SCOPES, User
from testbed.entra.server import Service
from testbed.entra.servers import Servers, certificate
from testbed.entra.token_endpoint import Behaviour, TokenEndpoint
from testbed.entra.user_sign_in import UserSignIn

__all__ = ["Entra", "Listening", "running"]


class Entra:
    """login.microsoftonline.com and graph.microsoft.com of one cloud, until `close`. See `testbed.entra` for its use.

    clock: where the time comes from. resources: resource URIs that exist in addition to Graph, Azure Resource Manager
    and Key Vault. apis: further APIs, for which the login server answers, too. refetch_after: see `Keys`. directory: an
    existing folder for `ca_file`. report: is called with each entry of the log.
    """

    def __init__(
        self,
        *,
        cloud: str = "public",
        clock: Callable[[], float] = time.time,
        listening: Listening = ANY_PORT,
        resources: Sequence[str] = (),
        apis: Sequence[Api] = (),
        refetch_after: float = 300.0,
        directory: Path | None = None,
        report: Callable[[Asked], None] | None = None,
    ) -> None:
        self.clock = Clock(clock)
        others = [PORTAL_APP_ID, *resources, *(uri for api in apis for uri in api.audiences)]
        self.place: Place = place(cloud, resources=others)
        self.behaviour, self.settings = Behaviour(), Settings()
        self.directory = Directory(self.clock, self.place.audience)
        self.access_tokens = AccessTokens(self.clock, cloud=cloud)
        self.users = UserSignIn(self.place, self.directory, self.access_tokens, self.clock)
        self._log, self._faults = Log(report), Faults(self.clock)
        self._issuers = Issuers(clock=self.clock, audience=self.place.audience)
        self._graph = Graph(self.place, self.directory, self.access_tokens, self.clock, self.settings)
        self.arm = Arm(self.place, self.directory, self.access_tokens, self.settings, self._description)
        with contextlib.ExitStack() as stack:
            folder = directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entra-")))
            self.ca_file = folder / "ca.pem"
            context = certificate(self.ca_file, listening, self.place, apis)
            self.keys = Keys(self.clock, ca_file=self.ca_file, refetch_after=refetch_after)
            self._start(Servers(listening, context, self._faults, self._log, self._skewed, stack), apis)
            self._stack = stack.pop_all()
        self.issuer = self.add_issuer()

    def _start(self, servers: Servers, apis: Sequence[Api]) -> None:
        """Starts the servers for login, Graph, issuers and ARM."""
        graph, arm = self.place.graph_hosts, self.place.arm_host
        # If all names lead to one address, as they do with hostAliases, login's port answers for them, too.
        others: dict[str, tuple[Site, Service]] = dict.fromkeys(graph, ("graph", self._graph))
        others[arm] = ("arm", self.arm)
        others[PORTAL_HOST] = ("api", Portal(self.directory, self.access_tokens, self.clock))
        others |= {api.host: ("api", ApiService(api, self.access_tokens)) for api in apis}
        tokens = TokenEndpoint(
            place=self.place,
            directory=self.directory,
            keys=self.keys,
            tokens=self.access_tokens,
            clock=self.clock,
            behaviour=self.behaviour,
            users=self.users,
        )
        self.login_server = servers.start("login", Login(tokens), others)
        self.graph_server = servers.start("graph", self._graph)
        self.issuer_server = replace(servers, date=self.clock).start("issuer", self._issuers)
        self.arm_server = servers.start("arm", self.arm)
        tokens.own |= {self.graph: f"https://{graph[0]}", self.arm_url: f"https://{arm}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Addresses

    @property
    def login(self) -> str:
        """The authority's URL, with the closing slash that the SDKs write."""
        return f"https://localhost:{self.login_server.port}/"

    @property
    def graph(self) -> str:
        """The root of Graph, without version."""
        return f"https://localhost:{self.graph_server.port}"

    @property
    def arm_url(self) -> str:
        """The root of Azure Resource Manager."""
        return f"https://localhost:{self.arm_server.port}"

    @property
    def graph_scope(self) -> str:
        """The scope for Graph, which names the cloud's resource and not the emulator's address."""
        return f"https://{self.place.graph_host}/.default"

    @property
    def routes(self) -> Mapping[str, tuple[str, int]]:
        """For `testbed.entra.proxy`: the names of the cloud's real servers, and the addresses that stand for them."""
        login = ("127.0.0.1", self.login_server.port)
        graph = ("127.0.0.1", self.graph_server.port)
        return {
            **{f"{host}:443": login for host in self.place.login_hosts},
            **{f"{host}:443": graph for host in self.place.graph_hosts},
            f"{self.place.arm_host}:443": ("127.0.0.1", self.arm_server.port),
            f"{PORTAL_HOST}:443": login,
        }

    def environment(self, application: Application, *, token_file: Path | str) -> dict[str, str]:
        """The variables that the webhook injects for `application`, with this emulator as a trusted authority."""
        return {
            "AZURE_CLIENT_ID": application.client_id,
            "AZURE_TENANT_ID": application.tenant_id,
            "AZURE_AUTHORITY_HOST": self.login,
            "AZURE_FEDERATED_TOKEN_FILE": str(token_file),
            "M365_CLIENT_ID": application.client_id,
            "M365_TENANT_ID": application.tenant_id,
            "M365_AUTH_METHOD": "workload_identity",
            "M365_CLOUD": self.place.cloud,
            "SSL_CERT_FILE": str(self.ca_file),
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
        }

    # What Entra knows

    def application(
        self,
        *,
        client_id: str | None = None,
        tenant_id: str = TENANT_ID,
        name: str = "terraform",
        roles: Iterable[str] = (),
        disabled: bool = False,
        public: bool = False,
    ) -> Application:
        """Registers an application without credentials, with app roles of Graph, and its tenant if that is new."""
        return self.directory.add_application(
            client_id=client_id, tenant_id=tenant_id, name=name, roles=roles, disabled=disabled, public=public
        )

    def user(self, name: str = "admin@contoso.onmicrosoft.com", *, roles: Iterable[str] = (ADMINISTRATOR,)) -> User:
        """Registers a user with directory roles, such as "Application Administrator"; without roles, a plain member."""
        return self.directory.add_user(name, roles=roles)

    def managed_identity(
        self, name: str, *, group: str = "identities", subscription: str = SUBSCRIPTION
    ) -> Application:
        """Registers a user-assigned managed identity, which is an application to login."""
        return self.directory.add_managed_identity(name, group=group, subscription=subscription)

    def token(self, who: Application | User, *, on: Literal["graph", "arm"] = "graph") -> str:
        """An access token without a sign-in. A user has it from the Azure CLI, with that client's scopes."""
        host = self.place.graph_host if on == "graph" else self.place.arm_host
        audience, lifetime = f"https://{host}", self.behaviour.token_lifetime
        if isinstance(who, Application):
            is_graph = on == "graph"
            return self.access_tokens.issue(who, audience=audience, lifetime=lifetime, is_graph=is_graph, is_cae=False)
        return self.access_tokens.issue_to_user(
            who, client_id=AZURE_CLI, audience=audience, lifetime=lifetime, scopes=AZURE_CLI_SCOPES, is_cae=False
        )

    def tenant(
        self,
        tenant_id: str = TENANT_ID,
        *,
        name: str = "Contoso",
        domains: Sequence[str] = (),
        cloud: str = "",
        code: int = 90038,
    ) -> Tenant:
        """Registers a tenant. If it is of another `cloud`, requests are refused with `code` (some report 900382)."""
        return self.directory.add_tenant(Tenant(tenant_id, name, tuple(domains), cloud, code))

    def serve(self, path: str, content: Maker | list[Any] | Mapping[str, Any], *, roles: Iterable[str] = ()) -> None:
        """Has Graph serve something more under `path` ("/users"), for tokens with one of `roles`."""
        self._graph.serve(path, content, roles=roles)

    # Issuers

    def add_issuer(self, path: str = "") -> Issuer:
        """Adds an issuer to the issuer's server. Its URL ends in `path`, such as "/a/" with the slash of AKS."""
        return self._issuers.add(f"https://localhost:{self.issuer_server.port}{path}")

    def trust_jwks(self, issuer_url: str, jwks: Mapping[str, Any]) -> None:
        """Sets the keys of an issuer, whose documents are then not fetched."""
        self.keys.trust_jwks(issuer_url, jwks)

    def fetch_from(self, issuer: str, base_url: str, ca: Path | None = None, *, token: str = "") -> None:
        """Has the documents of `issuer` fetched at `base_url`, such as a kube-apiserver's address."""
        self.keys.fetch_from(issuer, base_url, ca_file=ca, token=token)

    # Faults

    def next(
        self,
        on: Site = "login",
        *,
        at: str | None = None,
        method: str = "",
        times: int | None = 1,
        lasting: float | None = None,
        status: int | None = None,
        code: int | str | None = None,
        retry_after: float | str | None = None,
        slow: float | None = None,
        hang: bool = False,
        cut: Cut | None = None,
        body: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Fault:
        """Makes the next `times` requests of `method` whose path contains `at` go wrong (None: all until `clear`).

        Without `at` these are the requests for tokens at login, and all requests elsewhere. With `lasting`, the fault
        ends when the clock has moved by so many seconds, and Retry-After says so.

        status, code: this answer instead of the true one, with the body that the site has for it. At login, `code`
          is an AADSTS number, which has a status of its own; at Graph, Graph's code.
        retry_after, headers: added to the answer. body, content_type: instead of the answer's own.
        slow: waits so many seconds (math.inf: until `release`). hang: waits until `release`, and ends the connection.
        cut: the connection ends before TLS ("handshake"; a connection counts, not a request, and `at` is ignored),
          instead of an "answer", in the middle of the "headers" (which Python's http.client takes for an empty answer)
          or of the "body", or with a TCP "reset" (to Python's ssl an end like any other).

        Each request meets the first fault that matches it.
        """
        where = (TOKEN_PATH if on == "login" else "") if at is None else at
        return self._faults.add(
            on,
            Fault(
                at="" if cut == "handshake" else where,
                method=method,
                status=status,
                code=code,
                retry_after=retry_after,
                slow=slow,
                is_hanging=hang,
                cut=cut,
                body=body,
                content_type=content_type,
                headers=dict(headers or {}),
                left=math.inf if times is None or lasting is not None else times,
                ends_at=math.inf if lasting is None else self.clock() + lasting,
            ),
        )

    def clear(self, *sites: Site) -> None:
        """Removes the faults of these sites, or of all sites. Requests that wait in them go on."""
        if sites:
            self._faults.clear(sites)
        else:
            self._faults.clear()

    # The log of requests

    @property
    def requests(self) -> Sequence[Asked]:
        """All requests so far, in the order of the answers."""
        return self._log.entries()

    @property
    def exchanges(self) -> Sequence[Asked]:
        """The requests for tokens."""
        return [asked for asked in self.requests if asked.on == "login" and asked.path.endswith(TOKEN_PATH)]

    @property
    def calls(self) -> Sequence[Asked]:
        """The requests to Graph."""
        return [asked for asked in self.requests if asked.on == "graph"]

    def forget_requests(self) -> None:
        """Empties the log."""
        self._log.clear()

    def wait_for(self, enough: Callable[[Sequence[Asked]], bool], *, timeout: float = 10.0) -> Sequence[Asked]:
        """Waits until `enough` is true of the log. Raises TimeoutError after `timeout` seconds."""
        return self._log.wait_for(enough, timeout=timeout)

    def close(self) -> None:
        """Stops everything. Raises an error that happened inside the emulator itself."""
        self._faults.clear()
        self._stack.close()

    def _description(self, host: str) -> Mapping[str, Any]:
        """The cloud, with Microsoft's names for who asks by such a name, and else with the emulator's addresses."""
        if host.partition(":")[0] == self.place.arm_host:
            names = (self.place.login_host, self.place.graph_host, self.place.arm_host)
            login, graph, arm = (f"https://{name}" for name in names)
            return description(self.place, login=login, graph=graph, arm=arm)
        return description(self.place, login=self.login, graph=self.graph, arm=self.arm_url)

    def _skewed(self) -> float:
        return self.clock() + self.behaviour.date_skew


@contextlib.contextmanager
def running(**options: Any) -> Iterator[Entra]:
    """An emulator for the time of the block; the options are those of `Entra`."""
    with Entra(**options) as entra:
        yield entra

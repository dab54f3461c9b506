"""A tenant for the commands that sign in to Entra: the emulator behind Microsoft's names, which trusts a cluster."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from testbed.cluster.cluster import Cluster
from testbed.cluster.control_plane import ISSUER
from testbed.entra.directory import TENANT_ID, Application
from testbed.entra.emulator import Entra, running
from testbed.entra.proxy import proxying
from tests.commands.live import Ran, run

ADMINISTRATOR = ("Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "Organization.Read.All")
DEVELOPER = ("Application.ReadWrite.OwnedBy",)


@dataclass(frozen=True)
class Tenant:
    """An emulator, the cluster that it trusts, and the variables by which programs reach it under Microsoft's names."""

    entra: Entra
    cluster: Cluster
    environ: Mapping[str, str]

    def caller(self, *roles: str, name: str = "pipeline") -> dict[str, str]:
        """The variables of a service principal that signs in with a secret, and has these roles of Graph.

        It may write managed identities.
        """
        caller = self.entra.application(roles=roles, name=name)
        self.entra.arm.access.grant(caller)
        return {
            "AZURE_CLIENT_ID": caller.client_id,
            "AZURE_TENANT_ID": caller.tenant_id,
            "AZURE_CLIENT_SECRET": caller.add_secret(),
        }

    def run(self, *arguments: str, caller: Mapping[str, str]) -> Ran:
        """The command in this process."""
        return run(*arguments, environ={**self.environ, **caller})

    def named(self, name: str) -> list[Application]:
        """The applications whose names begin so."""
        return [each for each in self.entra.directory.applications(TENANT_ID) if each.name.startswith(name)]


@contextlib.contextmanager
def tenant(cluster: Cluster, **options: Any) -> Iterator[Tenant]:
    """A tenant whose token endpoint has the keys of the cluster."""
    with running(**options) as entra, proxying(routes=entra.routes) as proxy:
        entra.trust_jwks(ISSUER, cluster.api.get("/openid/v1/jwks").expect().json)
        environ = {
            "KUBECONFIG": str(cluster.kubeconfig),
            "HTTPS_PROXY": proxy.url,
            "NO_PROXY": "127.0.0.1,localhost",
            "SSL_CERT_FILE": str(entra.ca_file),
        }
        yield Tenant(entra, cluster, environ)

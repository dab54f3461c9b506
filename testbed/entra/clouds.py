"""The hosts and resources of an emulator's cloud."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from testbed.entra.access_token import GRAPH_APP_ID
from webhook.core.clouds import CLOUDS

__all__ = ["GUID", "OIDC_SCOPES", "Place", "place"]

GUID: Final = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

OIDC_SCOPES: Final = ("openid", "offline_access", "profile", "email")

_INSTANCES: Final[Sequence[Mapping[str, Any]]] = (
    {
        "preferred_network": "login.microsoftonline.com",
        "preferred_cache": "login.windows.net",
        "aliases": ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    },
    {
        "preferred_network": "login.partner.microsoftonline.cn",
        "preferred_cache": "login.partner.microsoftonline.cn",
        "aliases": ["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    },
    {
        "preferred_network": "login.microsoftonline.us",
        "preferred_cache": "login.microsoftonline.us",
        "aliases": ["login.microsoftonline.us", "login.usgovcloudapi.net"],
    },
)

_AZURE: Final = {
    "login.microsoftonline.com": (
        "https://management.core.windows.net",
        "https://vault.azure.net",
    ),
    "login.microsoftonline.us": (
        "https://management.core.usgovcloudapi.net",
        "https://vault.usgovcloudapi.net",
    ),
    "login.chinacloudapi.cn": (
        "https://management.core.chinacloudapi.cn",
        "https://vault.azure.cn",
    ),
}
"""Further resources of Azure by the cloud's login: the older name of Azure Resource Manager, and Key Vault."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One cloud. `login_hosts` and `graph_hosts` have the usual name first; `audience` is that of credentials."""

    cloud: str
    audience: str
    login_hosts: tuple[str, ...]
    graph_hosts: tuple[str, ...]
    graph_audiences: frozenset[str]
    arm_host: str
    arm_audiences: frozenset[str]
    resources: frozenset[str]
    instances: Sequence[Mapping[str, Any]]

    @property
    def login_host(self) -> str:
        """The usual name of login."""
        return self.login_hosts[0]

    @property
    def graph_host(self) -> str:
        """The usual name of Graph."""
        return self.graph_hosts[0]


def place(cloud: str, *, resources: Sequence[str] = ()) -> Place:
    """The cloud of this name in M365_CLOUD. `resources` exist there in addition to Graph and Azure Resource Manager.

    Raises KeyError for an unknown cloud. Both addresses of the US Government's Graph are one resource, because the
    provider asks for one of them and means the other.
    """
    known = CLOUDS[cloud]
    login = urlsplit(known.authority).hostname or ""
    graph = urlsplit(known.graph).hostname or ""
    aliases = next((entry["aliases"] for entry in _INSTANCES if login in entry["aliases"]), [login])
    graphs = (graph, *(host for host in ("graph.microsoft.us", "dod-graph.microsoft.us") if host != graph))
    graph_hosts = graphs if graph.endswith("graph.microsoft.us") else (graph,)
    audiences = {f"https://{host}{slash}" for host in graph_hosts for slash in ("", "/")} | {GRAPH_APP_ID}
    azure = (known.resource_manager, *_AZURE.get(login, ()))
    others = {f"{uri}{slash}" for uri in (*azure, *resources) for slash in ("", "/")}
    return Place(
        cloud=cloud,
        audience=known.audience,
        login_hosts=(login, *(alias for alias in aliases if alias != login)),
        graph_hosts=graph_hosts,
        graph_audiences=frozenset(audiences),
        arm_host=urlsplit(azure[0]).hostname or "",
        arm_audiences=frozenset(f"{uri}{slash}" for uri in azure[:2] for slash in ("", "/")),
        resources=frozenset(audiences | others),
        instances=_INSTANCES,
    )

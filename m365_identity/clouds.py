"""The Microsoft clouds, in one table: where to sign in, where Graph is, and what the token's audience must be.

The values are those of the webhook; a test keeps the two tables equal, since neither part imports the other.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

__all__ = ["CLOUDS", "Cloud", "cloud_of"]


@dataclass(frozen=True)
class Cloud:
    """One cloud: its name in M365_CLOUD, and what depends on it.

    authority: the login host as the Azure SDKs spell it, with the closing slash. graph: the root of Microsoft Graph.
    audience: what a federated identity credential of this cloud expects in the token's `aud`.
    """

    name: str
    authority: str
    graph: str
    audience: str


_PUBLIC: Final = "https://login.microsoftonline.com/"
_US: Final = "https://login.microsoftonline.us/"

CLOUDS: Final = {
    cloud.name: cloud
    for cloud in (
        Cloud("public", _PUBLIC, "https://graph.microsoft.com", "api://AzureADTokenExchange"),
        Cloud("gcc", _PUBLIC, "https://graph.microsoft.com", "api://AzureADTokenExchange"),
        Cloud("gcchigh", _US, "https://graph.microsoft.us", "api://AzureADTokenExchangeUSGov"),
        Cloud("dod", _US, "https://dod-graph.microsoft.us", "api://AzureADTokenExchangeUSGov"),
        Cloud(
            "china",
            "https://login.chinacloudapi.cn/",
            "https://microsoftgraph.chinacloudapi.cn",
            "api://AzureADTokenExchangeChina",
        ),
        Cloud(
            "ex",
            "https://login.microsoftonline.eaglex.ic.gov/",
            "https://graph.eaglex.ic.gov",
            "api://AzureADTokenExchangeUSNat",
        ),
        Cloud(
            "rx",
            "https://login.microsoftonline.microsoft.scloud/",
            "https://graph.microsoft.scloud",
            "api://AzureADTokenExchangeUSSec",
        ),
    )
}

# Other names of the same login hosts.
_ALIASES: Final = {
    "login.microsoft.com": "public",
    "login.windows.net": "public",
    "sts.windows.net": "public",
    "login.usgovcloudapi.net": "gcchigh",
    "login.partner.microsoftonline.cn": "china",
}


def cloud_of(authority: str) -> Cloud | None:
    """The cloud that signs in at `authority`, a URL or a host; None for a host that no cloud is known by, or for none.

    Where two clouds share a login host, the commoner one: public rather than gcc, gcchigh rather than dod.
    """
    host = _host(authority)
    if host in _ALIASES:
        return CLOUDS[_ALIASES[host]]
    return next((cloud for cloud in CLOUDS.values() if _host(cloud.authority) == host), None)


def _host(authority: str) -> str:
    try:
        return (urlsplit(authority if "//" in authority else f"https://{authority}").hostname or "").lower()
    except ValueError:  # as of "https://[login": it is for the settings to tell
        return ""

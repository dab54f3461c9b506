"""The Microsoft clouds that the provider knows, in one table. `ex` is USNat and `rx` USSec in other tools.

`gcc` stands apart: the provider sends its tenants to the US Government's Graph, although Microsoft serves them from the
public endpoints, so it is allowed and warned about.
"""

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Cloud:
    """One cloud: its name in M365_CLOUD, and what depends on it.

    authority: the login host as the Azure SDKs spell it, with the closing slash. graph: the root of Microsoft Graph.
    audience: what a federated identity credential of this cloud expects in the token's `aud`. resource_manager: the
    root of Azure Resource Manager. arm: its name in ARM_ENVIRONMENT. python: its name in Azure's Python tools, so in
    AZURE_CLOUD_ENVIRONMENT and `az cloud set`. Both are "" if the tools that read them do not know the cloud.
    """

    name: str
    authority: str = field(hash=False)
    graph: str = field(hash=False)
    audience: str = field(hash=False)
    resource_manager: str = field(hash=False)
    arm: str = field(default="", hash=False)
    python: str = field(default="", hash=False)


_PUBLIC: Final = "https://login.microsoftonline.com/"
_US: Final = "https://login.microsoftonline.us/"
_PUBLIC_AUDIENCE: Final = "api://AzureADTokenExchange"
_US_AUDIENCE: Final = "api://AzureADTokenExchangeUSGov"
_PUBLIC_ARM: Final = "https://management.azure.com"
_US_ARM: Final = "https://management.usgovcloudapi.net"

# Audiences: public, US Government and China as Microsoft documents them, USNat and USSec as its own tools spell them.
CLOUDS: Final = {
    cloud.name: cloud
    for cloud in (
        Cloud("public", _PUBLIC, "https://graph.microsoft.com", _PUBLIC_AUDIENCE, _PUBLIC_ARM, "public", "AzureCloud"),
        Cloud("gcc", _PUBLIC, "https://graph.microsoft.com", _PUBLIC_AUDIENCE, _PUBLIC_ARM, "public", "AzureCloud"),
        Cloud("gcchigh", _US, "https://graph.microsoft.us", _US_AUDIENCE, _US_ARM, "usgovernment", "AzureUSGovernment"),
        Cloud("dod", _US, "https://dod-graph.microsoft.us", _US_AUDIENCE, _US_ARM, "dod", "AzureUSGovernment"),
        Cloud(
            "china",
            "https://login.chinacloudapi.cn/",
            "https://microsoftgraph.chinacloudapi.cn",
            "api://AzureADTokenExchangeChina",
            "https://management.chinacloudapi.cn",
            "china",
            "AzureChinaCloud",
        ),
        Cloud(
            "ex",
            "https://login.microsoftonline.eaglex.ic.gov/",
            "https://graph.eaglex.ic.gov",
            "api://AzureADTokenExchangeUSNat",
            "https://management.azure.eaglex.ic.gov",
        ),
        Cloud(
            "rx",
            "https://login.microsoftonline.microsoft.scloud/",
            "https://graph.microsoft.scloud",
            "api://AzureADTokenExchangeUSSec",
            "https://management.azure.microsoft.scloud",
        ),
    )
}

UNKNOWN_TO_PROVIDER: Final = frozenset({"ex", "rx"})
"""Clouds whose Graph is not on the list of the provider's SDK: it asks for no token there, and sends none."""

"""How Azure Resource Manager describes its cloud to clients: /metadata/endpoints?api-version=2022-09-01."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from testbed.entra.clouds import Place

__all__ = ["description"]

_SUFFIXES: Final = {
    "keyVaultDns": "vault.azure.net",
    "sqlServerHostname": "database.windows.net",
    "storage": "core.windows.net",
    "acrLoginServer": "azurecr.io",
    "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
    "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
    "mhsmDns": "managedhsm.azure.net",
    "mysqlServerEndpoint": "mysql.database.azure.com",
    "postgresqlServerEndpoint": "postgres.database.azure.com",
    "mariadbServerEndpoint": "mariadb.database.azure.com",
    "synapseAnalytics": "dev.azuresynapse.net",
}


def description(place: Place, *, login: str, graph: str, arm: str) -> Mapping[str, Any]:
    """A cloud whose endpoints are those of the emulator: `az cloud register` needs only the address of ARM."""
    return {
        "name": "AzureCloud",
        "portal": "https://portal.azure.com",
        "authentication": {
            "loginEndpoint": login.rstrip("/"),
            "audiences": [arm, f"https://{place.arm_host}"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": f"{arm}/",
        "microsoftGraphResourceId": f"{graph}/",
        "graph": graph,
        "graphAudience": graph,
        "gallery": arm,
        "batch": arm,
        "media": arm,
        "sqlManagement": arm,
        "vmImageAliasDoc": f"{arm}/images",
        "activeDirectoryDataLake": arm,
        "suffixes": _SUFFIXES,
    }

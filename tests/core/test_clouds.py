"""The table of clouds, spelt out once more: it decides where secrets are exchanged."""

import dataclasses

import pytest

from webhook.core.clouds import CLOUDS

US_GRAPH = "https://graph.microsoft.us"
PUBLIC_GRAPH = "https://graph.microsoft.com"
CHINA_GRAPH = "https://microsoftgraph.chinacloudapi.cn"


@pytest.mark.parametrize(
    ("name", "authority", "graph", "audience"),
    [
        ("public", "https://login.microsoftonline.com/", PUBLIC_GRAPH, "api://AzureADTokenExchange"),
        ("gcc", "https://login.microsoftonline.com/", PUBLIC_GRAPH, "api://AzureADTokenExchange"),
        ("gcchigh", "https://login.microsoftonline.us/", US_GRAPH, "api://AzureADTokenExchangeUSGov"),
        (
            "dod",
            "https://login.microsoftonline.us/",
            "https://dod-graph.microsoft.us",
            "api://AzureADTokenExchangeUSGov",
        ),
        ("china", "https://login.chinacloudapi.cn/", CHINA_GRAPH, "api://AzureADTokenExchangeChina"),
        (
            "ex",
            "https://login.microsoftonline.eaglex.ic.gov/",
            "https://graph.eaglex.ic.gov",
            "api://AzureADTokenExchangeUSNat",
        ),
        (
            "rx",
            "https://login.microsoftonline.microsoft.scloud/",
            "https://graph.microsoft.scloud",
            "api://AzureADTokenExchangeUSSec",
        ),
    ],
)
def test_a_cloud_is_where_microsoft_says(name: str, authority: str, graph: str, audience: str) -> None:
    """Login host, Graph and audience of each cloud are what Microsoft and the provider document."""
    assert dataclasses.astuple(CLOUDS[name])[:4] == (name, authority, graph, audience)


def test_a_cloud_has_the_names_that_other_tools_give_it() -> None:
    """go-azure-sdk's FromName for ARM_ENVIRONMENT, azure-cli-core's clouds for AZURE_CLOUD_ENVIRONMENT."""
    assert {cloud.name: (cloud.arm, cloud.python) for cloud in CLOUDS.values()} == {
        "public": ("public", "AzureCloud"),
        "gcc": ("public", "AzureCloud"),
        "gcchigh": ("usgovernment", "AzureUSGovernment"),
        "dod": ("dod", "AzureUSGovernment"),
        "china": ("china", "AzureChinaCloud"),
        "ex": ("", ""),
        "rx": ("", ""),
    }


def test_each_cloud_has_the_resource_manager_that_azure_cli_knows() -> None:
    """azure-cli-core's clouds; of the last two, the endpoints that Microsoft's own tools have for USNat and USSec."""
    assert {cloud.name: cloud.resource_manager for cloud in CLOUDS.values()} == {
        "public": "https://management.azure.com",
        "gcc": "https://management.azure.com",
        "gcchigh": "https://management.usgovcloudapi.net",
        "dod": "https://management.usgovcloudapi.net",
        "china": "https://management.chinacloudapi.cn",
        "ex": "https://management.azure.eaglex.ic.gov",
        "rx": "https://management.azure.microsoft.scloud",
    }


def test_there_are_the_clouds_that_the_provider_knows() -> None:
    """M365_CLOUD takes these seven values, and messages list them in this order."""
    assert list(CLOUDS) == ["public", "gcc", "gcchigh", "dod", "china", "ex", "rx"]


def test_an_authority_ends_with_a_slash_and_a_graph_does_not() -> None:
    """The SDKs join the tenant to the one and a path to the other."""
    assert all(cloud.authority.endswith("/") and not cloud.graph.endswith("/") for cloud in CLOUDS.values())

"""The table of clouds is the webhook's, which it must not import."""

import dataclasses

import pytest

from m365_identity.clouds import CLOUDS, cloud_of
from m365_identity.settings import graph_root, graph_scope, settings
from webhook.core import clouds

TENANT = "11111111-2222-4333-8444-555555555555"


def test_the_clouds_are_those_of_the_webhook() -> None:
    """Name for name and in the same order: the webhook sets M365_CLOUD, and this reads it.

    The webhook knows more of each cloud, which variables of other tools need.
    """
    ours = [dataclasses.asdict(cloud) for cloud in CLOUDS.values()]
    fields = ours[0].keys()
    theirs = [dataclasses.asdict(cloud) for cloud in clouds.CLOUDS.values()]
    assert ours == [{name: cloud[name] for name in fields} for cloud in theirs]


@pytest.mark.parametrize(
    ("name", "authority", "graph"),
    [
        ("public", "https://login.microsoftonline.com/", "https://graph.microsoft.com"),
        ("gcc", "https://login.microsoftonline.com/", "https://graph.microsoft.com"),
        ("gcchigh", "https://login.microsoftonline.us/", "https://graph.microsoft.us"),
        ("dod", "https://login.microsoftonline.us/", "https://dod-graph.microsoft.us"),
        ("china", "https://login.chinacloudapi.cn/", "https://microsoftgraph.chinacloudapi.cn"),
        ("ex", "https://login.microsoftonline.eaglex.ic.gov/", "https://graph.eaglex.ic.gov"),
        ("rx", "https://login.microsoftonline.microsoft.scloud/", "https://graph.microsoft.scloud"),
    ],
)
def test_a_cloud_has_its_login_host_and_its_graph(name: str, authority: str, graph: str) -> None:
    """All seven, as Microsoft's tables of national clouds have them: the scope is that of the Graph that is called.

    Terraform's provider asks for the L4 scope in the DoD cloud, https://graph.microsoft.us/.default, and then calls L5.
    """
    environ = {
        "M365_CLOUD": name,
        "M365_TENANT_ID": TENANT,
        "M365_CLIENT_ID": TENANT,
        "M365_OIDC_TOKEN_FILE_PATH": "/t",
    }
    known = settings(environ=environ)
    assert (known.authority, known.graph, known.scope) == (authority, graph, f"{graph}/.default")
    assert (graph_scope(environ=environ), graph_root(environ=environ)) == (f"{graph}/.default", graph)
    assert (graph_scope(name), graph_root(name)) == (f"{graph}/.default", graph)


def test_no_cloud_is_left_out_above() -> None:
    """Seven names, as M365_CLOUD takes them."""
    assert list(CLOUDS) == ["public", "gcc", "gcchigh", "dod", "china", "ex", "rx"]


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("https://login.microsoftonline.com/", "public"),
        ("https://login.microsoftonline.com", "public"),
        ("login.microsoftonline.com", "public"),
        ("HTTPS://Login.MicrosoftOnline.com/", "public"),
        ("https://login.windows.net", "public"),
        ("https://login.microsoftonline.us/", "gcchigh"),
        ("https://login.usgovcloudapi.net/", "gcchigh"),
        ("https://login.chinacloudapi.cn/", "china"),
        ("https://login.partner.microsoftonline.cn/", "china"),
        ("https://login.microsoftonline.eaglex.ic.gov/", "ex"),
        ("https://login.microsoftonline.microsoft.scloud/", "rx"),
    ],
)
def test_a_login_host_tells_the_cloud(authority: str, name: str) -> None:
    """In every spelling, by its older names too; of two clouds with one host, the commoner."""
    cloud = cloud_of(authority)
    assert cloud is not None
    assert cloud.name == name


@pytest.mark.parametrize(
    "authority",
    [
        "",
        "https://localhost:8443/",
        "https://login.microsoftonline.com.evil.example/",
        "https://[login",
        "https://[::1]x/",
        "//",
    ],
)
def test_another_host_has_no_cloud(authority: str) -> None:
    """Also one that begins like a known one, and text that is not an address."""
    assert cloud_of(authority) is None

"""The table of clouds is the webhook's, which it must not import."""

import dataclasses

import pytest

from m365_identity.clouds import CLOUDS, cloud_of
from webhook import clouds


def test_the_clouds_are_those_of_the_webhook() -> None:
    """Name for name and in the same order: the webhook sets M365_CLOUD, and this reads it."""
    ours = [dataclasses.astuple(cloud) for cloud in CLOUDS.values()]
    assert ours == [dataclasses.astuple(cloud) for cloud in clouds.CLOUDS.values()]


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
    "authority", ["", "https://localhost:8443/", "https://login.microsoftonline.com.evil.example/"]
)
def test_another_host_is_no_cloud(authority: str) -> None:
    """Nor is one that begins like a known one."""
    assert cloud_of(authority) is None

"""The families of variables and the tools that read them."""

import pytest

from tests.core.cases import CLIENT, TENANT
from tests.core.support import container, identity
from webhook.core.clouds import CLOUDS
from webhook.core.families import DEFAULT_FAMILIES, FAMILIES, TOOLS, VARIABLES, left_without, parse
from webhook.core.names import IDENTITY_ENDPOINT_VARIABLE, IDENTITY_HEADER_VARIABLE, TOKEN_ENDPOINT_CONTAINER
from webhook.core.variables import missing

FILE = "/var/run/secrets/azure/tokens/azure-identity-token"
OTHER_CLIENT = "33333333-3333-4333-8333-333333333333"


def injected(*families: str, **fields: object) -> dict[str, str]:
    """The variables of these families, without the one that comes with every family."""
    found = missing(identity(families=families, **fields), container(), FILE).variables
    assert found[0].name == "AZURE_FEDERATED_TOKEN_FILE"
    return {each.name: each.value for each in found[1:]}


def test_the_families_are_those_of_the_annotation() -> None:
    """In the order of injection; messages list them so."""
    assert list(FAMILIES) == ["m365", "azure", "arm", "powerplatform", "cli", "ansible"]
    assert DEFAULT_FAMILIES == ("m365", "azure")


def test_each_family_gives_what_its_tools_read() -> None:
    """Literal names and values: what azuread, Power Platform, the CLI for Microsoft 365 and Ansible read."""
    assert injected("arm") == {
        "ARM_CLIENT_ID": CLIENT,
        "ARM_TENANT_ID": TENANT,
        "ARM_USE_OIDC": "true",
        "ARM_OIDC_TOKEN_FILE_PATH": FILE,
        "ARM_ENVIRONMENT": "public",
    }
    assert injected("powerplatform") == {
        "POWER_PLATFORM_CLIENT_ID": CLIENT,
        "POWER_PLATFORM_TENANT_ID": TENANT,
        "POWER_PLATFORM_USE_OIDC": "true",
        "ARM_OIDC_TOKEN_FILE_PATH": FILE,
        "POWER_PLATFORM_CLOUD": "public",
        # Its provider does not start without these two, and asks nobody at that address.
        "ARM_OIDC_REQUEST_TOKEN": "unused",
        "ARM_OIDC_REQUEST_URL": "http://127.0.0.1:1/unused",
    }
    assert injected("cli") == {"CLIMICROSOFT365_ENTRAAPPID": CLIENT, "CLIMICROSOFT365_TENANT": TENANT}
    assert injected("ansible") == {
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_TENANT": TENANT,
        "AZURE_CLOUD_ENVIRONMENT": "AzureCloud",
    }


def test_all_families_together_repeat_no_variable() -> None:
    """Two of them share the path of the token, two the client id."""
    found = [each.name for each in missing(identity(families=tuple(FAMILIES)), container(), FILE).variables]
    assert len(found) == len(set(found))
    assert set(found) <= {"AZURE_FEDERATED_TOKEN_FILE", *VARIABLES}


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("m365", CLIENT),
        ("azure", OTHER_CLIENT),
        ("arm", OTHER_CLIENT),
        ("powerplatform", CLIENT),
        ("cli", CLIENT),
        ("ansible", OTHER_CLIENT),
    ],
)
def test_a_family_signs_in_as_its_application(family: str, expected: str) -> None:
    """That of Azure or that of Microsoft 365, if there are two."""
    assert injected(family, azure_client_id=OTHER_CLIENT)[FAMILIES[family].client] == expected


def test_arm_is_content_with_the_application_of_microsoft_365() -> None:
    """azuread manages Entra, so there need not be another."""
    found = injected("arm", azure_client_id="", azure_tenant_id="")
    assert (found["ARM_CLIENT_ID"], found["ARM_TENANT_ID"]) == (CLIENT, TENANT)


def test_no_tool_is_told_a_cloud_that_it_does_not_know() -> None:
    """An empty ARM_ENVIRONMENT would be an error of its own."""
    cloud = CLOUDS["ex"]
    assert "ARM_ENVIRONMENT" not in injected("arm", cloud=cloud)
    assert "AZURE_CLOUD_ENVIRONMENT" not in injected("ansible", cloud=cloud)
    assert injected("powerplatform", cloud=cloud)["POWER_PLATFORM_CLOUD"] == "ex"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m365", ("m365",)),
        ("arm,m365", ("m365", "arm")),
        (" cli , ansible ", ("cli", "ansible")),
        ("arm,arm", ("arm",)),
    ],
)
def test_families_are_named_with_commas(text: str, expected: tuple[str, ...]) -> None:
    """In any order, with spaces, more than once."""
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", ",", "m365,", "ARM", "m365 azure", "m365;azure", "aws"])
def test_what_is_not_a_family_is_refused(text: str) -> None:
    """The message lists those that are."""
    with pytest.raises(ValueError, match="m365, azure, arm, powerplatform, cli, ansible"):
        parse(text)


@pytest.mark.parametrize(
    ("families", "expected"),
    [
        (("m365", "azure"), ()),
        (("azure",), ()),
        (("m365",), ("PnP PowerShell", "kubelogin", "Ansible")),
        (("m365", "arm"), ("PnP PowerShell", "kubelogin", "Ansible")),
        (("m365", "ansible"), ("PnP PowerShell", "kubelogin")),
    ],
)
def test_tools_that_read_azures_variables_only_are_known(families: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """They do not sign in without that family."""
    assert left_without(families) == expected


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_tool_reads_what_its_family_gives(tool: object) -> None:
    """So that no row promises a variable that no pod has."""
    assert isinstance(tool, tuple)
    row = next(each for each in TOOLS if each is tool)
    given = {"AZURE_FEDERATED_TOKEN_FILE", IDENTITY_ENDPOINT_VARIABLE, IDENTITY_HEADER_VARIABLE}
    assert set(row.variables) <= given | set(FAMILIES[row.family].variables)
    assert row.version
    assert row.source


def test_every_variable_has_a_tool_that_reads_it() -> None:
    """Otherwise it would be injected for nobody."""
    read = {(tool.family, name) for tool in TOOLS for name in tool.variables}
    assert all((name, each) in read for name, family in FAMILIES.items() for each in family.variables)


def test_a_helper_container_has_the_families_of_its_pod() -> None:
    """With the token endpoint, the CLI for Microsoft 365 has all that it needs."""
    found = missing(identity(families=("cli",), helpers=(TOKEN_ENDPOINT_CONTAINER,)), container(), FILE).variables
    assert [each.name for each in found[1:]] == [
        *("CLIMICROSOFT365_ENTRAAPPID", "CLIMICROSOFT365_TENANT", "IDENTITY_ENDPOINT", "IDENTITY_HEADER")
    ]

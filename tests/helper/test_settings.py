"""Settings: what wins, what is refused, and that everything is reported at once."""

import itertools
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m365_identity import CLOUDS, SettingsError, graph_root, graph_scope
from m365_identity.settings import Settings, settings
from tests.core.tenants import OTHERS, TENANTS

TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "66666666-7777-4888-9999-000000000000"
OTHER = "99999999-7777-4888-9999-000000000000"
ENVIRON = {"M365_TENANT_ID": TENANT, "M365_CLIENT_ID": CLIENT, "AZURE_FEDERATED_TOKEN_FILE": "/token"}


def problems(**environ: str) -> tuple[str, ...]:
    """The findings for this environment."""
    with pytest.raises(SettingsError) as caught:
        settings(environ=ENVIRON | environ)
    return caught.value.problems


def test_what_the_webhook_injects_is_enough() -> None:
    """The rest follows from the cloud, which is public where nothing is said."""
    assert settings(environ=ENVIRON) == Settings(
        tenant_id=TENANT,
        client_id=CLIENT,
        token_file=Path("/token"),
        cloud=CLOUDS["public"],
        authority="https://login.microsoftonline.com/",
        graph="https://graph.microsoft.com",
    )


@pytest.mark.parametrize(
    ("name", "variables", "values"),
    [
        ("tenant_id", ("M365_TENANT_ID", "AZURE_TENANT_ID"), (TENANT, OTHER, "contoso.com")),
        ("client_id", ("M365_CLIENT_ID", "AZURE_CLIENT_ID"), (CLIENT, OTHER, TENANT)),
        ("token_file", ("M365_OIDC_TOKEN_FILE_PATH", "AZURE_FEDERATED_TOKEN_FILE"), ("/a", "/b", "/c")),
        ("cloud", ("M365_CLOUD", "AZURE_CLOUD"), ("china", "gcchigh", "rx")),
    ],
)
def test_an_argument_comes_first_then_m365_then_azure(
    name: str, variables: tuple[str, str], values: tuple[str, str, str]
) -> None:
    """For every subset of the three places; white space does not count, neither alone nor around."""
    others = {key: value for key, value in ENVIRON.items() if key not in variables}
    rest = {"tenant_id": TENANT, "client_id": CLIENT, "token_file": "/token"}
    places = ("argument", *variables)
    for given_places in itertools.product((True, False), repeat=3):
        if not any(given_places):
            continue
        texts = [f" {value}\n" if there else " " for there, value in zip(given_places, values, strict=True)]
        environ = others | dict(zip(variables, texts[1:], strict=True))
        found = settings(environ=environ, **{**rest, name: texts[0]})
        winner = given_places.index(True)
        value = getattr(found, name)
        assert (value.name if name == "cloud" else str(value)) == values[winner]
        assert found.sources[name] == places[winner]


def test_every_problem_is_reported_at_once() -> None:
    """Three that are missing and two that are wrong, each with the name of its variable."""
    with pytest.raises(SettingsError) as caught:
        settings(environ={"M365_CLOUD": "azure", "AZURE_AUTHORITY_HOST": "http://login.example"})
    assert len(caught.value.problems) == 5
    assert not caught.value.missing
    text = str(caught.value)
    for name in (
        "M365_CLOUD",
        "AZURE_AUTHORITY_HOST",
        "M365_TENANT_ID",
        "AZURE_CLIENT_ID",
        "M365_OIDC_TOKEN_FILE_PATH",
    ):
        assert name in text


def test_settings_that_are_only_missing_are_marked() -> None:
    """A chain of credentials goes on then; it is a ValueError as well, for those who expect azure-identity's."""
    with pytest.raises(ValueError) as caught:
        settings(environ={})
    assert isinstance(caught.value, SettingsError)
    assert caught.value.missing


@pytest.mark.parametrize("text", TENANTS)
def test_a_tenant_is_what_the_webhook_takes_for_one(text: str) -> None:
    """The same list as in tests/core/test_identity.py."""
    assert settings(tenant_id=text, client_id=CLIENT, token_file="/token", environ={}).tenant_id == text


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("M365_CLIENT_ID", "contoso-app", "az ad app list --display-name contoso-app"),
        ("M365_CLIENT_ID", "a'; rm -rf /", "--display-name 'a'\"'\"'; rm -rf /'"),
        ("M365_TENANT_ID", "common", "expected the tenant's GUID or domain"),
        ("M365_TENANT_ID", "a b", 'M365_TENANT_ID is "a b"'),
        *(("M365_TENANT_ID", each, "the tenant's GUID or domain") for each in (*OTHERS, "-", "a.", ".a", "a/b")),
        ("M365_TENANT_ID", f"{'a.' * 127}aa", "the tenant's GUID or domain"),
        ("M365_CLOUD", "Public", "expected one of public, gcc, gcchigh, dod, china, ex, rx"),
        ("AZURE_CLOUD", "AzureCloud", 'AZURE_CLOUD is "AzureCloud"'),
        ("AZURE_AUTHORITY_HOST", "http://login.microsoftonline.com/", "expected the login host"),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/common", "expected the login host"),
        ("AZURE_AUTHORITY_HOST", "https://user@login.microsoftonline.com/", "expected the login host"),
        ("AZURE_AUTHORITY_HOST", "https://[::1/", "expected the login host"),
        ("AZURE_AUTHORITY_HOST", "https://host:99999/", "expected the login host"),
        ("M365_GRAPH_HOST", "https://graph.microsoft.com/v1.0", "expected the root of Microsoft Graph"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_is_expected(variable: str, value: str, expected: str) -> None:
    """In one line that names the variable."""
    (problem,) = problems(**{variable: value})
    assert problem.startswith(variable)
    assert expected in problem


@hypothesis.settings(deadline=None)
@given(st.text(min_size=1).filter(lambda text: text.strip() and "\0" not in text))
def test_a_problem_is_one_short_printable_line(text: str) -> None:
    """Whatever the value is."""
    for problem in problems(M365_CLOUD=text + "!"):
        assert problem.isprintable()
        assert len(problem) < 300


@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=list(CLOUDS))
def test_a_cloud_decides_where_to_sign_in_and_what_to_call(cloud: object) -> None:
    """All seven."""
    for each in CLOUDS.values():
        found = settings(environ=ENVIRON | {"M365_CLOUD": each.name})
        assert (found.cloud, found.authority, found.graph) == (each, each.authority, each.graph)
        assert found.scope == graph_scope(each) == graph_scope(each.name) == f"{each.graph}/.default"
        assert graph_root(each) == graph_root(each.name) == each.graph


def test_the_login_host_decides_the_cloud_if_none_is_set() -> None:
    """As when only the AZURE_ variables were injected."""
    found = settings(environ=ENVIRON | {"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/"})
    assert (found.cloud.name, found.sources["cloud"]) == ("gcchigh", "AZURE_AUTHORITY_HOST")


def test_the_login_host_of_another_cloud_was_meant_for_others() -> None:
    """M365_CLOUD is china, and the Azure SDKs of the same pod sign in at the public cloud."""
    environ = ENVIRON | {"M365_CLOUD": "china", "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/"}
    found = settings(environ=environ)
    assert (found.authority, found.sources["authority"]) == ("https://login.chinacloudapi.cn/", "default")
    assert settings(environ=environ, authority="login.microsoftonline.com").authority.endswith(".com/")


@pytest.mark.parametrize("host", ["https://login.partner.microsoftonline.cn", "https://localhost:8443/"])
def test_another_name_of_the_same_cloud_and_a_host_of_ones_own_count(host: str) -> None:
    """A private address of the login host, or an emulator."""
    found = settings(environ=ENVIRON | {"M365_CLOUD": "china", "AZURE_AUTHORITY_HOST": host})
    assert (found.authority, found.sources["authority"]) == (host.rstrip("/") + "/", "AZURE_AUTHORITY_HOST")


def test_graph_elsewhere_does_not_change_the_scope() -> None:
    """M365_GRAPH_HOST moves the calls and not the scope; a cloud that is named leaves it aside."""
    environ = {"M365_GRAPH_HOST": "https://localhost:8444/", "M365_CLOUD": "gcchigh"}
    assert graph_root(environ=environ) == "https://localhost:8444"
    assert graph_scope(environ=environ) == "https://graph.microsoft.us/.default"
    assert graph_root("public", environ=environ) == "https://graph.microsoft.com"
    assert settings(environ=ENVIRON | environ).graph == "https://localhost:8444"


def test_graph_of_a_cloud_that_is_none_is_refused() -> None:
    """With the clouds that there are."""
    with pytest.raises(SettingsError, match="expected one of public"):
        graph_scope("azure")

"""Which variables a container is missing."""

import pytest

from tests.core.cases import CLIENT, TENANT, USUAL_ENV
from tests.core.support import container, identity
from webhook.core.clouds import CLOUDS
from webhook.core.identity import Identity
from webhook.core.variables import EnvVar, Missing, missing

FILE = USUAL_ENV["AZURE_FEDERATED_TOKEN_FILE"]


def names(found: Missing) -> list[str]:
    return [variable.name for variable in found.variables]


def values(identity: Identity) -> dict[str, str]:
    return {variable.name: variable.value for variable in missing(identity, container(), FILE).variables}


def test_a_bare_container_is_missing_everything() -> None:
    """Eight variables, by their literal names and in this order."""
    assert values(identity()) == USUAL_ENV
    assert names(missing(identity(), container(), FILE)) == list(USUAL_ENV)


def test_a_variable_set_by_the_user_is_never_injected() -> None:
    """The user's own M365_CLOUD wins, even when it comes from a ConfigMap."""
    own = {"name": "M365_CLOUD", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}
    found = missing(identity(), container(env=[own]), FILE)
    assert "M365_CLOUD" not in names(found)
    assert found.different == ()


def test_a_different_value_is_reported_and_the_same_is_not() -> None:
    """Only plain values can be compared."""
    env = [{"name": "M365_CLIENT_ID", "value": CLIENT}, {"name": "M365_TENANT_ID", "value": "contoso.com"}]
    assert missing(identity(), container(env=env), FILE).different == ("M365_TENANT_ID",)


def test_of_a_variable_that_stands_twice_the_last_counts() -> None:
    """As it does in Kubernetes."""
    env = [{"name": "M365_CLOUD", "value": "dod"}, {"name": "M365_CLOUD", "value": "public"}]
    assert missing(identity(), container(env=env), FILE).different == ()


def test_a_variable_without_value_is_an_empty_one() -> None:
    """kube-apiserver leaves an empty `value` out."""
    assert missing(identity(), container(env=[{"name": "M365_CLOUD"}]), FILE).different == ("M365_CLOUD",)


@pytest.mark.parametrize("env", [None, []])
def test_no_variables_are_no_variables(env: list[object] | None) -> None:
    """Null and an empty list are alike."""
    assert len(missing(identity(), container(env=env), FILE).variables) == 8


@pytest.mark.parametrize(
    ("changed", "lost"),
    [
        ({"client_id": ""}, {"M365_CLIENT_ID"}),
        ({"azure_client_id": ""}, {"AZURE_CLIENT_ID"}),
        ({"tenant_id": ""}, {"M365_TENANT_ID"}),
        ({"azure_tenant_id": ""}, {"AZURE_TENANT_ID"}),
        ({"families": ("azure",)}, {"M365_CLIENT_ID", "M365_TENANT_ID", "M365_AUTH_METHOD", "M365_CLOUD"}),
        ({"families": ("m365",)}, {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"}),
    ],
)
def test_what_is_not_known_or_not_wished_is_not_injected(changed: dict[str, object], lost: set[str]) -> None:
    """An empty variable would hide the user's own from envFrom."""
    assert set(USUAL_ENV) - set(values(identity(**changed))) == lost


def test_without_any_identity_the_token_file_remains() -> None:
    """Azure's case "empty values": only the token's path is injected, with what never is empty."""
    nobody = identity(client_id="", azure_client_id="", tenant_id="", azure_tenant_id="", families=())
    assert values(nobody) == {"AZURE_FEDERATED_TOKEN_FILE": FILE}


def test_a_token_file_that_only_the_cluster_knows_is_not_repeated() -> None:
    """With a path from a ConfigMap there is nothing to set the provider's own variable to."""
    own = {"name": "AZURE_FEDERATED_TOKEN_FILE", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}
    found = missing(identity(auth_method="oidc"), container(env=[own]), "")
    assert "M365_OIDC_TOKEN_FILE_PATH" not in names(found)


def test_oidc_adds_the_file_for_the_provider() -> None:
    """The provider's oidc method reads a variable of its own."""
    found = values(identity(auth_method="oidc"))
    assert found["M365_OIDC_TOKEN_FILE_PATH"] == FILE
    assert found["M365_AUTH_METHOD"] == "oidc"


def test_the_two_families_may_name_two_applications() -> None:
    """A Microsoft 365 application stands beside the Azure one."""
    found = values(identity(client_id="m", azure_client_id="a", tenant_id="t", cloud=CLOUDS["china"]))
    assert (found["M365_CLIENT_ID"], found["AZURE_CLIENT_ID"]) == ("m", "a")
    assert (found["M365_TENANT_ID"], found["AZURE_TENANT_ID"]) == ("t", TENANT)
    assert (found["M365_CLOUD"], found["AZURE_AUTHORITY_HOST"]) == ("china", "https://login.chinacloudapi.cn/")


def test_a_missing_variable_is_a_plain_one() -> None:
    """Values are never references: kube-apiserver would have to resolve them."""
    assert missing(identity(), container(), FILE).variables[0] == EnvVar("AZURE_FEDERATED_TOKEN_FILE", FILE)

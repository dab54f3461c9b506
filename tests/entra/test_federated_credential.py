"""The federated identity credential of a ServiceAccount, in three spellings; and what keeps it from being made."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace

import pytest

from m365_identity._advice.credential import federated_credential as helpers_advice
from m365_identity._tokens.assertion import Assertion
from webhook.core.identity import Account
from webhook.core.messages.annotations import CLIENT_ID_INVALID, NOT_ONE_OF
from webhook.core.messages.entra import APPLICATION_UNKNOWN
from webhook.core.policy import Policy
from webhook.entra.federated_credential import (
    FederatedCredential,
    IdentityPlace,
    NoCredential,
    az,
    federated_credential,
    graph,
    identity,
    terraform,
)

CLIENT = "11111111-2222-3333-4444-555555555555"
OTHER = "66666666-7777-8888-9999-aaaaaaaaaaaa"
AKS = "https://eastus.oic.prod-aks.azure.com/tenant/cluster/"


def made(
    annotations: Mapping[str, str] | None = None,
    *,
    policy: Policy | None = None,
    client_id: str = "",
    issuer: str = AKS,
) -> FederatedCredential:
    """The credential of shop/terraform."""
    given = {"azure.workload.identity/client-id": CLIENT} if annotations is None else annotations
    account = Account("shop", "terraform", given)
    return federated_credential(account, issuer=issuer, policy=policy or Policy(), client_id=client_id)


def test_issuer_subject_and_audience_are_the_tokens_own() -> None:
    """Entra compares them letter by letter: the slash at the end of AKS's issuer stays."""
    found = made()
    assert found.issuer == AKS
    assert found.subject == "system:serviceaccount:shop:terraform"
    assert found.audience == "api://AzureADTokenExchange"


@pytest.mark.parametrize(
    ("annotations", "policy", "audience"),
    [
        ({"m365.workload.identity/cloud": "gcchigh"}, Policy(), "api://AzureADTokenExchangeUSGov"),
        ({}, Policy(cloud="china"), "api://AzureADTokenExchangeChina"),
        ({}, Policy(audience="api://contoso"), "api://contoso"),
        ({"m365.workload.identity/audience": "api://own"}, Policy(audience="api://contoso"), "api://own"),
    ],
)
def test_the_audience_follows_the_cloud_unless_another_is_set(
    annotations: dict[str, str], policy: Policy, audience: str
) -> None:
    """The same precedence as in the token that the pod gets."""
    assert made({"azure.workload.identity/client-id": CLIENT, **annotations}, policy=policy).audience == audience


@pytest.mark.parametrize(("namespace", "name"), [("shop", "terraform"), ("a" * 63, "b.c." * 60 + "d"), ("0", "1")])
def test_the_name_is_one_that_entra_takes(namespace: str, name: str) -> None:
    """3 to 120 letters, digits, hyphens and underscores, with a letter or digit first."""
    account = Account(namespace, name, {"azure.workload.identity/client-id": CLIENT})
    found = federated_credential(account, issuer=AKS, policy=Policy())
    assert re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{2,119}", found.name)


def test_names_differ_if_an_application_would_get_two_of_them() -> None:
    """One application may serve one ServiceAccount of two clusters, or shop-a/b and shop/a-b."""
    annotations = {"azure.workload.identity/client-id": CLIENT}
    named = {
        federated_credential(Account(namespace, name, annotations), issuer=issuer, policy=Policy()).name
        for namespace, name, issuer in (("shop-a", "b", AKS), ("shop", "a-b", AKS), ("shop", "a-b", "https://b.test"))
    }
    assert len(named) == 3
    assert made().name == made().name


@pytest.mark.parametrize(("namespace", "name"), [("shop", "terraform"), ("a" * 63, "b.c." * 60 + "d"), ("0", "1.2")])
@pytest.mark.parametrize("issuer", [AKS, "https://issuer.example"])
def test_the_helper_gives_the_same_credential(namespace: str, name: str, issuer: str) -> None:
    """`m365-identity` advises it if it is missing: under another name, the second one would be refused."""
    account = Account(namespace, name, {"azure.workload.identity/client-id": CLIENT})
    ours = federated_credential(account, issuer=issuer, policy=Policy()).document()
    token = Assertion(
        issuer=issuer,
        subject=f"system:serviceaccount:{namespace}:{name}",
        audiences=("api://AzureADTokenExchange",),
        issued=None,
        expires=None,
    )
    assert helpers_advice(token) == {name: ours[name] for name in ours if name != "description"}


def test_two_applications_are_two_commands() -> None:
    """A ServiceAccount with one for Microsoft 365 and another for Azure needs the credential in both."""
    found = made({"azure.workload.identity/client-id": CLIENT, "m365.workload.identity/client-id": OTHER})
    assert found.applications == (OTHER, CLIENT)
    assert az(found).count("az ad app federated-credential create") == 2
    assert terraform(found).count('resource "azuread_application_federated_identity_credential"') == 2


def test_an_application_without_variables_needs_no_credential() -> None:
    """With m365.workload.identity/env: m365 no container signs in to Azure."""
    annotations = {"m365.workload.identity/client-id": OTHER, "m365.workload.identity/env": "m365"}
    assert made({"azure.workload.identity/client-id": CLIENT, **annotations}).applications == (OTHER,)


def test_the_az_command_survives_a_shell() -> None:
    """One word of JSON, whatever is in the issuer."""
    line = az(made(issuer="https://it's.example.com/$HOME"))
    words = shlex.split(line)
    assert words[:6] == ["az", "ad", "app", "federated-credential", "create", "--id"]
    assert json.loads(words[-1])["issuer"] == "https://it's.example.com/$HOME"


def test_a_managed_identity_has_a_command_of_its_own() -> None:
    """`az` knows it by name and resource group; the rest is the same credential."""
    comment, line = identity(made(issuer="https://it's.example.com/$HOME")).splitlines()
    assert CLIENT in comment
    words = shlex.split(line)
    assert words[:4] == ["az", "identity", "federated-credential", "create"]
    given = dict(zip(words[4::2], words[5::2], strict=True))
    document = made(issuer="https://it's.example.com/$HOME").document()
    assert given["--issuer"] == document["issuer"]
    assert given["--subject"] == document["subject"]
    assert [given["--audiences"]] == document["audiences"]
    assert given["--name"] == document["name"]


def test_a_managed_identity_that_is_known_needs_nothing_filled_in() -> None:
    """Beside an application, which keeps its own command; Terraform has a resource of another provider for it."""
    annotations = {"azure.workload.identity/client-id": CLIENT, "m365.workload.identity/client-id": OTHER}
    place = IdentityPlace("33333333-3333-4333-8333-333333333333", "it's a group", "shop")
    found = replace(made(annotations), identities={CLIENT: place})
    first, second = (line for line in az(found).splitlines() if line.startswith("az "))
    assert first.startswith(f"az ad app federated-credential create --id {OTHER}")
    words = shlex.split(second)
    assert words[:4] == ["az", "identity", "federated-credential", "create"]
    given = dict(zip(words[4::2], words[5::2], strict=True))
    assert (given["--identity-name"], given["--resource-group"]) == ("shop", "it's a group")
    assert given["--subscription"] == place.subscription
    assert given["--subject"] == found.subject
    assert identity(replace(found, applications=(CLIENT,))) == second + "\n"
    text = terraform(found)
    assert text.count('resource "azuread_application_federated_identity_credential"') == 1
    assert 'resource "azurerm_federated_identity_credential" "shop_terraform_2"' in text
    provider = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"
    where = f"/subscriptions/{place.subscription}/resourceGroups/it's a group/{provider}/shop"
    assert f'user_assigned_identity_id = "{where}"' in text


def test_the_json_is_the_body_that_graph_takes() -> None:
    """Exactly the five members of a federatedIdentityCredential, with one audience."""
    body = json.loads(graph(made()))
    assert set(body) == {"name", "issuer", "subject", "audiences", "description"}
    assert body["audiences"] == ["api://AzureADTokenExchange"]


def test_terraform_finds_the_application_by_its_client_id() -> None:
    """The resource wants an id, which the data source knows; ${ in a value begins no template."""
    text = terraform(made(issuer="https://${x}.example.com"))
    assert f'client_id = "{CLIENT}"' in text
    assert "application_id = data.azuread_application.shop_terraform.id" in text
    assert '"https://$${x}.example.com"' in text


def test_without_a_client_id_no_credential_can_be_made() -> None:
    """The message has the command that fixes it; --client-id stands in."""
    with pytest.raises(NoCredential) as caught:
        made({})
    (problem,) = caught.value.problems
    assert problem.kind is APPLICATION_UNKNOWN
    assert "kubectl annotate serviceaccount terraform -n shop azure.workload.identity/client-id=" in problem.fix
    assert made({}, client_id=OTHER).applications == (OTHER,)


def test_all_that_is_wrong_in_the_annotations_is_reported_at_once() -> None:
    """Every problem of them, as in the webhook's refusal."""
    wrong = {"azure.workload.identity/client-id": "contoso-app", "m365.workload.identity/cloud": "moon"}
    with pytest.raises(NoCredential) as caught:
        made(wrong)
    assert [problem.kind for problem in caught.value.problems] == [CLIENT_ID_INVALID, NOT_ONE_OF]


def test_missing_ids_and_near_misses() -> None:
    """A near miss is warned about. A missing tenant is not: a credential has none, and --client-id can be given."""
    near = {"azure.workload.identity/client-id": CLIENT, "azure.workload.identity/tenantid": "x"}
    assert [warning.code for warning in made(near).warnings] == ["WI106"]
    assert made({}, client_id=OTHER).warnings == ()

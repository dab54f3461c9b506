"""`python -m webhook fic`: what Entra needs, in three spellings; and what keeps it from being made."""

import base64
import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from m365_identity._advice.advise import federated_credential
from m365_identity._tokens.assertion import Assertion
from testbed.cluster.cluster import Cluster
from testbed.cluster.control_plane import ISSUER
from testbed.cluster.pods import annotated, make_account
from tests.commands.live import Ran, run
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.entra.federated_credential import FORMATS, Credential, NoCredential, az, credential, graph, terraform

CLIENT = "11111111-2222-3333-4444-555555555555"
OTHER = "66666666-7777-8888-9999-aaaaaaaaaaaa"
AKS = "https://eastus.oic.prod-aks.azure.com/tenant/cluster/"


def made(
    annotations: Mapping[str, str] | None = None,
    *,
    policy: Policy | None = None,
    client_id: str = "",
    issuer: str = AKS,
) -> Credential:
    """The credential of shop/terraform."""
    given = {"azure.workload.identity/client-id": CLIENT} if annotations is None else annotations
    account = Account("shop", "terraform", given)
    return credential(account, issuer=issuer, policy=policy or Policy(), client_id=client_id)


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
def test_the_audience_follows_the_cloud_and_whoever_sets_another(
    annotations: dict[str, str], policy: Policy, audience: str
) -> None:
    """The same precedence as in the token that the pod gets."""
    assert made({"azure.workload.identity/client-id": CLIENT, **annotations}, policy=policy).audience == audience


@pytest.mark.parametrize(("namespace", "name"), [("shop", "terraform"), ("a" * 63, "b.c." * 60 + "d"), ("0", "1")])
def test_the_name_is_one_that_entra_takes(namespace: str, name: str) -> None:
    """3 to 120 letters, digits, hyphens and underscores, with a letter or digit first."""
    account = Account(namespace, name, {"azure.workload.identity/client-id": CLIENT})
    found = credential(account, issuer=AKS, policy=Policy())
    assert re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{2,119}", found.name)


def test_names_differ_where_an_application_would_get_two_of_them() -> None:
    """One application may serve one ServiceAccount of two clusters, or shop-a/b and shop/a-b."""
    annotations = {"azure.workload.identity/client-id": CLIENT}
    named = {
        credential(Account(namespace, name, annotations), issuer=issuer, policy=Policy()).name
        for namespace, name, issuer in (("shop-a", "b", AKS), ("shop", "a-b", AKS), ("shop", "a-b", "https://b.test"))
    }
    assert len(named) == 3
    assert made().name == made().name


@pytest.mark.parametrize(("namespace", "name"), [("shop", "terraform"), ("a" * 63, "b.c." * 60 + "d"), ("0", "1.2")])
@pytest.mark.parametrize("issuer", [AKS, "https://issuer.example"])
def test_the_helper_gives_the_same_credential(namespace: str, name: str, issuer: str) -> None:
    """`m365-identity` advises it where it is lacking: under another name, the second one would be refused."""
    account = Account(namespace, name, {"azure.workload.identity/client-id": CLIENT})
    ours = credential(account, issuer=issuer, policy=Policy()).document()
    token = Assertion(
        issuer=issuer,
        subject=f"system:serviceaccount:{namespace}:{name}",
        audiences=("api://AzureADTokenExchange",),
        issued=None,
        expires=None,
    )
    assert federated_credential(token) == {name: ours[name] for name in ours if name != "description"}


def test_two_applications_are_two_commands() -> None:
    """A ServiceAccount with one for Microsoft 365 and another for Azure needs the credential in both."""
    found = made({"azure.workload.identity/client-id": CLIENT, "m365.workload.identity/client-id": OTHER})
    assert found.applications == (OTHER, CLIENT)
    assert az(found).count("az ad app federated-credential create") == 2
    assert terraform(found).count('resource "azuread_application_federated_identity_credential"') == 2


def test_an_application_without_variables_needs_none() -> None:
    """With m365.workload.identity/env: m365 nobody signs in to Azure."""
    annotations = {"m365.workload.identity/client-id": OTHER, "m365.workload.identity/env": "m365"}
    assert made({"azure.workload.identity/client-id": CLIENT, **annotations}).applications == (OTHER,)


def test_the_az_command_survives_a_shell() -> None:
    """One word of JSON, whatever is in the issuer."""
    line = az(made(issuer="https://it's.example.com/$HOME"))
    words = shlex.split(line)
    assert words[:6] == ["az", "ad", "app", "federated-credential", "create", "--id"]
    assert json.loads(words[-1])["issuer"] == "https://it's.example.com/$HOME"


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


def test_without_a_client_id_there_is_none_to_be_made() -> None:
    """The sentence has the command that mends it; --client-id stands in."""
    with pytest.raises(NoCredential, match="kubectl annotate serviceaccount terraform -n shop"):
        made({})
    assert made({}, client_id=OTHER).applications == (OTHER,)


def test_what_is_wrong_in_the_annotations_is_told_at_once() -> None:
    """Every problem of them, as in the webhook's refusal."""
    wrong = {"azure.workload.identity/client-id": "contoso-app", "m365.workload.identity/cloud": "moon"}
    with pytest.raises(NoCredential) as caught:
        made(wrong)
    assert len(caught.value.problems) == 2


def test_wrong_usage_is_told_all_at_once(tmp_path: Path) -> None:
    """Exit code 2, a line for each mistake."""
    done = run("fic", "-n", "Shop", "-o", "yaml", "--client-id", "contoso", "--cloud", "moon")
    assert done.code == 2
    assert len(done.err.splitlines()) == 5
    assert "--service-account is missing" in done.err
    done = run("fic", "-n", "shop", "--service-account", "terraform")
    assert done.code == 2
    assert "give --kubeconfig PATH" in done.err
    broken = tmp_path / "kubeconfig"
    broken.write_text("{}")
    done = run("fic", "-n", "shop", "--service-account", "terraform", environ={"KUBECONFIG": str(broken)})
    assert done.code == 2
    assert str(broken) in done.err


def fic(cluster: Cluster, namespace: str, *arguments: str, kubeconfig: Path | None = None) -> Ran:
    """The command for the ServiceAccount `terraform`."""
    return run(
        *("fic", "-n", namespace, "--service-account", "terraform", *arguments),
        environ={"KUBECONFIG": str(kubeconfig or cluster.kubeconfig)},
    )


def test_a_live_clusters_credential_matches_its_tokens(control_plane: Cluster, namespace: str) -> None:
    """Issuer, subject and audience are those of the token that a pod would get."""
    make_account(control_plane, namespace)
    done = fic(control_plane, namespace, "-o", "json")
    payload = control_plane.token(namespace, "terraform", audiences=["api://AzureADTokenExchange"]).split(".")[1]
    token = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    body = json.loads(done.out)
    assert (body["issuer"], body["subject"], body["audiences"]) == (token["iss"], token["sub"], token["aud"])


def test_an_issuer_that_entra_cannot_use_is_told_beside_the_credential(control_plane: Cluster, namespace: str) -> None:
    """It is printed all the same, for an emulator or an issuer that is about to change; the exit code is 1."""
    make_account(control_plane, namespace)
    for output in FORMATS:
        done = fic(control_plane, namespace, "-o", output)
        assert done.code == 1
        assert ISSUER in done.out
        assert "which Entra can never reach" in done.err
        assert "--service-account-issuer" in done.err


def test_a_shell_behind_it_does_not_create_a_credential_that_is_good_for_nothing(
    control_plane: Cluster, namespace: str, tmp_path: Path
) -> None:
    """A pipe knows no exit code of its first command; nothing is left for the shell to do."""
    make_account(control_plane, namespace)
    called = tmp_path / "called"
    (tmp_path / "az").write_text(f"#!/bin/sh\ntouch {called}\n")
    (tmp_path / "az").chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.defpath}"}
    subprocess.run(["sh"], input=fic(control_plane, namespace).out, env=path, text=True, check=True, timeout=30)
    assert not called.exists()
    subprocess.run(["sh"], input=az(made()), env=path, text=True, check=True, timeout=30)
    assert called.exists()


def test_warnings_about_the_annotations_are_told(control_plane: Cluster, namespace: str) -> None:
    """A near miss beside a good client id."""
    make_account(control_plane, namespace, annotations={**annotated(), "azure.workload.identity/tenantid": "x"})
    assert (
        "unknown annotation tenantid, did you mean tenant-id? (rename it to azure.workload.identity/tenant-id) [WI106]"
        in fic(control_plane, namespace).err
    )


def test_a_service_account_that_is_not_there_is_told_with_the_command(control_plane: Cluster, namespace: str) -> None:
    """Nothing on standard output, which may be a pipe into a shell."""
    done = fic(control_plane, namespace)
    assert (done.code, done.out) == (1, "")
    assert f"kubectl create serviceaccount terraform -n {namespace}" in done.err


def test_without_a_client_id_nothing_is_printed(control_plane: Cluster, namespace: str) -> None:
    """The command that annotates it is told instead."""
    make_account(control_plane, namespace, annotations={})
    done = fic(control_plane, namespace)
    assert (done.code, done.out) == (1, "")
    assert "has no client id" in done.err
    assert OTHER in fic(control_plane, namespace, "--client-id", OTHER).out


def test_who_may_not_ask_is_told_what_is_lacking(control_plane: Cluster, namespace: str) -> None:
    """A ServiceAccount of nobody's may read the discovery document, but no ServiceAccounts."""
    make_account(control_plane, namespace)
    done = fic(control_plane, namespace, kubeconfig=control_plane.kubeconfig_for_account(namespace, "terraform"))
    assert (done.code, done.out) == (1, "")
    assert f"kubectl create rolebinding m365-view --clusterrole=view -n {namespace}" in done.err

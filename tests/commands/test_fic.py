"""`python -m webhook fic`: what Entra needs, printed, and what keeps it from being printed."""

import base64
import json
import os
import subprocess
from pathlib import Path

from testbed.cluster.cluster import Cluster
from testbed.cluster.control_plane import ISSUER
from testbed.cluster.pods import annotated, make_account
from tests.commands.live import Ran, run
from tests.entra.test_federated_credential import OTHER, made
from webhook.entra.federated_credential import FORMATS, az


def test_all_wrong_usage_is_reported_at_once(tmp_path: Path) -> None:
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


def test_an_issuer_that_entra_cannot_use_is_reported_with_the_credential(
    control_plane: Cluster, namespace: str
) -> None:
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
    subprocess.run(["sh"], input=fic(control_plane, namespace).out, env=path, text=True, check=True, timeout=200)
    assert not called.exists()
    subprocess.run(["sh"], input=az(made()), env=path, text=True, check=True, timeout=200)
    assert called.exists()


def test_warnings_about_the_annotations_are_printed(control_plane: Cluster, namespace: str) -> None:
    """A near miss next to a good client id."""
    make_account(control_plane, namespace, annotations={**annotated(), "azure.workload.identity/tenantid": "x"})
    assert (
        "unknown annotation tenantid, did you mean tenant-id? (rename it to azure.workload.identity/tenant-id) [WI106]"
        in fic(control_plane, namespace).err
    )


def test_a_missing_service_account_is_reported_with_the_command(control_plane: Cluster, namespace: str) -> None:
    """Nothing on standard output, which may be a pipe into a shell."""
    done = fic(control_plane, namespace)
    assert (done.code, done.out) == (1, "")
    assert f"kubectl create serviceaccount terraform -n {namespace}" in done.err


def test_without_a_client_id_nothing_is_printed(control_plane: Cluster, namespace: str) -> None:
    """The command that annotates it is printed instead."""
    make_account(control_plane, namespace, annotations={})
    done = fic(control_plane, namespace)
    assert (done.code, done.out) == (1, "")
    assert "has no client id" in done.err
    assert OTHER in fic(control_plane, namespace, "--client-id", OTHER).out


def test_missing_rights_are_reported_with_the_command(control_plane: Cluster, namespace: str) -> None:
    """A plain ServiceAccount may read the discovery document, but no ServiceAccounts."""
    make_account(control_plane, namespace)
    done = fic(control_plane, namespace, kubeconfig=control_plane.kubeconfig_for_account(namespace, "terraform"))
    assert (done.code, done.out) == (1, "")
    command = (
        f"create rolebinding m365-view --clusterrole=view -n {namespace} --user=system:serviceaccount:{namespace}:"
    )
    assert f"(kubectl {command}terraform)" in done.err

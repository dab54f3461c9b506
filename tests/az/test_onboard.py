"""What `m365wi onboard --dry-run` and `offboard --dry-run` print, run by az and kubectl on a real API server."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from testbed.cluster.cluster import Cluster
from testbed.third_party.az import Az, azure_cli
from testbed.third_party.build import build
from tests.commands.entra_tenant import ADMINISTRATOR, Tenant, tenant

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]
ACCOUNT = "terraform"


@pytest.fixture(scope="module")
def here(control_plane: Cluster) -> Iterator[Tenant]:
    with tenant(control_plane) as found:
        yield found


@pytest.fixture(scope="module")
def shell(here: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Az]:
    """az, signed in as an administrator, with kubectl on PATH."""
    build("az")
    with azure_cli(here.entra, tmp_path_factory.mktemp("az")) as az:
        administrator = here.entra.application(name="administrator", roles=ADMINISTRATOR)
        here.entra.arm.access.grant(administrator, "Owner")
        az.sign_in(administrator)
        kubectl = here.cluster.kubectl_program.parent
        az.environment["PATH"] += f"{os.pathsep}{kubectl}"
        az.environment["KUBECONFIG"] = str(here.cluster.kubeconfig)
        yield az


def planned(here: Tenant, command: str, namespace: str, *arguments: str) -> str:
    """The script that a dry run prints."""
    usual = ("-n", namespace, "--service-account", ACCOUNT, "--dry-run")
    caller = here.caller(*ADMINISTRATOR)
    known = here.entra.directory.application(caller["AZURE_TENANT_ID"], caller["AZURE_CLIENT_ID"])
    assert known is not None
    here.entra.arm.access.grant(known)
    done = here.run(command, *usual, *arguments, caller=caller)
    assert done.code == 0, done.out + done.err
    return done.out


def test_the_scripts_onboard_from_nothing_and_offboard_again(here: Tenant, shell: Az, namespace: str) -> None:
    """After the script, onboard itself finds nothing to do and signs in; then offboard's script leaves nothing."""
    wanted = ("--permission", "Group.Read.All", "User.Read.All", "--no-lookup")
    done = shell.shell(planned(here, "onboard", namespace, *wanted))
    assert done.returncode == 0, done.stderr
    (made,) = here.named(f"{namespace}-{ACCOUNT}-")
    assert made.roles == ("Group.Read.All", "User.Read.All")
    usual = ("onboard", "-n", namespace, "--service-account", ACCOUNT, *wanted)
    again = here.run(*usual, caller=here.caller(*ADMINISTRATOR))
    assert again.code == 0, again.out + again.err
    assert "Nothing to do." in again.out
    done = shell.shell(planned(here, "offboard", namespace))
    assert done.returncode == 0, done.stderr
    assert here.named(f"{namespace}-{ACCOUNT}-") == []


def test_the_script_onboards_a_managed_identity(here: Tenant, shell: Az, namespace: str) -> None:
    """Its credential is made by ARM, its permissions by Graph."""
    identity = here.entra.managed_identity(f"{namespace}-identity")
    wanted = ("--permission", "Group.Read.All", "--no-lookup", "--managed-identity", identity.arm_id)
    done = shell.shell(planned(here, "onboard", namespace, *wanted))
    assert done.returncode == 0, done.stderr
    assert identity.roles == ("Group.Read.All",)
    (credential,) = identity.credentials
    assert credential.subject == f"system:serviceaccount:{namespace}:{ACCOUNT}"

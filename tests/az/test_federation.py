"""What `m365wi fic apply --dry-run` and `fic prune --dry-run` print, run by az: then there is nothing left to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.third_party.az import Az, azure_cli
from testbed.third_party.build import build
from tests.commands.federation import BEFORE, ISSUER, World, put, subject, world

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as found:
        found.entra.arm.access.grant(found.caller, "Managed Identity Contributor")
        yield found


@pytest.fixture(scope="module")
def az(here: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Az]:
    """az, signed in as the caller of the commands, who may write what it owns."""
    build("az")
    with azure_cli(here.entra, tmp_path_factory.mktemp("az")) as program:
        program.sign_in(here.caller)
        yield program


def drifted(here: World) -> None:
    """An application and a managed identity with each kind of drift."""
    application, identity = here.application("terraform"), here.entra.managed_identity("shop")
    for name in ("new", "rebuilt", "audience"):
        here.account(f"shop/{name}", application)
        here.account(f"stock/{name}", identity)
    for namespace, owner in (("shop", application), ("stock", identity)):
        put(owner, f"{namespace}/rebuilt", issuer=BEFORE, marked="", name="rebuilt")
        put(owner, f"{namespace}/audience", audience="api://other", name="audience")
    put(application, "shop/gone", marked="", name="gone")


def test_the_scripts_of_apply_and_prune_do_what_is_planned(here: World, az: Az) -> None:
    """The plan is empty afterwards, and each credential is what its ServiceAccount needs."""
    drifted(here)
    before = here.states()
    assert before["shop/new"] == ["missing"]
    script = here.fic("apply", "--dry-run", "--former-issuer", BEFORE).out
    assert "az ad app federated-credential create" in script
    assert "az identity federated-credential create" in script
    done = az.shell(script)
    assert done.returncode == 0, done.stderr
    left = here.states("--former-issuer", BEFORE)
    assert {state for states in left.values() for state in states} == {"ok", "left over"}, left
    done = az.shell(here.fic("prune", "--dry-run").out)
    assert done.returncode == 0, done.stderr
    assert {state for states in here.states().values() for state in states} == {"ok"}
    for owner in here.entra.directory.everybody():
        for credential in owner.credentials:
            assert credential.issuer == ISSUER
            assert credential.subject in [subject(name) for name in here.accounts]


def test_fic_acts_as_the_account_of_az(here: World, az: Az) -> None:
    """`--auth azure-cli`, also by itself: the commands act as the account of az.

    What `fic -o az` prints of a managed identity needs nothing filled in.
    """
    here.accounts.clear()
    identity = here.entra.managed_identity("printed", group="rg-printed")
    here.account("shop/printed", identity)
    environ = {**az.environment, "AZURE_CLIENT_ID": "", "AZURE_CLIENT_SECRET": ""}
    where = ("-n", "shop", "--service-account", "printed")
    done = here.fic("print", *where, "--no-lookup", "--auth", "azure-cli", environ=environ)
    assert (done.code, done.err) == (0, "")
    assert "--identity-name printed --resource-group rg-printed" in done.out
    assert here.fic("plan", *where, environ=environ).code == 1
    script = az.shell(done.out)
    assert script.returncode == 0, script.stderr
    assert here.fic("plan", *where, environ=environ).code == 0
    (credential,) = identity.credentials
    assert credential.subject == subject("shop/printed")

"""`fic` asks Entra which client id is a managed identity's, if the caller is signed in."""

from collections.abc import Iterator

import pytest

from testbed.entra.directory import SUBSCRIPTION, Application
from tests.commands.federation import World, world
from tests.commands.live import Ran

pytestmark = pytest.mark.slow
UNSIGNED = {"AZURE_CLIENT_SECRET": "", "PATH": "/nonexistent"}


@pytest.fixture(scope="module")
def the_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture
def here(the_world: World) -> World:
    the_world.accounts.clear()
    the_world.entra.clear()
    the_world.entra.forget_requests()
    return the_world


@pytest.fixture
def identity(here: World) -> Application:
    """A managed identity that the ServiceAccount shop/a names."""
    found = here.entra.managed_identity("shop", group="rg-shop")
    here.account("shop/a", found)
    return found


def printed(here: World, *arguments: str, signed_in: bool = True) -> Ran:
    """The command for shop/a."""
    where = ("-n", "shop", "--service-account", "a", *arguments)
    return here.fic("print", *where, environ={} if signed_in else UNSIGNED)


@pytest.mark.parametrize("output", ["az", "identity"])
def test_a_managed_identity_by_its_name(here: World, identity: Application, output: str) -> None:
    """Subscription, resource group and name are known. With --no-lookup only --auth makes it ask."""
    done = printed(here, "-o", output, "--no-lookup", "--auth", "environment")
    assert (done.code, done.err) == (0, "")
    names = f"--identity-name shop --resource-group rg-shop --subscription {SUBSCRIPTION} "
    assert done.out.startswith(f"az identity federated-credential create {names}")
    assert here.entra.calls
    here.entra.forget_requests()
    assert names not in printed(here, "-o", output, "--no-lookup").out
    assert here.entra.calls == []


def test_terraform_has_the_resource_of_the_kind(here: World, identity: Application) -> None:
    """hashicorp/azurerm for an identity, hashicorp/azuread for an application."""
    chosen = ("-o", "terraform", "--no-lookup", "--auth", "environment")
    done = printed(here, *chosen)
    assert 'resource "azurerm_federated_identity_credential" "shop_a"' in done.out
    assert "/resourceGroups/rg-shop/" in done.out
    here.account("shop/a", here.application("terraform"))
    assert 'resource "azuread_application_federated_identity_credential" "shop_a"' in printed(here, *chosen).out


def test_without_a_flag_it_asks_when_it_may(here: World, identity: Application) -> None:
    """Who is not signed in, or may not read, gets what an application needs, without a word."""
    assert "az identity federated-credential create" in printed(here).out
    assert "az ad app federated-credential create" in printed(here, signed_in=False).out
    here.entra.next("graph", status=403, times=None)
    done = printed(here)
    assert "az ad app federated-credential create" in done.out
    assert "403" not in done.err


def test_a_way_to_sign_in_that_was_chosen_is_complained_about(here: World, identity: Application) -> None:
    """What is missing for it is wrong usage; what Entra refuses is a warning, and the command is printed."""
    done = printed(here, "--no-lookup", "--auth", "environment", signed_in=False)
    assert (done.code, "AZURE_CLIENT_SECRET" in done.err) == (2, True)
    assert printed(here, "--auth", "magic").code == 2
    here.entra.next("graph", status=403, times=None)
    done = printed(here, "--no-lookup", "--auth", "environment")
    assert (done.code, "warning: " in done.err) == (0, True)
    assert "az ad app federated-credential create" in done.out


def test_the_body_for_graph_asks_nobody(here: World, identity: Application) -> None:
    """It is the same for both kinds."""
    printed(here, "-o", "json", "--no-lookup", "--auth", "environment")
    assert here.entra.calls == []

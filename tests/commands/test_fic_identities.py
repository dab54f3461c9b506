"""`fic plan`, `apply` and `prune` of user-assigned managed identities, by Azure Resource Manager."""

from collections.abc import Iterator

import pytest

from testbed.entra.directory import Application
from tests.commands.federation import AUDIENCE, BEFORE, ISSUER, STAGE, World, put, subject, world
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.entra.federated_credential import federated_credential

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def the_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as found:
        found.entra.arm.access.grant(found.caller)
        found.caller.roles = ["Application.Read.All"]
        yield found


@pytest.fixture
def here(the_world: World) -> World:
    the_world.reset()
    return the_world


def name_of(account: str, client_id: str, issuer: str = ISSUER) -> str:
    """The name that `fic` gives the credential of a ServiceAccount."""
    namespace, _, name = account.partition("/")
    annotations = {"azure.workload.identity/client-id": client_id}
    return federated_credential(Account(namespace, name, annotations), issuer=issuer, policy=Policy()).name


def ours(identity: Application, account: str, issuer: str = ISSUER, **changes: str) -> None:
    """A credential whose name says that it was made for this issuer and ServiceAccount."""
    put(identity, account, issuer=issuer, name=name_of(account, identity.client_id, issuer), **changes)


def credentials(identity: Application) -> list[tuple[str, str, str]]:
    return sorted((each.issuer, each.subject, each.audience) for each in identity.credentials)


def right(*accounts: str) -> list[tuple[str, str, str]]:
    return sorted((ISSUER, subject(account), AUDIENCE) for account in accounts)


def test_a_managed_identity_is_kept_right_by_azure_resource_manager(here: World) -> None:
    """Its client id looks like that of an application; Graph says which it is."""
    identity = here.entra.managed_identity("terraform")
    for name in ("shop/a", "shop/b", "shop/c", "shop/d"):
        here.account(name, identity)
    ours(identity, "shop/a")
    ours(identity, "shop/b", audience="api://other")
    ours(identity, "shop/c", BEFORE)
    ours(identity, "shop/gone")
    put(identity, "shop/gone-by-hand", name="by-hand")
    put(identity, "shop/a", issuer=STAGE, name=name_of("shop/a", identity.client_id, STAGE))
    done = here.fic("plan", "--former-issuer", BEFORE)
    assert done.code == 1
    assert f"terraform    {identity.client_id}  managed identity  6 of 20, 2 of another cluster or by hand" in done.out
    assert here.states("--former-issuer", BEFORE) == {
        "shop/a": ["ok"],
        "shop/b": ["audience"],
        "shop/c": ["other issuer"],
        "shop/d": ["missing"],
        "shop/gone": ["left over"],
    }
    assert here.fic("apply", "--former-issuer", BEFORE).code == 0
    others = [(ISSUER, subject("shop/gone-by-hand"), AUDIENCE), (STAGE, subject("shop/a"), AUDIENCE)]
    assert credentials(identity) == sorted([*right(*here.accounts, "shop/gone"), *others])
    assert here.fic("plan").code == 0
    assert here.fic("prune", "--yes").code == 0
    assert credentials(identity) == sorted([*right(*here.accounts), *others])
    del here.accounts["shop/c"]  # which was changed: its name is its mark still
    assert here.states() == {"shop/a": ["ok"], "shop/b": ["ok"], "shop/c": ["left over"], "shop/d": ["ok"]}


def test_dry_run_prints_commands_for_the_identity(here: World) -> None:
    """With its name, resource group and subscription, which `az` needs."""
    identity = here.entra.managed_identity("reader", group="shop")
    here.account("shop/a", identity)
    here.account("shop/b", identity)
    ours(identity, "shop/b", BEFORE)
    create, change = sorted(here.fic("apply", "--dry-run", "--former-issuer", BEFORE).out.splitlines(), key=len)
    where = f"--identity-name reader --resource-group shop --subscription {identity.arm_id.split('/')[2]}"
    name = name_of("shop/a", identity.client_id)
    values = f"--issuer {ISSUER} --subject {subject('shop/a')} --audiences {AUDIENCE}"
    assert create == f"az identity federated-credential create --name {name} {where} {values}"
    old = name_of("shop/b", identity.client_id, BEFORE)
    assert change.startswith(f"az identity federated-credential delete --name {old} {where} --yes && az identity ")
    assert len(identity.credentials) == 1


def test_writes_at_the_same_time_are_tried_again(here: World) -> None:
    """Azure takes one write of an identity at a time, and says so with a 409."""
    identity = here.entra.managed_identity("writer")
    here.account("shop/a", identity)
    here.account("shop/b", identity)
    code = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"
    here.entra.next("arm", at="federatedIdentityCredentials/", status=409, code=code)
    here.entra.next("arm", at="federatedIdentityCredentials/", status=429, retry_after=0)
    done = here.fic("apply")
    assert (done.code, done.err) == (0, "")
    assert credentials(identity) == right("shop/a", "shop/b")


def test_a_missing_right_is_named(here: World) -> None:
    """Azure's words, and Azure's role."""
    identity = here.entra.managed_identity("locked")
    here.account("shop/a", identity)
    here.entra.next("arm", status=403, code="AuthorizationFailed", times=2)
    done = here.fic("apply")
    assert done.code == 1
    assert "Azure Resource Manager answers HTTP 403 AuthorizationFailed" in done.err
    assert "Managed Identity Contributor" in done.err

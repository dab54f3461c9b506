"""The steps of `onboard` in their order, against the emulator of Entra: what is in their way, and how they go on.

The ServiceAccount is printed instead of applied, so that no cluster is needed. Pauses move the emulator's clock.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from testbed.entra.directory import TENANT_ID, Application
from testbed.entra.emulator import Entra, running
from testbed.entra.faults import Fault
from tests.onboarding.kills import Killed, Kills
from tests.onboarding.support import GROUPS, NAME, USERS, desired
from webhook.core.messages import onboarding as kinds
from webhook.entra.applications import Applications
from webhook.entra.directory import Directory
from webhook.entra.rest import Rest
from webhook.onboarding.requests import Maker
from webhook.onboarding.run import InCluster, Onboarding, Stopped, Tools
from webhook.onboarding.verdicts import Outcome, Service, Verdict

pytestmark = pytest.mark.slow

ADMINISTRATOR = ("Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All")
FAULTS: Mapping[str, Mapping[str, Any]] = {
    "answer is lost": {"cut": "body"},
    "connection is reset": {"cut": "reset"},
    "gateway does not know": {"status": 504},
    "service has a bug": {"status": 500},
    "service is busy": {"status": 429, "retry_after": 30},
}


class Tokens:
    """The access token of one application, without a sign-in."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def token(self, root: str) -> str:
        return self._text

    def forget(self, root: str) -> None:
        raise AssertionError("the emulator refused the token")


@dataclass
class Ended:
    """How a run ended: its verdicts, and the ServiceAccounts that it printed."""

    verdicts: list[Verdict]
    printed: list[str]

    @property
    def outcomes(self) -> list[Outcome]:
        return [each.outcome for each in self.verdicts]


@pytest.fixture(scope="module")
def the_entra() -> Iterator[Entra]:
    with running() as found:
        yield found


@pytest.fixture
def entra(the_entra: Entra, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entra]:
    """Without anything in the tenant, trusted by the programs of the test."""
    monkeypatch.setenv("SSL_CERT_FILE", str(the_entra.ca_file))
    empty(the_entra)
    yield the_entra
    the_entra.settings.replication = 0.0
    the_entra.clear()


def empty(entra: Entra) -> None:
    """Nothing is left, not even among what was deleted."""
    for each in applications(entra):
        entra.directory.remove_application(each)
    entra.directory.deleted.clear()


def applications(entra: Entra) -> list[Application]:
    """Those of the tenant that `onboard` may have made."""
    return [each for each in entra.directory.applications(TENANT_ID) if each.name != "caller"]


def administrator(entra: Entra) -> Application:
    """Who runs the command; the same each time."""
    known = [each for each in entra.directory.applications(TENANT_ID) if each.name == "caller"]
    return known[0] if known else entra.application(roles=ADMINISTRATOR, name="caller")


@asynccontextmanager
async def services(entra: Entra, caller: Application) -> AsyncIterator[tuple[Rest, Rest, Any]]:
    """Graph and Azure, and a pause that lasts no time."""

    async def sleep(seconds: float) -> None:
        entra.clock.advance(seconds)
        await asyncio.sleep(0)

    tokens = Tokens(entra.token(caller))
    root = f"{entra.graph}/v1.0"
    async with Rest(root, tokens, name="Microsoft Graph", sleep=sleep) as graph:
        async with Rest(entra.arm_url, tokens, name="Azure Resource Manager", sleep=sleep) as azure:
            yield graph, azure, sleep


async def onboard(entra: Entra, *, permissions: tuple[Any, ...] = (GROUPS, USERS), **wanted: Any) -> Ended:
    """One run."""
    ended = Ended([], [])
    caller = administrator(entra)
    async with services(entra, caller) as (graph, azure, sleep):
        directory = Directory(graph)
        tools = Tools(
            directory=directory,
            applications=Applications(graph, azure),
            requests=Maker(None, {Service.GRAPH: graph, Service.RESOURCE_MANAGER: azure}),  # type: ignore[arg-type]
            say=ended.verdicts.append,
            print_account=ended.printed.append,
            caller=caller.object_id,
            sleep=sleep,
        )
        steps = Onboarding(desired(permissions=permissions, **wanted), InCluster(None, namespace=True), tools)
        with suppress(Stopped):
            await steps.run(await directory.graph())
    return ended


def is_whole(entra: Entra) -> Application:
    """There is one of everything."""
    (made,) = applications(entra)
    assert made.has_service_principal
    assert sorted(made.roles) == ["Group.Read.All", "User.Read.All"]
    assert [each.name for each in made.credentials] == [NAME]
    return made


class Numbered:
    """Has the request with a number go wrong, or ends the run after it."""

    def __init__(self, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left, self.fault, self.hit = 0, Fault(), False
        self._take = entra._faults.take
        monkeypatch.setattr(entra._faults, "take", self.take)

    def take(self, site: Any, path: str, *, method: str = "", handshake: bool = False) -> Fault | None:
        if handshake:
            return None
        self.left -= 1
        self.hit = self.hit or self.left == 0
        return self.fault if self.left == 0 else None


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_request_that_goes_wrong_does_not_end_the_run(
    entra: Entra, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Whichever it is, and whether or not it was done."""
    numbered = Numbered(entra, monkeypatch)
    for number in range(1, 100):
        empty(entra)
        numbered.left, numbered.fault, numbered.hit = number, Fault(**FAULTS[fault]), False
        ended = await onboard(entra)
        if not numbered.hit:
            break
        failed = [str(each.message) for each in ended.verdicts if each.outcome is Outcome.FAILED]
        assert failed == [], f"request {number}"
        is_whole(entra)
    assert number > 10


async def test_a_run_after_a_killed_one_waits_for_servers_that_do_not_know_yet(
    entra: Entra, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each request in turn: what was made is not made a second time, although it cannot be read yet."""
    kills = Kills(monkeypatch)
    entra.settings.replication = 20.0
    for number in range(1, 100):
        empty(entra)
        kills.left = number
        try:
            await onboard(entra)
        except Killed:
            ended = await onboard(entra)
            failed = [str(each.message) for each in ended.verdicts if each.outcome is Outcome.FAILED]
            assert failed == [], f"request {number}"
            is_whole(entra)
        else:
            break
    assert number > 10


async def test_two_runs_at_once_make_one_application(entra: Entra) -> None:
    """And neither fails, however their requests meet."""
    entra.settings.replication = 5.0
    for ended in await asyncio.gather(*(onboard(entra) for _ in range(3))):
        assert Outcome.FAILED not in ended.outcomes, [str(each.message) for each in ended.verdicts]
    is_whole(entra)


async def test_the_name_of_a_deleted_application_can_be_given_again(entra: Entra) -> None:
    """Entra keeps the unique name of what `offboard` deleted for 30 days."""
    assert Outcome.FAILED not in (await onboard(entra)).outcomes
    entra.directory.remove_application(is_whole(entra))
    assert Outcome.FAILED not in (await onboard(entra)).outcomes
    is_whole(entra)


async def test_a_stranger_with_the_unique_name_gets_nothing(entra: Entra) -> None:
    """It is an application like any other that has a name which somebody may take."""
    stranger = entra.application(name="harmless")
    stranger.properties["uniqueName"] = NAME
    stranger.owners.append("somebody")
    ended = await onboard(entra)
    assert ended.verdicts[-1].message.kind is kinds.APPLICATION_NOT_OURS
    assert (stranger.roles, list(stranger.credentials), ended.printed) == ((), [], [])


async def test_an_application_without_room_is_told_before_the_account_names_it(entra: Entra) -> None:
    """Its pods would sign in as an application that cannot let them in."""
    full = entra.application(name="full")
    for number in range(20):
        full.federate(issuer=f"https://{number}.example.com", subject="somebody", name=f"credential-{number}")
    ended = await onboard(entra, application=full.client_id)
    assert ended.verdicts[-1].message.kind is kinds.CREDENTIALS_FULL
    assert ended.printed == []


async def test_an_application_that_was_deleted_can_be_restored(entra: Entra) -> None:
    """With the command that is printed; then the same run goes on."""
    assert Outcome.FAILED not in (await onboard(entra)).outcomes
    made = is_whole(entra)
    entra.directory.remove_application(made)
    made.has_service_principal = False
    gone = (await onboard(entra, application=made.client_id)).verdicts[-1].message
    assert gone.kind is kinds.APPLICATION_DELETED
    found = re.search(r"--method POST --url \S+(/directory/deletedItems/\S+/restore) && az ad sp create", gone.fix)
    assert found
    async with services(entra, administrator(entra)) as (graph, _, _):
        await graph.request("POST", found[1], body={})
    assert Outcome.FAILED not in (await onboard(entra, application=made.client_id)).outcomes
    assert is_whole(entra) is made

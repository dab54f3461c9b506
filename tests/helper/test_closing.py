"""Connections that are closed, inherited by a fork, or of another event loop: what becomes of a credential then."""

import asyncio
import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from kiota_authentication_azure.azure_identity_access_token_provider import AzureIdentityAccessTokenProvider

from m365_identity import EventLoopError, M365IdentityError, Retry, WorkloadIdentityCredential, aio
from testbed.entra import Entra
from tests.helper.support import SCOPE, Flavour, Pod, run
from tests.helper.test_credential import OTHER, move

pytestmark = pytest.mark.slow  # processes that a test forks

ONCE = Retry(bound=0)
VAULT = "https://vault.azure.net/.default"


def claims(number: int) -> str:
    """A claims challenge, for which no token is known."""
    return f'{{"access_token": {{"nbf": {{"essential": true, "value": "{number}"}}}}}}'


async def close(credential: Any) -> None:
    """Closes either kind."""
    ending = credential.close()
    if ending is not None:
        await ending


async def token(credential: Any, *scopes: str, **options: Any) -> str:
    """From either kind."""
    got = credential.get_token(*scopes, **options)
    return str((await got if asyncio.iscoroutine(got) else got).token)


def made(pod: Pod, kind: Flavour) -> Any:
    """A credential that makes one attempt."""
    return (WorkloadIdentityCredential if kind == "sync" else aio.WorkloadIdentityCredential)(
        environ=pod.environ, retry=ONCE, clock=pod.time.clock(kind)
    )


def test_after_its_end_it_opens_new_connections(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """Kept tokens, other ones, and those of a claims challenge; closing twice changes nothing."""
    pod.federate()

    async def use() -> None:
        credential = made(pod, kind)
        first = await token(credential, SCOPE)
        for ask in ({}, {"claims": claims(1)}, {"claims": claims(2)}):
            await close(credential)
            await close(credential)
            assert await token(credential, SCOPE, **ask)
        assert await token(credential, OTHER)
        await close(credential)
        assert await token(credential, VAULT) != first
        await close(credential)

    run(use())
    assert len(entra.exchanges) == 5


def test_closing_does_not_cut_what_is_under_way(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """kiota closes after each token, although other code asks for another one just then."""
    pod.federate()
    held = entra.next("login", slow=float("inf"))

    async def use() -> None:
        credential = made(pod, kind)
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as threads:
            if kind == "sync":
                first: Any = loop.run_in_executor(threads, credential.get_token, SCOPE)
            else:
                first = asyncio.ensure_future(credential.get_token(SCOPE))
            assert await asyncio.to_thread(held.reached.wait, 10)
            assert await token(credential, OTHER)
            await close(credential)
            held.release()
            assert (await first).token
        assert credential._home.opened is None
        assert await token(credential, VAULT)
        await close(credential)

    run(use())
    assert [asked.status for asked in entra.exchanges] == [200] * 3


def test_kiota_closes_after_each_token(pod: Pod, entra: Entra) -> None:
    """Its own code, with many requests at once."""
    pod.federate()

    async def use() -> set[str]:
        credential = aio.WorkloadIdentityCredential(environ=pod.environ, retry=ONCE)
        providers = [AzureIdentityAccessTokenProvider(credential, options=None, scopes=[s]) for s in (SCOPE, OTHER)]
        asking = [each.get_authorization_token("https://graph.microsoft.com/v1.0/me") for each in providers * 10]
        tokens = set(await asyncio.gather(*asking))
        await credential.close()
        return tokens

    assert len(run(use())) == 2


def test_a_good_token_is_not_lost_to_a_failed_renewal_after_closing(
    pod: Pod, entra: Entra, kind: Flavour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """azure-identity has forgotten it by then; Entra is left alone for half a minute, as before."""
    pod.federate()
    entra.behaviour.token_lifetime = 600

    async def use() -> None:
        credential = made(pod, kind)
        first = await token(credential, SCOPE)
        await close(credential)
        move(monkeypatch, entra, 400)
        entra.next("login", status=503, times=None)
        for _ in range(3):
            assert await token(credential, SCOPE) == first
            await close(credential)
        assert len(entra.exchanges) == 2
        pod.token_file.unlink()
        move(monkeypatch, entra, 40)
        assert await token(credential, SCOPE) == first
        await close(credential)
        entra.clear()
        pod.write()
        move(monkeypatch, entra, 40)
        assert await token(credential, SCOPE) != first
        move(monkeypatch, entra, 600)
        entra.next("login", status=503, times=None)
        with pytest.raises(M365IdentityError):
            await token(credential, SCOPE)
        await close(credential)

    run(use())


def in_child(work: Callable[[], object]) -> int:
    """Runs `work` in a forked process. Returns its id; its exit code is 0 if nothing was raised."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException as error:  # noqa: BLE001  # the child must not go on as a test
            os.write(2, f"in a child: {error!r}\n".encode())
        finally:
            os._exit(status)
    return child


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_workers_have_connections_of_their_own(pod: Pod, entra: Entra) -> None:
    """gunicorn --preload, multiprocessing: the parent has signed in; a lock is held at the fork; one attempt each."""
    pod.federate()
    with WorkloadIdentityCredential(environ=pod.environ, retry=ONCE) as credential:
        kept = credential.get_token(SCOPE).token
        home = credential._home

        def work(number: int) -> None:
            assert credential.get_token(SCOPE).token == kept
            for turn in range(2):
                assert credential.get_token(SCOPE, claims=claims(10 * number + turn)).token
            assert credential.get_token(OTHER).token

        locked = home.flights.setdefault(next(iter(home.flights)), threading.Lock())
        with home.making, locked:
            children = [in_child(lambda number=number: work(number)) for number in range(4)]  # type: ignore[misc]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert codes == [0] * 4
        assert credential.get_token(OTHER).token  # the parent's own connection still serves it
    exchanges = entra.exchanges
    assert [asked.status for asked in exchanges] == [200] * (1 + 4 * 3 + 1)
    assert len({asked.connection for asked in exchanges}) == 5
    assert exchanges[-1].connection == exchanges[0].connection


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_worker_has_an_event_loop_of_its_own(pod: Pod) -> None:
    """The parent has one with open connections, which are not the child's."""
    pod.federate()
    credential = aio.WorkloadIdentityCredential(environ=pod.environ, retry=ONCE)

    async def use() -> None:
        await credential.get_token(SCOPE)
        child = in_child(lambda: in_thread(credential))
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        await credential.close()

    def in_thread(credential: aio.WorkloadIdentityCredential) -> None:
        """Has an event loop of its own there, since the fork has come out of a running one."""
        with ThreadPoolExecutor(1) as threads:
            threads.submit(asyncio.run, last(credential)).result(30)

    run(use())


async def told(credential: aio.WorkloadIdentityCredential) -> None:
    """It says that it belongs to another event loop, and what to do."""
    with pytest.raises(EventLoopError) as caught:
        await credential.get_token(SCOPE)
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, M365IdentityError)
    assert caught.value.codes == ("WIH170",)
    assert "another event loop" in caught.value.summary
    assert "asyncio.run" in str(caught.value)
    assert "Fix: make the credential in the function that the event loop runs" in str(caught.value)


async def last(credential: aio.WorkloadIdentityCredential) -> None:
    assert await token(credential, VAULT)
    await credential.close()


def test_a_second_event_loop_is_told_so(pod: Pod) -> None:
    """At once and not at the first renewal, and the first loop goes on; after `close` another loop may use it."""
    pod.federate()
    credential = aio.WorkloadIdentityCredential(environ=pod.environ, retry=ONCE)

    async def first() -> None:
        await credential.get_token(SCOPE)
        await asyncio.to_thread(run, told(credential))
        with pytest.raises(EventLoopError):
            await asyncio.to_thread(run, credential.close())
        assert await token(credential, OTHER)
        await credential.close()

    run(first())
    run(last(credential))


def test_a_second_event_loop_that_begins_at_the_same_time_is_told_so(pod: Pod) -> None:
    """One has found no connections, and the other, in its thread, has opened some before the first could."""
    pod.federate()
    begun, opened, done = threading.Event(), threading.Event(), threading.Event()
    others: list[Future[None]] = []

    async def other(credential: aio.WorkloadIdentityCredential) -> None:
        assert await token(credential, VAULT)
        opened.set()
        await asyncio.to_thread(done.wait, 30)
        await credential.close()

    class Late(aio.WorkloadIdentityCredential):
        def _borrow(self) -> Any:
            if not begun.is_set():
                begun.set()  # first, because the other loop comes here, too, perhaps before `submit` returns
                others.append(threads.submit(asyncio.run, other(self)))
                assert opened.wait(30)
            return super()._borrow()

    with ThreadPoolExecutor(1) as threads:
        try:
            with pytest.raises(EventLoopError):
                run(Late(environ=pod.environ, retry=ONCE).get_token(SCOPE))
        finally:
            done.set()
        others[0].result(30)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_an_event_loop_that_has_ended_takes_its_connections_along(pod: Pod) -> None:
    """The same is said after its end. In another process, in which it does not matter that they were left open."""
    pod.federate()
    credential = aio.WorkloadIdentityCredential(environ=pod.environ, retry=ONCE)

    def work() -> None:
        warnings.simplefilter("ignore")
        asyncio.run(token(credential, SCOPE))
        asyncio.run(told(credential))
        asyncio.run(credential.close())
        asyncio.run(last(credential))

    assert os.waitstatus_to_exitcode(os.waitpid(in_child(work), 0)[1]) == 0

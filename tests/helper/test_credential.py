"""The two credentials: what they give, what they keep, and how many exchanges they make."""

import asyncio
import contextlib
import copy
import gc
import pickle
import sys
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.core.credentials import AccessToken, AccessTokenInfo, SupportsTokenInfo, TokenCredential
from azure.core.credentials_async import AsyncSupportsTokenInfo, AsyncTokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ChainedTokenCredential, CredentialUnavailableError
from azure.identity.aio import ChainedTokenCredential as AsyncChainedTokenCredential

from m365_identity import (
    ExchangeError,
    NotConfiguredError,
    Retry,
    SettingsError,
    TokenFileError,
    WorkloadIdentityCredential,
    aio,
)
from testbed.cluster.processes import wait_until
from testbed.entra import Entra
from tests.helper.support import SCOPE, Flavour, Get, Pod, run

OTHER = "https://management.azure.com/.default"


def test_both_are_what_azure_core_asks_for(pod: Pod) -> None:
    """Its protocols are checked at run time by those who take credentials."""
    with WorkloadIdentityCredential(environ=pod.environ) as credential:
        assert isinstance(credential, TokenCredential)
        assert isinstance(credential, SupportsTokenInfo)
    waiting = aio.WorkloadIdentityCredential(environ=pod.environ)
    assert isinstance(waiting, AsyncTokenCredential)
    assert isinstance(waiting, AsyncSupportsTokenInfo)
    run(waiting.close())


def test_a_token_is_a_real_access_token(pod: Pod) -> None:
    """msgraph-sdk sends an empty token for anything that only looks like one."""
    pod.federate()
    with WorkloadIdentityCredential(environ=pod.environ) as credential:
        token = credential.get_token(SCOPE, claims=None, tenant_id=None, enable_cae=True, unknown="ignored")
        info = credential.get_token_info(SCOPE)

    async def get() -> AccessToken:
        async with aio.WorkloadIdentityCredential(environ=pod.environ) as waiting:
            return await waiting.get_token(SCOPE, claims=None, tenant_id=None, enable_cae=True, unknown="ignored")

    for found in (token, run(get())):
        assert type(found) is AccessToken
        assert found.expires_on == pytest.approx(time.time() + 3599, abs=30)
    assert type(info) is AccessTokenInfo
    assert info.token_type == "Bearer"


def test_what_is_sent_is_what_entra_takes(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """Tenant, client, scope, and the file's content without the newline at its end."""
    pod.federate()
    pod.token_file.write_text(pod.write() + "\n")
    with pod.credential(kind) as get:
        get(SCOPE)
    (asked,) = entra.exchanges
    assert asked.status == 200
    assert (asked.tenant, asked.client_id) == (pod.application.tenant_id, pod.application.client_id)
    assert (asked.scope, asked.claims["sub"], asked.is_cae) == (SCOPE, "system:serviceaccount:shop:terraform", False)


def test_a_token_is_kept(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """For its scope; another scope, and a token that may be revoked early (CAE), are others."""
    pod.federate()
    with pod.credential(kind) as get:
        first = get(SCOPE)
        assert get(SCOPE) == first
        assert len(entra.exchanges) == 1
        get(OTHER)
        revocable = get(SCOPE, options={"enable_cae": True})
        assert len(entra.exchanges) == 3
        assert entra.exchanges[-1].is_cae
        assert (get(SCOPE), get(SCOPE, options={"enable_cae": True})) == (first, revocable)
        assert len(entra.exchanges) == 3


def test_a_claims_challenge_takes_no_kept_token_and_replaces_it(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """The one that Graph has refused must not be given again, neither now nor later."""
    pod.federate()
    with pod.credential(kind) as get:
        refused = get(SCOPE, options={"enable_cae": True})
        claims = '{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}'
        fresh = get(SCOPE, options={"enable_cae": True, "claims": claims})
        assert fresh.token != refused.token
        assert get(SCOPE, options={"enable_cae": True}) == fresh
        assert len(entra.exchanges) == 2


def test_another_tenant_must_be_allowed(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """By azure-identity's rule, and each tenant's token is its own."""
    pod.federate()
    other = "22222222-2222-4333-8444-555555555555"
    entra.application(client_id=pod.application.client_id, tenant_id=other).federate(
        issuer=entra.issuer.url, subject="system:serviceaccount:shop:terraform"
    )
    with pod.credential(kind) as get, pytest.raises(ClientAuthenticationError, match="additionally_allowed_tenants"):
        get(SCOPE, options={"tenant_id": other})
    with pod.credential(kind, additionally_allowed_tenants=[other]) as get:
        own, others = get(SCOPE), get(SCOPE, options={"tenant_id": other})
    assert own.token != others.token
    assert [asked.tenant for asked in entra.exchanges] == [pod.application.tenant_id, other]


def test_an_unknown_tenant_of_the_call_is_the_one_in_the_error(pod: Pod, kind: Flavour) -> None:
    """And says that the call asked for it, which no annotation can fix."""
    other = "22222222-2222-4333-8444-555555555555"
    with (
        pod.credential(kind, additionally_allowed_tenants=["*"]) as get,
        pytest.raises(ExchangeError, match=f"Tenant '{other}' not found") as caught,
    ):
        get(SCOPE, options={"tenant_id": other})
    advice = caught.value.advice
    assert advice is not None
    assert advice.meaning == f"{pod.settings.authority} does not know tenant {other}"
    own = pod.application.tenant_id
    assert advice.causes[0] == f"this call asked for tenant {other}, and the settings have {own}"
    assert pod.fails(kind).advice != advice


def test_a_call_without_scope_is_the_callers_mistake(pod: Pod, kind: Flavour) -> None:
    """And says what is usual."""
    with pod.credential(kind) as get, pytest.raises(ValueError, match="graph_scope"):
        get()


@pytest.mark.parametrize("moment", ["aging", "near its end"])
@pytest.mark.parametrize("fault", [{"status": 503}, {"cut": "answer"}, {"code": 700016}, {"body": b"{"}, None])
def test_a_good_token_is_not_lost_to_a_failed_renewal(
    pod: Pod,
    entra: Entra,
    kind: Flavour,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    fault: dict[str, object] | None,
) -> None:
    """Neither past Entra's `refresh_in` nor five minutes before its end, nor with a file that is gone (None)."""
    pod.federate()
    entra.behaviour.token_lifetime, entra.behaviour.refresh_in = (3599, 1800) if moment == "aging" else (600, None)
    with pod.credential(kind, bound=30) as get:
        first = get(SCOPE)
        if fault:
            entra.next("login", times=None, **fault)  # type: ignore[arg-type]
        else:
            pod.token_file.unlink()
        move(monkeypatch, entra, 2000 if moment == "aging" else 400)
        assert get(SCOPE).token == first.token
        assert pod.time.pauses == []
        asked = len(entra.exchanges)
        assert asked == (2 if fault else 1)
        assert get(SCOPE).token == first.token
        assert len(entra.exchanges) == asked  # azure-identity leaves Entra alone for half a minute
        entra.clear()
        pod.write()
        move(monkeypatch, entra, 40)
        assert get(SCOPE).token != first.token


def test_an_expired_token_is_not_given(pod: Pod, entra: Entra, kind: Flavour, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the failure is the answer."""
    pod.federate()
    with pod.credential(kind) as get:
        get(SCOPE)
        move(monkeypatch, entra, 3600)
        entra.next("login", code=700016)
        with pytest.raises(ExchangeError):
            get(SCOPE)


def move(monkeypatch: pytest.MonkeyPatch, entra: Entra, seconds: float) -> None:
    """The time of day goes on, for the emulator and for everybody here."""
    entra.clock.advance(seconds)
    monkeypatch.setattr(time, "time", entra.clock)


def test_threads_that_ask_together_make_one_exchange(pod: Pod, entra: Entra) -> None:
    """Twenty threads; the first is held at Entra until the others wait for it."""
    pod.federate()
    held = entra.next("login", slow=float("inf"))
    with pod.credential("sync") as get, ThreadPoolExecutor(21) as threads:
        first = threads.submit(get, SCOPE)
        assert held.reached.wait(60)
        others = [threads.submit(get, SCOPE) for _ in range(19)]
        other_scope = threads.submit(get, OTHER)
        assert other_scope.result(60).token  # no caller waits for another scope
        assert not first.done()
        held.release()
        assert {future.result(60).token for future in others} == {first.result(60).token}
    assert len(entra.exchanges) == 2


def await_queue(count: int) -> None:
    """Waits until so many threads wait for the exchange of another one."""

    def is_long() -> bool:
        return [frame.f_code.co_name for frame in sys._current_frames().values()].count("_flight") == count

    wait_until(is_long, f"{count} threads wait")


def test_threads_with_the_same_claims_challenge_make_one_exchange(pod: Pod, entra: Entra) -> None:
    """A revoked token is refused to all of them at once; another challenge is another exchange."""
    pod.federate()
    first, other = ('{"access_token":{"nbf":{"value":"%s"}}}' % value for value in (1, 2))  # noqa: UP031
    with pod.credential("sync") as get, ThreadPoolExecutor(5) as threads:
        get(SCOPE)
        held = entra.next("login", slow=float("inf"))
        asking = [threads.submit(get, SCOPE, options={"claims": first})]
        assert held.reached.wait(60)
        asking += [threads.submit(get, SCOPE, options={"claims": first}) for _ in range(4)]
        await_queue(4)
        held.release()
        assert len({future.result(60).token for future in asking}) == 1
        assert len(entra.exchanges) == 2
        get(SCOPE, options={"claims": other})
        get(SCOPE, options={"claims": other})
    assert len(entra.exchanges) == 4


def test_tasks_that_ask_together_make_one_exchange(pod: Pod, entra: Entra) -> None:
    """The same with asyncio."""
    pod.federate()

    async def ask() -> set[str]:
        async with aio.WorkloadIdentityCredential(environ=pod.environ) as credential:
            found = await asyncio.gather(*(credential.get_token_info(SCOPE) for _ in range(20)))
            return {token.token for token in found}

    assert len(run(ask())) == 1
    assert len(entra.exchanges) == 1


def test_those_who_wait_share_the_failure(pod: Pod, entra: Entra) -> None:
    """Twenty threads do not fail one after the other, each after its own series; each has an exception of its own."""
    held = entra.next("login", code=700016, times=None, slow=float("inf"))
    with pod.credential("sync") as get, ThreadPoolExecutor(20) as threads:

        def ask() -> ExchangeError:
            with pytest.raises(ExchangeError) as caught:
                get(SCOPE)
            return caught.value

        first = threads.submit(ask)
        assert held.reached.wait(60)
        others = [threads.submit(ask) for _ in range(19)]
        await_queue(19)
        held.release()
        errors = [first.result(60), *(future.result(60) for future in others)]
    assert len(entra.exchanges) == 1
    assert len({id(error) for error in errors}) == 20
    assert {str(error) for error in errors} == {str(errors[0])}


def test_a_failure_is_not_kept_for_later_calls(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """Once it is fixed, the next call succeeds."""
    with pod.credential(kind) as get:
        with pytest.raises(ExchangeError):
            get(SCOPE)
        pod.federate()
        assert get(SCOPE).token
    assert [asked.code for asked in entra.exchanges] == [70025, None]


def test_a_failure_keeps_nothing_of_its_caller(pod: Pod, kind: Flavour, caplog: pytest.LogCaptureFixture) -> None:
    """The credential remembers it for those who wait, and not the frames that its traceback holds."""
    caplog.set_level("CRITICAL", "azure.identity")  # pytest keeps the exceptions that are logged

    def call(get: Get) -> weakref.ref[Pod]:
        theirs = copy.copy(pod)
        with contextlib.suppress(ExchangeError):
            get(SCOPE)
        return weakref.ref(theirs)

    with pod.credential(kind) as get:
        theirs = call(get)
        gc.collect()
        assert theirs() is None


def test_a_renewal_that_hangs_holds_up_one_caller_only(pod: Pod, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others take the token that is still good."""
    pod.federate()
    entra.behaviour.token_lifetime = 600
    with pod.credential("sync") as get, ThreadPoolExecutor(2) as threads:
        first = get(SCOPE)
        move(monkeypatch, entra, 400)
        held = entra.next("login", slow=float("inf"))
        renewing = threads.submit(get, SCOPE)
        assert held.reached.wait(60)
        assert get(SCOPE).token == first.token
        assert not renewing.done()
        held.release()
        assert renewing.result(60).token != first.token


def test_an_asynchronous_renewal_holds_up_one_task_only(
    pod: Pod, entra: Entra, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with asyncio."""
    pod.federate()
    entra.behaviour.token_lifetime = 600

    async def ask() -> None:
        clock = pod.time.clock("async")
        async with aio.WorkloadIdentityCredential(environ=pod.environ, clock=clock) as credential:
            first = await credential.get_token_info(SCOPE)
            move(monkeypatch, entra, 400)
            held = entra.next("login", slow=float("inf"))
            renewing = asyncio.create_task(credential.get_token_info(SCOPE))
            assert await asyncio.to_thread(held.reached.wait, 10)
            assert (await credential.get_token_info(SCOPE)).token == first.token
            assert not renewing.done()
            held.release()
            assert (await renewing).token != first.token

    run(ask())


def test_a_task_that_is_cancelled_lets_the_next_one_ask(pod: Pod, entra: Entra) -> None:
    """A caller that waits for it takes over."""
    pod.federate()

    async def ask() -> None:
        async with aio.WorkloadIdentityCredential(environ=pod.environ) as credential:
            held = entra.next("login", slow=float("inf"))
            first = asyncio.create_task(credential.get_token_info(SCOPE))
            assert await asyncio.to_thread(held.reached.wait, 10)
            second = asyncio.create_task(credential.get_token_info(SCOPE))
            await asyncio.sleep(0)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            assert (await second).token
            held.release()

    run(ask())


def test_nothing_set_lets_a_chain_go_on(pod: Pod) -> None:
    """The constructor says nothing, and the first call is a CredentialUnavailableError with every name."""
    pod.federate()
    nothing = WorkloadIdentityCredential(environ={})
    assert repr(nothing).endswith("(not configured)")
    with pytest.raises(CredentialUnavailableError) as caught:
        nothing.get_token(SCOPE)
    assert isinstance(caught.value, NotConfiguredError)
    assert isinstance(caught.value, SettingsError)
    assert isinstance(caught.value, ValueError)
    assert len(caught.value.problems) == 3
    assert "M365_CLIENT_ID" in str(caught.value)
    with ChainedTokenCredential(nothing, WorkloadIdentityCredential(environ=pod.environ)) as chain:
        assert chain.get_token(SCOPE).token

    async def chained() -> str:
        nothing = aio.WorkloadIdentityCredential(environ={})
        there = aio.WorkloadIdentityCredential(environ=pod.environ)
        async with AsyncChainedTokenCredential(nothing, there) as chain:
            return (await chain.get_token(SCOPE)).token

    assert run(chained())


def test_what_is_set_up_wrongly_ends_a_chain(pod: Pod, entra: Entra) -> None:
    """A broken identity is reported, and not replaced by another one behind the user's back."""
    entra.next("login", code=700016, times=None)
    wrong = WorkloadIdentityCredential(environ=pod.environ, retry=Retry(bound=0))
    with ChainedTokenCredential(wrong, WorkloadIdentityCredential(environ=pod.environ)) as chain:
        with pytest.raises(ClientAuthenticationError, match="AADSTS700016"):
            chain.get_token(SCOPE)
    assert len(entra.exchanges) == 1


def test_wrong_settings_fail_in_the_constructor(pod: Pod, kind: Flavour) -> None:
    """Where the credential is made, and not where it is used."""
    with pytest.raises(SettingsError, match="M365_CLOUD"):
        with pod.credential(kind, environ={"M365_CLOUD": "x"}):
            raise AssertionError("it was made")


def test_settings_may_be_given_whole(pod: Pod, kind: Flavour) -> None:
    """And then nothing else of them."""
    pod.federate()
    environ = {"SSL_CERT_FILE": pod.environ["SSL_CERT_FILE"]}
    with pod.credential(kind, settings=pod.settings, environ=environ) as get:
        assert get(SCOPE).token
    with pytest.raises(ValueError, match="settings takes the place"):
        with pod.credential(kind, settings=pod.settings, client_id="x"):
            raise AssertionError("it was made")


def test_the_representation_names_who_signs_in(pod: Pod) -> None:
    """And nothing else."""
    with WorkloadIdentityCredential(environ=pod.environ) as credential:
        expected = f"(tenant_id='{pod.application.tenant_id}', client_id='{pod.application.client_id}')"
        assert repr(credential) == f"m365_identity.credential.WorkloadIdentityCredential{expected}"


@pytest.mark.parametrize("reason", ["gone", "empty", "binary", "no token"])
def test_a_file_of_no_use_fails_at_once(pod: Pod, entra: Entra, kind: Flavour, reason: str) -> None:
    """Without an exchange, and without waiting."""
    pod.federate()
    content = {"empty": b"", "binary": b"\0\xff", "no token": b"hello"}
    if reason == "gone":
        pod.token_file.unlink()
    else:
        pod.token_file.write_bytes(content[reason])
    error = pod.fails(kind, bound=30)
    assert isinstance(error, TokenFileError)
    assert isinstance(error, ClientAuthenticationError)
    assert (pod.time.pauses, entra.exchanges) == ([], [])


@pytest.mark.parametrize("cause", ["refused", "throttled", "cut", "no file", "settings"])
def test_every_exception_can_be_copied_and_pickled(pod: Pod, entra: Entra, cause: str) -> None:
    """Workers of other processes hand them on."""
    if cause == "cut":
        entra.next("login", cut="answer")
    elif cause == "no file":
        pod.token_file.unlink()
    elif cause == "throttled":
        entra.next("login", code=90055, retry_after=7)
    elif cause == "settings":
        pod.environ.clear()
    error = pod.fails("sync")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert {**vars(other), "exc_traceback": None} == {**vars(error), "exc_traceback": None}

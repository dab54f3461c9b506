"""What heals is tried again within the bound, all else fails at once; and how many requests that is."""

import asyncio
from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy
from azure.core.rest import HttpRequest

from m365_identity import ExchangeError, M365IdentityError, NoAnswerError, Retry, ThrottledError, aio
from m365_identity.credential import WorkloadIdentityCredential
from testbed.entra import Entra
from tests.helper.support import SCOPE, Flavour, Pod, run

pytestmark = pytest.mark.slow  # all together they take seconds


def test_a_credential_that_appears_within_the_bound_is_found(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """After twenty seconds of the thirty; the pauses double, with chance at its longest."""
    pod.federate(delay=20)
    with pod.credential(kind, bound=30) as get:
        assert get(SCOPE).token
    assert pod.time.pauses == [1, 2, 4, 8, 10]
    assert [asked.code for asked in entra.exchanges] == [70025] * 5 + [None]


def test_a_credential_that_appears_later_is_not_waited_for(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """After forty seconds: the library gives up at thirty, with seven attempts and what to do."""
    pod.federate(delay=40)
    error = pod.fails(kind, bound=30)
    assert isinstance(error, ExchangeError)
    assert (error.code, error.attempts, len(entra.exchanges)) == (70025, 7, 7)
    assert pod.time.now == 30
    assert str(error).startswith("AADSTS70025 (invalid_client, HTTP 401), after 7 attempts: ")


def test_a_longer_bound_finds_it(pod: Pod, kind: Flavour) -> None:
    """As the commands have it: five minutes."""
    pod.federate(delay=40)
    with pod.credential(kind, bound=300) as get:
        assert get(SCOPE).token
    assert 40 <= pod.time.now <= 50


def test_thirty_seconds_are_the_default() -> None:
    """Enough for most, and short enough for a request that waits behind it."""
    assert Retry().bound == 30


def test_on_retry_is_called_for_each_attempt(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """With the failure and the pause, before it is made: a command shows it."""
    pod.federate(delay=2)
    told: list[tuple[M365IdentityError, float]] = []
    with pod.credential(kind, bound=30, on_retry=lambda error, pause: told.append((error, pause))) as get:
        get(SCOPE)
    assert [pause for _, pause in told] == pod.time.pauses == [1, 2]
    assert all(isinstance(error, ExchangeError) and error.code == 70025 for error, _ in told)


@pytest.mark.parametrize(
    "fault",
    [
        {"code": 700213},
        {"code": 90061},
        {"code": 50196},
        {"code": 90033, "status": 400},
        {"status": 503},
        {"status": 500, "body": b"<html>", "content_type": "text/html"},
        {"status": 429},
        {"cut": "handshake"},
        {"cut": "answer"},
        {"cut": "headers"},
        {"cut": "body"},
        {"cut": "reset"},
    ],
    ids=str,
)
def test_a_failure_that_passes_is_tried_again(pod: Pod, entra: Entra, kind: Flavour, fault: dict[str, Any]) -> None:
    """Two failures, then a token: three attempts, one request each. Each failure says of itself that it may heal."""
    pod.federate()
    held = entra.next("login", times=2, **fault)
    told: list[M365IdentityError] = []
    with pod.credential(kind, bound=30, on_retry=lambda error, pause: told.append(error)) as get:
        assert get(SCOPE).token
    assert held.hits == 2
    assert [error.may_heal for error in told] == [True, True]
    assert pod.time.pauses == [1, 2]


@pytest.mark.parametrize(
    "fault",
    [
        {"code": 700016},
        {"code": 7002138},
        {"code": 700027},
        {"code": 90002},
        {"code": 53003},
        {"status": 403, "body": b"<html>", "content_type": "text/html"},
        {"body": b"{"},
        {"body": b'{"access_token": "cut'},
        {"content_type": "text/html"},
        {"status": 302, "body": b"", "headers": {"Location": "https://portal.example/"}},
    ],
    ids=str,
)
def test_what_does_not_pass_fails_at_once(pod: Pod, entra: Entra, kind: Flavour, fault: dict[str, Any]) -> None:
    """One attempt, one request, no pause."""
    pod.federate()
    held = entra.next("login", times=None, **fault)
    error = pod.fails(kind, bound=30)
    assert isinstance(error, ExchangeError)
    assert (held.hits, pod.time.pauses, error.attempts) == (1, [], 1)
    assert not error.may_heal


def test_retry_after_is_kept(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """It is longer than the pause would have been."""
    pod.federate()
    entra.next("login", status=429, retry_after=17)
    with pod.credential(kind, bound=30) as get:
        assert get(SCOPE).token
    assert pod.time.pauses == [17]


def test_a_retry_after_beyond_the_bound_fails_at_once(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """A minute, as Entra usually says: nothing is asked again, and the caller knows how long."""
    entra.next("login", status=429, retry_after=60, times=None)
    error = pod.fails(kind, bound=30)
    assert isinstance(error, ThrottledError)
    assert (error.retry_after, error.http_status, pod.time.pauses) == (60, 429, [])
    assert len(entra.exchanges) == 1


@pytest.mark.parametrize("bound", [0, 30])
def test_a_token_out_of_its_time_is_read_again_once(pod: Pod, entra: Entra, kind: Flavour, bound: float) -> None:
    """The kubelet has renewed it meanwhile: the second attempt, at once, has the new one."""
    pod.federate()
    pod.write(lifetime=-3600.0)
    pod.time.before_sleep = pod.write
    with pod.credential(kind, bound=bound) as get:
        assert get(SCOPE).token
    assert [asked.code for asked in entra.exchanges] == [700024, None]
    assert pod.time.pauses == [0]


def test_a_token_that_stays_out_of_its_time_fails_at_the_second_attempt(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """A file that is not renewed, as with subPath."""
    pod.federate()
    pod.write(lifetime=-3600.0)
    error = pod.fails(kind, bound=30)
    assert isinstance(error, ExchangeError)
    assert (error.code, len(entra.exchanges)) == (700024, 2)
    assert error.advice is not None
    assert any("subPath" in cause for cause in error.advice.causes), error.advice.causes


def test_a_server_that_hangs_costs_no_more_than_the_bound(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """Real time: a silence of half a second, and no further attempt."""
    pod.federate()
    held = entra.next("login", hang=True, times=None)
    error = pod.fails(kind, retry=Retry(bound=0, silence=0.5))
    assert isinstance(error, NoAnswerError)
    assert isinstance(error, ServiceResponseError)
    assert "did not answer in time" in str(error)
    assert held.hits == 1


def test_a_slow_server_is_waited_for(pod: Pod, entra: Entra, kind: Flavour) -> None:
    """Within the silence that it may keep."""
    pod.federate()
    entra.next("login", slow=0.3)
    with pod.credential(kind) as get:
        assert get(SCOPE).token
    assert len(entra.exchanges) == 1


@pytest.mark.parametrize(
    "fault", [{"status": 503, "times": None}, {"cut": "answer", "times": None}, {"cut": "handshake", "times": None}]
)
def test_the_retries_of_an_azure_sdk_client_do_not_multiply_ours(pod: Pod, entra: Entra, fault: dict[str, Any]) -> None:
    """A client with the usual retry policy, which repeats network errors: seven requests, and not seven times four."""
    held = entra.next("login", **fault)
    credential = WorkloadIdentityCredential(environ=pod.environ, clock=pod.time.clock("sync"))
    policies = [RetryPolicy(retry_backoff_factor=0), BearerTokenCredentialPolicy(credential, SCOPE)]
    with PipelineClient[Any, Any](entra.graph, policies=policies) as client, credential:
        with pytest.raises(M365IdentityError) as caught:
            client.send_request(HttpRequest("GET", f"{entra.graph}/v1.0/organization"))
    assert held.hits == 7
    assert isinstance(caught.value, ServiceRequestError | ServiceResponseError | ExchangeError)


def test_a_server_that_cannot_be_reached_is_an_error(pod: Pod, kind: Flavour) -> None:
    """As the exception that SDK users catch for it, with the fix."""
    error = pod.fails(kind, authority="https://127.0.0.1:1/")
    assert isinstance(error, ServiceRequestError)
    assert str(error).startswith("no connection to https://127.0.0.1:1/ (it refused the connection): ")
    assert "allow egress to 127.0.0.1:1, or set HTTPS_PROXY" in str(error)


def test_a_pause_of_asyncio_holds_up_no_other_task(pod: Pod) -> None:
    """The default clock sleeps with asyncio: another task runs meanwhile."""
    pod.federate()
    pod.entra.next("login", status=503)

    async def ask() -> int:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.01)

        other = asyncio.create_task(turn())
        retry = Retry(bound=30, first=0.6)
        async with aio.WorkloadIdentityCredential(environ=pod.environ, retry=retry) as credential:
            await credential.get_token(SCOPE)
        other.cancel()
        return turns

    assert run(ask()) > 5

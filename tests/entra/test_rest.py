"""Microsoft Graph and Azure Resource Manager as `Rest` asks them: retries, pages, failures, and what is never shown."""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from testbed.entra.client import Client
from testbed.entra.emulator import Entra, running
from webhook.entra.failures import Failed, Refused, Unreachable
from webhook.entra.rest import Rest

THINGS = [{"id": str(number)} for number in range(3)]


class Tokens:
    """Access tokens of one application of the emulator; `given` counts them."""

    def __init__(self, entra: Entra) -> None:
        with Client(entra) as client:
            self.token_ = client.token(client.application())
        self.asked: list[str] = []
        self.forgotten: list[str] = []

    async def token(self, root: str) -> str:
        self.asked.append(root)
        return self.token_

    def forget(self, root: str) -> None:
        self.forgotten.append(root)


@pytest.fixture(scope="module")
def entra() -> Iterator[Entra]:
    with running() as found:
        found.serve("/things", THINGS)
        yield found


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def debug() -> list[str]:
    return []


@pytest.fixture
def tokens(entra: Entra) -> Tokens:
    return Tokens(entra)


@pytest_asyncio.fixture
async def rest(
    entra: Entra, tokens: Tokens, pauses: list[float], debug: list[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Rest]:
    """Against the emulator's Graph, without waiting."""
    entra.clear()
    entra.forget_requests()
    monkeypatch.setenv("SSL_CERT_FILE", str(entra.ca_file))

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async with Rest(
        f"{entra.graph}/v1.0", tokens, name="Microsoft Graph", seconds=60, debug=debug.append, sleep=sleep
    ) as found:
        yield found


async def test_an_answer_has_its_body_and_the_id_of_the_request(rest: Rest, tokens: Tokens, entra: Entra) -> None:
    """The token is for the origin, not for the version."""
    answer = await rest.request("GET", "/things")
    assert (answer.status, answer.body["value"]) == (200, THINGS)
    assert answer.request_id
    assert tokens.asked == [entra.graph]


async def test_a_busy_service_is_asked_again_when_it_says(rest: Rest, entra: Entra, pauses: list[float]) -> None:
    """Seconds or a date; the answer counts, whatever came before."""
    entra.next("graph", status=429, retry_after=7)
    entra.next("graph", status=503, retry_after=formatdate(time.time() + 9, usegmt=True))
    assert (await rest.request("GET", "/things")).status == 200
    assert pauses[0] == 7
    assert 6 < pauses[1] <= 9


async def test_without_retry_after_pauses_double(rest: Rest, entra: Entra, pauses: list[float]) -> None:
    """From half a second, a quarter more or less, so that replicas do not come together."""
    entra.next("graph", status=503, times=3)
    await rest.request("GET", "/things")
    for pause, usual in zip(pauses, (0.5, 1.0, 2.0), strict=True):
        assert 0.75 * usual <= pause <= 1.25 * usual


async def test_a_pause_that_would_be_too_long_ends_it(rest: Rest, entra: Entra, pauses: list[float]) -> None:
    """The failure is the service's own."""
    entra.next("graph", status=429, retry_after=61)
    with pytest.raises(Refused) as caught:
        await rest.request("GET", "/things")
    assert (caught.value.status, caught.value.code, pauses) == (429, "TooManyRequests", [])
    assert "Microsoft Graph answers HTTP 429" in str(caught.value)


async def test_a_broken_connection_is_retried(rest: Rest, entra: Entra, pauses: list[float]) -> None:
    """The service never answered."""
    entra.next("graph", cut="reset")
    entra.next("graph", cut="headers")
    entra.next("graph", cut="body")
    assert (await rest.request("GET", "/things")).status == 200
    assert pauses


@pytest.mark.parametrize(("cut", "told"), [("headers", "before"), ("body", "in the middle of"), ("answer", "before")])
async def test_a_connection_that_ends_is_told_in_words(rest: Rest, entra: Entra, cut: Any, told: str) -> None:
    """aiohttp's own words are its objects, as Python shows them."""
    entra.next("graph", cut=cut)
    with pytest.raises(Unreachable) as caught:
        await rest.request("POST", "/things", body={}, repeatable=False)
    assert f"Microsoft Graph cannot be reached: the connection ended {told} the answer" in str(caught.value)


async def test_a_bug_of_the_service_is_not_waited_for(rest: Rest, entra: Entra, pauses: list[float]) -> None:
    """Two more attempts: 500 may pass, and may be what this request always gets."""
    entra.next("graph", status=500, times=2)
    assert (await rest.request("GET", "/things")).status == 200
    entra.next("graph", status=500, times=None)
    with pytest.raises(Refused):
        await rest.request("GET", "/things")
    assert len(pauses) == 4


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 504}, {"cut": "answer"}])
async def test_what_may_not_be_done_twice_is_not_retried_if_it_may_be_done(
    rest: Rest, entra: Entra, pauses: list[float], fault: dict[str, Any]
) -> None:
    """A 500, a gateway's 504, and a connection that ends after the request, leave it open. The failure says so."""
    entra.next("graph", **fault)
    with pytest.raises(Failed) as caught:
        await rest.request("POST", "/things", body={}, repeatable=False)
    assert (pauses, caught.value.is_open) == ([], True)


async def test_what_was_certainly_not_done_is_retried(rest: Rest, entra: Entra, pauses: list[float]) -> None:
    """429 says so."""
    entra.next("graph", status=429, retry_after=1)
    with pytest.raises(Refused) as caught:
        await rest.request("POST", "/things", body={}, repeatable=False)
    assert (caught.value.status, pauses, caught.value.is_open) == (405, [1], False)


async def test_404_of_something_new_is_waited_for(rest: Rest, entra: Entra, pauses: list[float]) -> None:
    """Only if the caller says so: a replica that does not know yet what another one made."""
    entra.next("graph", status=404, times=2)
    await rest.request("GET", "/things", awaited=30)
    assert len(pauses) == 2
    entra.next("graph", status=404)
    with pytest.raises(Refused):
        await rest.request("GET", "/things")
    assert (await rest.request("GET", "/things/9", ok=(404,))).status == 404


async def test_a_token_that_is_not_accepted_is_replaced_once(rest: Rest, entra: Entra, tokens: Tokens) -> None:
    """Then the refusal counts, with the fix of a right that is missing."""
    entra.next("graph", status=401)
    assert (await rest.request("GET", "/things")).status == 200
    assert tokens.forgotten == [entra.graph]
    entra.next("graph", status=401, times=2)
    with pytest.raises(Refused) as caught:
        await rest.request("GET", "/things")
    assert caught.value.problem.code == "WI875"


async def test_pages_are_followed_on_the_same_host_only(rest: Rest, entra: Entra) -> None:
    """A link elsewhere would carry the token there."""
    entra.serve("/one", {"value": [{"id": 1}], "@odata.nextLink": f"{entra.graph}/v1.0/two?$skiptoken=x"})
    entra.serve("/two", {"value": [{"id": 2}], "nextLink": f"{entra.graph}/v1.0/three"})
    entra.serve("/three", {"value": [{"id": 3}], "@odata.nextLink": "https://graph.example.com/v1.0/four"})
    pages = rest.pages("/one")
    assert [(await anext(pages))["id"] for _ in range(3)] == [1, 2, 3]
    with pytest.raises(Refused, match=r"it leads to https://graph\.example\.com"):
        await anext(pages)


async def test_a_service_that_is_away_is_named(tokens: Tokens) -> None:
    """With the host and the reason, after the time of the request."""
    async with Rest("https://127.0.0.1:9/v1.0", tokens, name="Microsoft Graph", seconds=0) as rest:
        with pytest.raises(Unreachable, match=r"Microsoft Graph cannot be reached: Cannot connect to host 127"):
            await rest.request("GET", "/things")


async def test_requests_under_way_are_bounded(entra: Entra, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a large cluster is not what Graph throttles."""
    monkeypatch.setenv("SSL_CERT_FILE", str(entra.ca_file))
    entra.clear()
    held = entra.next("graph", hang=True, times=None)
    async with Rest(f"{entra.graph}/v1.0", tokens, name="Graph", at_once=3, seconds=0) as rest:
        tasks = [asyncio.create_task(rest.request("GET", f"/things/{number}")) for number in range(6)]
        await asyncio.to_thread(held.reached.wait, 10)
        assert len(tokens.asked) == 3
        entra.clear()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_debug_lines_name_the_request_and_no_secret(
    rest: Rest, entra: Entra, tokens: Tokens, debug: list[str], tmp_path: Path
) -> None:
    """Method, path, status, request id and time; neither queries, headers nor bodies."""
    entra.next("graph", cut="reset")
    answer = await rest.request("POST", "/things?$top=5", body={"x": "secret-of-a-body"}, ok=(405,))
    assert debug[-1].startswith(f"POST /things 405 {answer.request_id} ")
    assert len(debug) == 2
    text = "\n".join(debug)
    assert [secret for secret in (tokens.token_, "secret-of-a-body", "$top") if secret in text] == []


async def test_a_bug_of_ours_shows_no_token_in_its_traceback(
    rest: Rest, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python prints lines of code, exceptions and their causes: the token is in none of them."""

    async def fail(response: aiohttp.ClientResponse) -> None:
        raise RuntimeError(f"{response!r} {response.request_info.method}")

    monkeypatch.setattr("webhook.entra.rest._read", fail)
    with pytest.raises(RuntimeError) as caught:
        await rest.request("GET", "/things")
    text = "".join(traceback.format_exception(caught.value)) + repr(rest) + repr(caught.value)
    assert "GET" in text
    assert tokens.token_ not in text

"""Faults on demand, seen from the other end of the wire."""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import threading
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import pytest
import requests

from testbed.entra import Application, Asked, Entra, running
from testbed.entra.client import Client

pytestmark = pytest.mark.slow

Where = Literal["login", "graph"]
PATIENCE = 60.0


def ask(client: Client, application: Application, where: Where) -> requests.Response:
    """One request for a token, or one to Graph that is signed in."""
    if where == "login":
        return client.exchange(application)
    return client.graph("/v1.0/organization", client.token(application))


both = pytest.mark.parametrize("where", ["login", "graph"])


@both
def test_a_fault_holds_for_one_request_by_default(entra: Entra, client: Client, app: Application, where: Where) -> None:
    """The next request and no other."""
    entra.next(where, status=503)
    assert [ask(client, app, where).status_code for _ in range(2)] == [503, 200]


@both
def test_several_times_and_in_order(entra: Entra, client: Client, app: Application, where: Where) -> None:
    """Faults form a queue."""
    entra.next(where, status=503, times=2)
    fault = entra.next(where, status=500)
    assert [ask(client, app, where).status_code for _ in range(4)] == [503, 503, 500, 200]
    assert fault.hits == 1


@both
def test_a_fault_can_hold_until_it_is_cleared(entra: Entra, client: Client, app: Application, where: Where) -> None:
    """However often; the other site's faults stay when one site's are cleared."""
    other: Where = "graph" if where == "login" else "login"
    entra.next(where, status=500, times=None)
    entra.next(other, at="nowhere", status=500)
    assert [ask(client, app, where).status_code for _ in range(3)] == [500, 500, 500]
    entra.clear(other)
    assert ask(client, app, where).status_code == 500
    entra.clear(where)
    assert ask(client, app, where).status_code == 200


def test_a_fault_can_hold_until_a_time(entra: Entra, client: Client, app: Application) -> None:
    """Throttled for a minute of the emulator's clock; Retry-After counts down."""
    entra.next("login", status=429, lasting=60.0)
    answer = client.exchange(app)
    assert (answer.status_code, answer.json()["error_codes"]) == (429, [90055])
    first = int(answer.headers["Retry-After"])
    assert 40 < first <= 60
    entra.clock.advance(40)
    assert 0 < int(client.exchange(app).headers["Retry-After"]) <= first - 40
    entra.clock.advance(20)
    assert client.exchange(app).ok


def test_a_fault_is_for_tokens_unless_it_says_otherwise(entra: Entra, client: Client, app: Application) -> None:
    """Discovery goes on at login; `at` picks something else."""
    discovery = f"{entra.login}{app.tenant_id}/v2.0/.well-known/openid-configuration"
    entra.next("login", status=503)
    entra.next("login", at="openid-configuration", status=500)
    assert client.get(discovery).status_code == 500
    assert client.get(discovery).status_code == 200
    assert client.exchange(app).status_code == 503


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"status": 429}, 429, 90055),
        ({"status": 503}, 503, 90033),
        ({"status": 500}, 500, 90006),
        ({"status": 400}, 400, 9002313),
        ({"status": 503, "code": 90024}, 503, 90024),
        ({"code": 700213}, 401, 700213),
    ],
)
def test_a_fault_of_login_has_entras_form(
    entra: Entra, client: Client, app: Application, fault: dict[str, Any], status: int, code: int
) -> None:
    """An error in Entra's form, for a status or a code; the sentence still names what was asked."""
    entra.next("login", **fault)
    answer = client.exchange(app)
    assert (answer.status_code, answer.json()["error_codes"]) == (status, [code])
    assert (entra.exchanges[-1].code, entra.exchanges[-1].client_id) == (code, app.client_id)


def test_a_gateways_answer_is_html(entra: Entra, client: Client, app: Application) -> None:
    """What stands before Entra does not speak JSON."""
    entra.next("login", status=502)
    answer = client.exchange(app)
    assert answer.status_code == 502
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"status": 401}, 401, "InvalidAuthenticationToken"),
        ({"status": 403}, 403, "Authorization_RequestDenied"),
        ({"status": 404}, 404, "Request_ResourceNotFound"),
        ({"status": 429}, 429, "TooManyRequests"),
        ({"status": 503}, 503, "ServiceUnavailable"),
        ({"status": 403, "code": "Forbidden"}, 403, "Forbidden"),
        ({"code": "Authorization_RequestDenied"}, 403, "Authorization_RequestDenied"),
        ({"status": 418}, 418, "UnknownError"),
        ({"status": 599}, 599, "UnknownError"),
    ],
)
def test_a_fault_of_graph_has_graphs_form(
    entra: Entra, client: Client, app: Application, fault: dict[str, Any], status: int, code: str
) -> None:
    """An error in Graph's form."""
    entra.next("graph", **fault)
    answer = ask(client, app, "graph")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)


@both
def test_a_fault_can_have_retry_after_and_other_headers(
    entra: Entra, client: Client, app: Application, where: Where
) -> None:
    """In seconds, or as the date that a proxy might send."""
    entra.next(where, status=429, retry_after=2)
    entra.next(where, status=503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT", headers={"X-Mark": "1"})
    assert ask(client, app, where).headers["Retry-After"] == "2"
    answer = ask(client, app, where)
    assert answer.headers["Retry-After"] == "Wed, 21 Oct 2026 07:28:00 GMT"
    assert answer.headers["X-Mark"] == "1"


def test_a_header_of_a_fault_replaces_the_answers_own(entra: Entra, client: Client, app: Application) -> None:
    """A header of the fault replaces the answer's own."""
    entra.next("graph", status=401, headers={"WWW-Authenticate": 'Bearer error="insufficient_claims", claims="e30="'})
    assert ask(client, app, "graph").headers["WWW-Authenticate"].endswith('claims="e30="')


@both
@pytest.mark.parametrize(
    ("fault", "body", "content_type"),
    [
        ({"body": b'{"access_'}, b'{"access_', "application/json"),
        ({"body": b""}, b"", "application/json"),
        ({"body": b"<html>", "content_type": "text/html"}, b"<html>", "text/html"),
        ({"status": 200, "body": b"null"}, b"null", "application/json"),
    ],
)
def test_bodies_that_are_wrong(
    entra: Entra,
    client: Client,
    app: Application,
    where: Where,
    fault: dict[str, Any],
    body: bytes,
    content_type: str,
) -> None:
    """Status 200, and not what it should be."""
    entra.next(where, **fault)
    answer = ask(client, app, where)
    assert (answer.status_code, answer.content) == (200, body)
    assert answer.headers["Content-Type"].startswith(content_type)


def test_a_true_answer_with_the_wrong_content_type(entra: Entra, client: Client, app: Application) -> None:
    """Only the label is wrong."""
    entra.next("login", content_type="text/plain")
    answer = client.exchange(app)
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.json()["access_token"]


@both
@pytest.mark.parametrize("cut", ["handshake", "answer", "body", "reset"])
def test_cut_connections(entra: Entra, client: Client, app: Application, where: Where, cut: Any) -> None:
    """The client has an error and no answer, and the next request succeeds; only what was asked is in the log."""
    entra.next(where, cut=cut)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        ask(client, app, where)
    assert ask(client, app, where).ok
    cuts = [asked for asked in entra.requests if asked.status == 0]
    assert [asked.on for asked in cuts] == ([] if cut == "handshake" else [where])


@pytest.mark.parametrize("cut", ["answer", "reset"])
def test_a_reset_resets_the_connection(entra: Entra, cut: Any) -> None:
    """Python's ssl calls both the end of the stream, so what is below TLS is looked at."""
    entra.next("graph", cut=cut)
    context = ssl.create_default_context(cafile=entra.ca_file)
    with (
        socket.create_connection(("127.0.0.1", entra.graph_server.port), timeout=PATIENCE) as plain,
        plain.dup() as below,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        ends = contextlib.nullcontext() if cut == "answer" else pytest.raises(ConnectionResetError)
        with ends:
            while below.recv(4096):
                pass  # TLS session tickets


@both
def test_cut_in_the_headers(entra: Entra, client: Client, app: Application, where: Where) -> None:
    """The status arrived: http.client, below requests, takes what follows for an empty body, status 200."""
    entra.next(where, cut="headers")
    answer = ask(client, app, where)
    assert (answer.status_code, answer.content, answer.headers.get("Content-Length")) == (200, b"", None)
    assert [asked.on for asked in entra.requests if asked.status == 0] == [where]


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@both
def test_a_slow_request_waits_until_it_is_released(
    entra: Entra, client: Client, app: Application, where: Where
) -> None:
    """The request waits, the test knows that it does, and then it gets the true answer."""
    answers: list[requests.Response] = []
    held = entra.next(where, slow=math.inf)
    thread = in_thread(lambda: answers.append(ask(client, app, where)))
    assert held.reached.wait(PATIENCE)
    assert not answers
    held.release()
    thread.join(PATIENCE)
    assert answers[0].ok


def test_a_slow_request_waits_for_seconds(entra: Entra, client: Client, app: Application) -> None:
    """The wait ends by itself, with the fault's own answer where it has one."""
    entra.next("login", slow=0.02, status=503)
    assert client.exchange(app).status_code == 503


def test_only_the_slow_request_waits(entra: Entra, client: Client, app: Application) -> None:
    """Others are served meanwhile."""
    held = entra.next("login", slow=math.inf)
    thread = in_thread(lambda: client.exchange(app))
    assert held.reached.wait(PATIENCE)
    with Client(entra) as other:
        assert other.exchange(app).ok
    entra.clear("graph")
    assert not held.released.is_set()
    entra.clear("login")
    thread.join(PATIENCE)


@both
def test_hanging_ends_without_an_answer(entra: Entra, client: Client, app: Application, where: Where) -> None:
    """Until released, and then the connection ends."""
    errors: list[Exception] = []

    def work() -> None:
        try:
            ask(client, app, where)
        except requests.ConnectionError as error:
            errors.append(error)

    held = entra.next(where, hang=True)
    thread = in_thread(work)
    assert held.reached.wait(PATIENCE)
    held.release()
    thread.join(PATIENCE)
    assert errors


def test_the_emulator_stops_though_a_client_hangs() -> None:
    """At the end of a test nothing is waited for, and the client has an error."""
    ended: list[str] = []
    with running() as entra:
        client = Client(entra)
        app = client.application()

        def work() -> None:
            try:
                client.exchange(app)
            except requests.ConnectionError:
                ended.append("cut")

        held = entra.next("login", hang=True)
        thread = in_thread(work)
        assert held.reached.wait(PATIENCE)
    thread.join(PATIENCE)
    client.session.close()
    assert ended == ["cut"]


def test_a_test_can_wait_for_requests(entra: Entra, client: Client, app: Application) -> None:
    """A test can wait for what a process in the background asks."""

    def three(log: Any) -> bool:
        return len([asked for asked in log if asked.on == "login"]) == 3

    thread = in_thread(lambda: [client.exchange(app) for _ in range(3)])
    assert entra.wait_for(three)[-1].on == "login"
    thread.join(PATIENCE)
    with pytest.raises(TimeoutError):
        entra.wait_for(lambda log: len(log) > 100, timeout=0.01)
    entra.forget_requests()
    assert not entra.requests


def test_the_log_can_be_listened_to() -> None:
    """`report` gets each entry."""
    heard: list[Asked] = []
    with running(report=heard.append) as entra, Client(entra) as client:
        client.exchange(client.application())
        assert heard == list(entra.requests)


@both
def test_the_date_may_be_wrong(entra: Entra, client: Client, app: Application, where: Where) -> None:
    """The Date header follows the emulator's clock, and is ahead of it by as much as a test says."""
    entra.clock.advance(-1000)
    entra.behaviour.date_skew = 600.0
    date = parsedate_to_datetime(ask(client, app, where).headers["Date"]).timestamp()
    assert 500 < date - entra.clock() <= 600


def test_a_fixed_clock_stands_still(entra: Entra) -> None:
    """Time stands still where the test says so, but for what it advances itself."""
    with running(clock=lambda: 1_800_000_000.0) as fixed, Client(fixed) as client:
        fixed.clock.advance(5)
        answer = client.exchange(client.application())
        assert fixed.clock() == 1_800_000_005.0
        assert answer.headers["Date"] == "Fri, 15 Jan 2027 08:00:05 GMT"


def test_a_fault_of_the_emulators_own_is_raised() -> None:
    """What breaks inside a server thread fails the test at its end."""
    entra = Entra()
    entra.serve("/broken", lambda _: 1 / 0)
    with Client(entra) as client:
        token = client.token(client.application())
        with pytest.raises(requests.ConnectionError):
            client.graph("/v1.0/broken", token)
    with pytest.raises(ZeroDivisionError):
        entra.close()

"""The protocol of `serve` and its server, in this process: what is asked, refused and answered."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from m365_identity import (
    ExchangeError,
    M365IdentityError,
    NoAnswerError,
    ThrottledError,
    TokenFileError,
    UnreachableError,
)
from m365_identity._commands import endpoint
from m365_identity._commands.endpoint import Endpoint
from m365_identity.errors import Advice

pytestmark = pytest.mark.slow

HEADER = "f6b36363-0b5c-4a5a-9f6f-0e0f3f4e5d6c"
CLIENT_ID = "aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb"
GRAPH = "https://graph.microsoft.com"
ADVICE = Advice(code="WIH999", meaning="what it means", fix="what to do")


@dataclass
class Served:
    """A server whose tokens are the scopes that they are for; what a test sets in `answer` is raised or called."""

    port: int = 0
    scopes: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    answer: Callable[[], object] = lambda: None

    def token(self, scope: str) -> AccessToken:
        self.scopes.append(scope)
        self.answer()
        return AccessToken(f"token for {scope}", 1767225600)

    def get(
        self, parameters: str = f"api-version=2019-08-01&resource={GRAPH}", *, path: str = "/token", **headers: str
    ) -> tuple[int, dict[str, Any], Message]:
        """Status, JSON and headers; the secret is sent unless it is given as another, or as ""."""
        sent = {"X-IDENTITY-HEADER": HEADER} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", f"{path}?{parameters}", headers={n: v for n, v in sent.items() if v})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers

    def send(self, raw: bytes) -> bytes:
        """The whole answer to these bytes, after which nothing more is sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            with contextlib.suppress(OSError):  # it may be closed before all is sent
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: connection.recv(4096), b""))
        return b""


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    with Endpoint(
        port=0, path="/token/", header=HEADER, client_id=CLIENT_ID, get_token=served.token, log=served.log.append
    ) as server:
        served.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        server.shutdown()
        thread.join()


def test_a_token_as_app_service_gives_it(served: Served) -> None:
    """Every member is text, the time too; nothing may be kept by a cache; the log has no token."""
    status, document, headers = served.get()
    assert status == 200
    assert document == {
        "access_token": f"token for {GRAPH}/.default",
        "expires_on": "1767225600",
        "resource": GRAPH,
        "token_type": "Bearer",
        "client_id": CLIENT_ID,
    }
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Type"] == "application/json"
    assert served.log[0].startswith(f"200 {GRAPH} ")
    assert "token for" not in served.log[0]


@pytest.mark.parametrize(
    ("resource", "scope"),
    [
        (GRAPH, f"{GRAPH}/.default"),
        (f"{GRAPH}/", f"{GRAPH}/.default"),
        (f"{GRAPH}/.default", f"{GRAPH}/.default"),
        (f"{GRAPH}//.default", f"{GRAPH}/.default"),
        ("https%3A%2F%2Fvault.azure.net%2F", "https://vault.azure.net/.default"),
        ("api://contoso", "api://contoso/.default"),
        ("00000003-0000-0000-c000-000000000000", "00000003-0000-0000-c000-000000000000/.default"),
    ],
)
def test_what_a_resource_is_for_entra(served: Served, resource: str, scope: str) -> None:
    """As SDKs spell it, with and without a slash at the end."""
    status, _, _ = served.get(f"resource={resource}&api-version=2019-08-01")
    assert (status, served.scopes) == (200, [scope])


@pytest.mark.parametrize("selector", [f"client_id={CLIENT_ID}", f"client_id={CLIENT_ID.upper()}", "client_id="])
def test_the_own_client_id_may_be_asked_for(served: Served, selector: str) -> None:
    """As a user-assigned identity is; further parameters of newer clients do not matter."""
    assert served.get(f"api-version=2019-08-01&resource={GRAPH}&{selector}&xms_cc=cp1")[0] == 200


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("", "api-version must be 2019-08-01"),
        (f"resource={GRAPH}", "api-version must be 2019-08-01"),
        (f"api-version=2018-02-01&resource={GRAPH}", "api-version must be 2019-08-01"),
        (f"api-version=2019-08-01&api-version=2019-08-01&resource={GRAPH}", "api-version is there 2 times"),
        ("api-version=2019-08-01", "resource is missing"),
        ("api-version=2019-08-01&resource=", "resource is missing"),
        ("api-version=2019-08-01&resource=/", "resource is missing"),
        ("api-version=2019-08-01&resource=a%20b", "resource is not the URI or id of one"),
        ("api-version=2019-08-01&resource=%C3%A9", "resource is not the URI or id of one"),
        ("api-version=2019-08-01&resource=%00", "resource is not the URI or id of one"),
        ("api-version=2019-08-01&resource=%FF", "the parameters cannot be read"),
        (f"api-version=2019-08-01&resource={'a' * 1001}", "resource is not the URI or id of one"),
        (f"api-version=2019-08-01&resource={GRAPH}&resource={GRAPH}", "resource is there 2 times"),
        (f"api-version=2019-08-01&resource={GRAPH}&{'a=b&' * 30}", "the parameters cannot be read"),
        (f"api-version=2019-08-01&resource={GRAPH}&client_id=another", f"client_id is not {CLIENT_ID}"),
        *(
            (f"api-version=2019-08-01&resource={GRAPH}&{name}=x", f"{name} cannot choose an identity here")
            for name in ("object_id", "principal_id", "mi_res_id", "msi_res_id")
        ),
    ],
)
def test_what_cannot_be_had_is_400(served: Served, parameters: str, said: str) -> None:
    """Which clients do not repeat, and a chain of credentials goes on after; Entra is not asked."""
    status, document, _ = served.get(parameters)
    assert (status, document["statusCode"]) == (400, 400)
    assert set(document) == {"statusCode", "message"}
    assert said in document["message"]
    assert not served.scopes


@pytest.mark.parametrize("value", ["", "wrong", HEADER.upper(), f"{HEADER}x", HEADER[:-1], "é"])
def test_the_secret_is_asked_for(served: Served, value: str) -> None:
    """Before anything else is said about the request."""
    status, document, _ = served.get("", X_IDENTITY_HEADER=value)
    assert (status, document["statusCode"]) == (401, 401)
    assert not served.scopes


def test_the_secret_twice_is_malformed(served: Served) -> None:
    """Two headers may be one that somebody else has added."""
    line = f"X-IDENTITY-HEADER: {HEADER}\r\n"
    request = f"GET /token?api-version=2019-08-01&resource=a HTTP/1.1\r\nHost: a\r\n{line}{line}\r\n"
    assert served.send(request.encode()).startswith(b"HTTP/1.1 400 ")
    assert not served.scopes


@pytest.mark.parametrize("name", ["X_Forwarded_For", "Forwarded"])
def test_what_was_forwarded_is_refused(served: Served, name: str) -> None:
    """A proxy that is made to ask in somebody's name adds it, whatever secret it was made to send."""
    status, document, _ = served.get(**{name: "10.0.0.1"})
    assert (status, document["statusCode"]) == (403, 403)
    assert not served.scopes


@pytest.mark.parametrize("path", ["/", "/tokens", "/token/x", "/x/token", "/token%20", "/health"])
def test_other_paths_are_not_found(served: Served, path: str) -> None:
    """With where tokens are."""
    status, document, _ = served.get(path=path)
    assert (status, document["message"]) == (404, "tokens are at /token")
    assert not served.scopes


def test_health_needs_no_secret_and_no_entra(served: Served) -> None:
    """It is about this server, is asked often, and not logged."""
    status, document, _ = served.get("", path="/healthz", X_IDENTITY_HEADER="")
    assert (status, document) == (200, {"status": "ok"})
    assert not served.scopes
    assert not served.log


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE", "BREW"])
def test_only_get(served: Served, method: str) -> None:
    """405, and the method that there is."""
    answer = served.send(f"{method} /token HTTP/1.1\r\nHost: a\r\nX-IDENTITY-HEADER: {HEADER}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"Allow: GET\r\n" in answer
    assert answer.endswith(b"\r\n\r\n" if method == "HEAD" else b"}")


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"GET /token HTTP/x\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_is_not_http_is_an_error_of_the_protocol(served: Served, raw: bytes) -> None:
    """JSON as all other answers."""
    answer = served.send(raw)
    assert b'{"statusCode": ' in answer
    assert b"<html" not in answer.lower()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"GET /token",
        b"GET /token HTTP/1.1\r\n",
        f"GET /token?api-version=2019-08-01&resource=a HTTP/1.1\r\nX-IDENTITY-HEADER: {HEADER}\r\n".encode(),
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(50)) + b"\r\n",
    ],
)
def test_half_a_request_and_one_that_is_too_long_get_no_answer(served: Served, raw: bytes) -> None:
    """The headers that are missing may be those for which it would be refused."""
    assert served.send(raw) == b""
    assert not served.scopes
    assert served.get()[0] == 200, "and the next one is served"


def test_a_slow_client_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has a time to be there in, whole: a byte now and then does not make it longer."""
    monkeypatch.setattr(endpoint._Handler, "seconds", 0.3)
    with socket.create_connection(("127.0.0.1", served.port), timeout=0.05) as connection:
        connection.sendall(b"GET /")
        for _ in range(200):
            with contextlib.suppress(TimeoutError):
                try:
                    connection.sendall(b"a")
                    assert connection.recv(100) == b""
                except ConnectionError:
                    pass  # it was closed while a byte was on its way
                return
    pytest.fail("it was waited for")


def test_it_listens_on_one_address_of_loopback_only(served: Served) -> None:
    """No other address of this machine answers, not even another one of loopback."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", served.port), timeout=30)


def exchange_error(code: int | None, status: int, *, may_heal: bool = False) -> ExchangeError:
    return ExchangeError(
        f"AADSTS{code}",
        code=code,
        error="invalid_client",
        http_status=status,
        correlation_id="",
        advice=ADVICE,
        may_heal=may_heal,
    )


def throttled(retry_after: float | None) -> ThrottledError:
    error = ThrottledError("HTTP 429", code=None, error="throttled", http_status=429, correlation_id="", advice=ADVICE)
    error.retry_after = retry_after
    return error


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (exchange_error(700016, 400), 400, None),
        (exchange_error(None, 404), 400, None),
        (exchange_error(700213, 401, may_heal=True), 503, None),
        (throttled(None), 429, None),
        (throttled(12.2), 429, "13"),
        (NoAnswerError("no answer", host="login", advice=ADVICE, may_heal=True), 503, None),
        (UnreachableError("its certificate is not trusted", host="login", advice=ADVICE), 400, None),
        (TokenFileError(Path("/token"), "is empty", ADVICE), 400, None),
    ],
)
def test_the_answer_for_a_failed_sign_in(
    served: Served, error: M365IdentityError, status: int, retry_after: str | None
) -> None:
    """400 for what stays, which no client repeats; 503 and 429 for what may heal. With the fix, here and in the log.

    The log has a line for each request; the causes are in the client's message.
    """

    def fail() -> None:
        raise error

    served.answer = fail
    answered, document, headers = served.get()
    assert (answered, document["statusCode"]) == (status, status)
    assert document["message"] == str(error)
    assert "Fix: what to do" in document["message"]
    assert headers.get("Retry-After") == retry_after
    assert served.log[0].startswith(f"{status} {GRAPH} ")
    (line,) = served.log
    assert line.endswith(f"{error.summary}; fix: what to do")
    assert "\n" not in line


def test_an_unexpected_error_is_500_without_its_text(served: Served) -> None:
    """An exception's text may hold anything."""

    def fail() -> None:
        raise RuntimeError("a secret")

    served.answer = fail
    status, document, _ = served.get()
    assert (status, document) == (500, {"statusCode": 500, "message": "RuntimeError in the endpoint"})
    assert "secret" not in served.log[0]


def test_a_name_in_the_log_is_harmless(served: Served) -> None:
    """What a client sends is cut, and what looks like a token is taken out."""
    served.get("api-version=2019-08-01&resource=eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln")
    assert "eyJ" not in served.log[0]


def test_requests_are_served_at_the_same_time_up_to_a_number(served: Served) -> None:
    """Many wait for Entra together, and one more waits to be let in."""
    most = endpoint._MOST_CONNECTIONS
    all_in, release = threading.Barrier(most + 1), threading.Event()

    def wait() -> None:
        all_in.wait(30)
        assert release.wait(30)

    served.answer = wait
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(served.get()[0])) for _ in range(most)]
    for thread in threads:
        thread.start()
    all_in.wait(30)
    with socket.create_connection(("127.0.0.1", served.port), timeout=0.2) as one_more:
        one_more.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        with pytest.raises(TimeoutError):
            one_more.recv(100)
        release.set()
        one_more.settimeout(30)
        assert one_more.recv(100).startswith(b"HTTP/1.1 200 ")
    for thread in threads:
        thread.join()
    assert statuses == [200] * most

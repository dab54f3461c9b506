"""What an attempt came to, read from answers and exceptions of every kind."""

import base64
import json
import socket
import ssl
from email.utils import formatdate

import hypothesis
import pytest
from azure.core.exceptions import IncompleteReadError, ServiceRequestError, ServiceResponseError
from hypothesis import given
from hypothesis import strategies as st

from m365_identity._failures import Failure, FailureKind, from_answer, from_exception, plain, retry_after
from tests.helper.tokens import jwt

NOW = 1_800_000_000.0
JSON = {"Content-Type": "application/json; charset=utf-8"}
TOKEN = {"access_token": "opaque", "expires_in": 3599, "token_type": "Bearer"}


def answer(status: int, document: object, **headers: str) -> Failure | None:
    """What a JSON answer comes to."""
    return from_answer(status=status, headers=JSON | headers, body=json.dumps(document).encode(), now=NOW)


@pytest.mark.parametrize("lifetime", [{"expires_in": 3599}, {"expires_in": "3599"}, {"expires_on": 1_800_003_599}])
def test_an_answer_with_a_token_is_not_a_failure(lifetime: dict[str, object]) -> None:
    """Whether its lifetime is a number or text."""
    assert answer(200, {"access_token": "opaque", **lifetime}) is None


def test_an_error_of_entras_is_read() -> None:
    """Code, word, status, sentence without its trailer, correlation id."""
    document = {
        "error": "invalid_client",
        "error_description": "AADSTS700213: No matching record.\r\nTrace ID: 1 Correlation ID: 2 Timestamp: 3",
        "error_codes": [700213],
        "correlation_id": "2",
    }
    failure = answer(401, document)
    assert failure == Failure(
        kind=FailureKind.REFUSED,
        description="AADSTS700213: No matching record.",
        http_status=401,
        error="invalid_client",
        codes=(700213,),
        correlation_id="2",
    )
    assert str(failure) == "AADSTS700213 (invalid_client, HTTP 401)"


def test_a_code_that_stands_in_the_sentence_only_is_found() -> None:
    """Some endpoints leave out error_codes."""
    failure = answer(400, {"error": "invalid_request", "error_description": "AADSTS90002: Tenant 'x' not found."})
    assert failure is not None
    assert failure.codes == (90002,)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"error": "invalid_request"}, "invalid_request (HTTP 400)"),
        ({"error": None, "error_codes": "x"}, "an error without a name (HTTP 400)"),
        ({"error": {"code": 1}, "error_codes": [True, "1", 1.5]}, "an error without a name (HTTP 400)"),
    ],
)
def test_an_error_without_a_code_is_one_too(document: dict[str, object], text: str) -> None:
    """Of whatever types its parts are."""
    failure = answer(400, document)
    assert failure is not None
    assert failure.kind is FailureKind.REFUSED
    assert failure.code is None
    assert str(failure) == text


@pytest.mark.parametrize(
    ("status", "headers", "body", "text"),
    [
        (200, JSON, b"{", "HTTP 200, a body that is not a JSON object"),
        (200, JSON, b"[1]", "HTTP 200, a body that is not a JSON object"),
        (200, JSON, b"[" * 100_000, "HTTP 200, a body that is not a JSON object"),
        (200, JSON, b"{}", "HTTP 200, no access_token"),
        (200, JSON, b'{"access_token": 1}', "HTTP 200, no access_token"),
        (200, JSON, b'{"access_token": "a"}', "HTTP 200, no lifetime"),
        (200, JSON, b'{"access_token": "a", "expires_in": "soon"}', "HTTP 200, no lifetime"),
        (200, {"Content-Type": "text/html"}, b"<html>", "HTTP 200, content of type text/html instead of a token"),
        (200, {}, b"<html>", "HTTP 200, content of type none instead of a token"),
        (204, JSON, b"", "HTTP 204, no token"),
        (302, {"Location": "https://portal/"}, b"", "HTTP 302, a redirect"),
        (403, {"Content-Type": "text/html"}, b"<html>", "HTTP 403, not one of Entra's errors"),
        (503, {"Content-Type": "text/html"}, b"<html>", "HTTP 503, not one of Entra's errors"),
        (500, JSON, b'{"message": "x"}', "HTTP 500, not one of Entra's errors"),
    ],
)
def test_what_no_token_endpoint_says_is_strange(status: int, headers: dict[str, str], body: bytes, text: str) -> None:
    """And none of it goes into the failure."""
    failure = from_answer(status=status, headers=headers, body=body, now=NOW)
    assert failure is not None
    assert failure.kind is FailureKind.STRANGE
    assert str(failure) == text


def test_headers_that_were_cut_off_are_no_answer() -> None:
    """http.client takes them for whole ones without a body."""
    failure = from_answer(status=200, headers={"Date": ""}, body=b"", now=NOW)
    assert failure is not None
    assert failure.kind is FailureKind.NO_ANSWER


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 1.5 ", 1.5),
        (formatdate(NOW + 60, usegmt=True), 60.0),
        (formatdate(NOW - 60, usegmt=True), 0.0),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("nan", None),
        ("1e400", None),
        ("9" * 400, None),
        ("Mon, 99 Nov 2026 23:44:20 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, seconds: float | None) -> None:
    """Seconds, or a date by the clock that is here; anything else is as if it were not there."""
    assert retry_after({"Retry-After": text}, NOW) == seconds


@hypothesis.settings(deadline=None)
@given(st.text())
def test_no_retry_after_breaks_the_reading(text: str) -> None:
    """It comes from a stranger."""
    seconds = retry_after({"Retry-After": text}, NOW)
    assert seconds is None or seconds >= 0


@hypothesis.settings(deadline=None)
@given(st.binary() | st.from_type(dict).map(lambda value: repr(value).encode()), st.integers(100, 599))
def test_no_answer_breaks_the_reading(body: bytes, status: int) -> None:
    """Whatever it is, it is not a token."""
    assert from_answer(status=status, headers=JSON, body=body, now=NOW) is not None


def test_a_token_that_an_answer_echoes_is_taken_out() -> None:
    """A proxy's page, or an error that quotes the request."""
    token = jwt(sub="x")
    failure = answer(400, {"error": f"bad {token}", "error_description": f"bad {token} and {token[:30]}"})
    assert failure is not None
    assert (failure.error, failure.description) == ("bad <token>", "bad <token> and <token>")


@pytest.mark.parametrize(
    "text",
    [
        "AADSTS90002: Tenant 'contosocorp.onmicrosoft.com' not found.",
        "No matching federated identity record found. Issuer: 'https://kubernetes.platform-team.example.com/'",
        "https://ossrdbms-aad.database.windows.net",
        "Authentication_Expired.ResourceNotFound.InnerError",
        "system:serviceaccount:platform-team:terraform.microsoft365.production",
    ],
)
def test_what_has_to_be_compared_is_left_as_it_is(text: str) -> None:
    """Names of tenants, issuers, hosts and ServiceAccounts have dots as a token has."""
    assert plain(text) == text


@hypothesis.settings(deadline=None)
@given(st.lists(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True), max_size=6))
def test_no_name_of_a_host_is_taken_for_a_token(labels: list[str]) -> None:
    """Whatever it is made of: a label has at most 63 characters."""
    name = ".".join(labels)
    assert plain(name) == name


@pytest.mark.parametrize("header", [{"alg": "RS256", "kid": "k" * 43}, {"alg": "none"}])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_token_is_taken_out_however_it_was_written_and_wherever_it_is_cut(
    header: dict[str, str], separators: tuple[str, str]
) -> None:
    """Header, payload and signature go as one; a payload alone goes too."""
    claims = {"iss": "https://issuer.example", "sub": "system:serviceaccount:shop:terraform", "aud": ["a"], "exp": 1}
    first, second = (
        base64.urlsafe_b64encode(json.dumps(part, separators=separators).encode()).decode().rstrip("=")
        for part in (header, claims)
    )
    spaced = base64.urlsafe_b64encode(b"{ " + json.dumps(header).encode()[1:]).decode().rstrip("=")
    for token in (f"{first}.{second}.{'s' * 342}", f"{spaced}.{second}.{'s' * 342}", f"{first}.{second}", second):
        for end in (len(token), 40):
            assert plain(f"bad {token[:end]}, sorry") == "bad <token>, sorry"
    assert plain(f"{'opaque' * 4}.{'x' * 64}.{'y' * 10}") == "<token>"


@hypothesis.settings(deadline=None)
@given(st.text())
def test_text_from_outside_is_one_printable_line(text: str) -> None:
    """No escape sequence reaches a terminal, no newline a log."""
    assert plain(text).isprintable()
    assert len(plain(text)) <= 600


class ProxyError(Exception):
    """As urllib3's."""


class ServerDisconnectedError(Exception):
    """As aiohttp's."""


def request_error(cause: Exception) -> ServiceRequestError:
    """As azure-core wraps what a library raises."""
    return ServiceRequestError(cause, error=cause)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (request_error(ConnectionRefusedError(111, "x")), FailureKind.UNREACHABLE, "it refused the connection"),
        (
            request_error(socket.gaierror(-2, "Name or service not known")),
            FailureKind.UNREACHABLE,
            "its name cannot be resolved (Name or service not known)",
        ),
        (
            request_error(ProxyError("host='login.microsoftonline.com', port=443")),
            FailureKind.UNREACHABLE,
            "the proxy cannot be reached",
        ),
        (request_error(ProxyError("x")), FailureKind.UNREACHABLE, "the proxy cannot be reached"),
        (request_error(ssl.SSLError(1, "wrong version")), FailureKind.UNREACHABLE, "it does not speak TLS as expected"),
        (request_error(TimeoutError()), FailureKind.UNREACHABLE, "the connection timed out"),
        (request_error(OSError(101, "x")), FailureKind.UNREACHABLE, "the connection failed"),
        (
            request_error(ServerDisconnectedError()),
            FailureKind.NO_ANSWER,
            "it cut the connection before it had answered",
        ),
        (
            ServiceResponseError(TimeoutError(), error=TimeoutError()),
            FailureKind.NO_ANSWER,
            "it did not answer in time",
        ),
        (IncompleteReadError("x"), FailureKind.NO_ANSWER, "it cut the connection before it had answered"),
    ],
)
def test_an_exception_is_explained_by_its_cause(error: Exception, kind: FailureKind, text: str) -> None:
    """In words of this library, since those of the libraries differ and may hold anything."""
    assert from_exception(error) == Failure(kind=kind, description=text)


def test_a_proxys_answer_has_its_status() -> None:
    """Its own, and no other number of the text."""
    tunnel = ProxyError("port=443", OSError("Tunnel connection failed: 407 Proxy Authentication Required"))
    assert from_exception(request_error(tunnel)) == Failure(
        kind=FailureKind.PROXY, description="the proxy answered 407", http_status=407
    )


def test_exceptions_that_come_from_each_other_end() -> None:
    """A circle of causes is gone round once."""
    first, second = ServiceRequestError("a"), OSError("b")
    first.__cause__, second.__cause__ = second, first
    assert from_exception(first).kind is FailureKind.UNREACHABLE

"""Every refusal of the token endpoint, with status, `error` and code."""

from __future__ import annotations

import re
import socket
import ssl
import uuid
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests

from testbed.entra import Application, Entra, SigningKey
from testbed.entra.aadsts import CODES
from testbed.entra.client import SUBJECT, Client

pytestmark = pytest.mark.slow

Answer = requests.Response

UNKNOWN = "99999999-2222-4333-8444-555555555555"


def seen(answer: Answer) -> tuple[int, str, int]:
    """Status, `error` and code of a refusal."""
    return answer.status_code, answer.json()["error"], answer.json()["error_codes"][0]


def test_the_body_of_an_error_has_entras_fields(entra: Entra, client: Client, app: Application) -> None:
    """All fields that a client may look for, and the ids in the description too."""
    identifier = str(uuid.uuid4())
    answer = client.exchange(app, client_id=UNKNOWN, headers={"client-request-id": identifier})
    body = answer.json()
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert body["error_codes"] == [700016]
    assert body["correlation_id"] == identifier
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", body["timestamp"])
    assert body["trace_id"] == answer.headers["x-ms-request-id"]
    assert body["error_uri"] == "https://login.microsoftonline.com/error?code=700016"
    assert body["error_description"].startswith(f"AADSTS700016: Application with identifier '{UNKNOWN}'")
    ids = f"Trace ID: {body['trace_id']} Correlation ID: {identifier} Timestamp: {body['timestamp']}"
    assert body["error_description"].endswith(ids)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"grant_type": None}, (400, "invalid_request", 900144)),
        ({"grant_type": "password"}, (400, "unsupported_grant_type", 70003)),
        ({"client_id": None}, (400, "invalid_request", 900144)),
        ({"client_id": UNKNOWN}, (400, "unauthorized_client", 700016)),
        ({"client_id": "contoso\n"}, (400, "unauthorized_client", 700016)),
        ({"scope": None}, (400, "invalid_request", 90014)),
        ({"scope": ""}, (400, "invalid_request", 90014)),
        ({"scope": "https://graph.microsoft.com/User.Read"}, (400, "invalid_scope", 1002012)),
        ({"scope": "openid"}, (400, "invalid_scope", 1002012)),
        ({"scope": "/.default"}, (400, "invalid_scope", 70011)),
        ({"scope": "https://graph.microsoft.com/.default a"}, (400, "invalid_scope", 70011)),
        (
            {"scope": "https://graph.microsoft.com/.default https://management.azure.com/.default"},
            (400, "invalid_scope", 70011),
        ),
        ({"scope": "https://graph.microsoft.us/.default"}, (400, "invalid_resource", 500011)),
        ({"client_assertion": None}, (401, "invalid_client", 7000218)),
        ({"client_assertion": ""}, (401, "invalid_client", 7000218)),
        ({"client_assertion": None, "client_secret": "x"}, (401, "invalid_client", 7000215)),
        ({"client_assertion_type": None}, (400, "invalid_request", 900144)),
        ({"client_assertion_type": "jwt"}, (401, "invalid_client", 7000216)),
        ({"client_assertion": "no.jwt"}, (400, "invalid_request", 50027)),
        ({"client_assertion": "\ufffd"}, (400, "invalid_request", 50027)),
        ({"tenant": UNKNOWN}, (400, "invalid_request", 90002)),
        ({"tenant": "fabrikam.onmicrosoft.com"}, (400, "invalid_request", 90002)),
        ({"tenant": "not%20a%20tenant"}, (400, "invalid_request", 900023)),
        ({"tenant": "organizations"}, (400, "invalid_request", 50059)),
    ],
)
def test_requests_that_are_wrong(
    entra: Entra, client: Client, app: Application, changes: dict[str, Any], expected: tuple[int, str, int]
) -> None:
    """Each field, missing or wrong."""
    assert seen(client.exchange(app, **changes)) == expected
    assert (entra.exchanges[-1].status, entra.exchanges[-1].code) == (expected[0], expected[2])


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"iss": "https://other.example"}, (401, "invalid_client", 700211)),
        ({"subject": "system:serviceaccount:shop:other"}, (401, "invalid_client", 700213)),
        ({"subject": "system:serviceaccount:Shop:terraform"}, (401, "invalid_client", 7002138)),
        ({"audience": "api://AzureADTokenExchangeUSGov"}, (401, "invalid_client", 700212)),
        ({"audience": "api://azureadtokenexchange"}, (401, "invalid_client", 700212)),
        ({"lifetime": -600}, (401, "invalid_client", 700024)),
        ({"nbf": 9_000_000_000}, (401, "invalid_client", 700024)),
        ({"exp": 1e300}, (200, "", 0)),
        ({"audience": ["api://AzureADTokenExchange", "other"]}, (400, "invalid_request", 50027)),
        ({"aud": "api://AzureADTokenExchange"}, (200, "", 0)),
        ({"aud": None}, (400, "invalid_request", 50027)),
        ({"aud": []}, (400, "invalid_request", 50027)),
        ({"iss": None}, (400, "invalid_request", 50027)),
        ({"sub": None}, (400, "invalid_request", 50027)),
        ({"exp": None}, (400, "invalid_request", 50027)),
        ({"exp": "soon"}, (400, "invalid_request", 50027)),
    ],
)
def test_assertions_that_are_wrong(
    entra: Entra, client: Client, app: Application, claims: dict[str, Any], expected: tuple[int, str, int]
) -> None:
    """Issuer, subject and audience are compared exactly; what is only of another form still succeeds."""
    answer = client.exchange(app, entra.issuer.token(**{"subject": SUBJECT, **claims}))
    assert (seen(answer) if not answer.ok else (200, "", 0)) == expected


def test_what_was_presented_is_named(entra: Entra, client: Client, app: Application) -> None:
    """The description quotes the part that did not fit."""
    answer = client.exchange(app, entra.issuer.token(subject="system:serviceaccount:shop:other"))
    assert "subject 'system:serviceaccount:shop:other'" in answer.json()["error_description"]
    assert "error_uri" not in answer.json()
    answer = client.exchange(app, entra.issuer.token(subject=SUBJECT, audience="api://other"))
    assert "audience 'api://other'" in answer.json()["error_description"]
    answer = client.exchange(app, entra.issuer.token(subject=SUBJECT, lifetime=-7200))
    assert re.search(r"Current time: \S+T\S+\.\d{7}Z, assertion valid from \S+Z", answer.json()["error_description"])


def test_a_slash_more_is_another_issuer(entra: Entra, client: Client) -> None:
    """The classic of AKS: the issuer ends with a slash, the credential's does not."""
    issuer = entra.add_issuer("/cluster/")
    app = entra.application()
    app.federate(issuer=issuer.url.rstrip("/"), subject=SUBJECT)
    assert seen(client.exchange(app, issuer.token(subject=SUBJECT))) == (401, "invalid_client", 700211)
    app.federate(issuer=issuer.url, subject=SUBJECT)
    assert client.exchange(app, issuer.token(subject=SUBJECT)).ok


def test_an_application_without_a_credential_is_told_as_one(entra: Entra, client: Client) -> None:
    """The refusal says that the application has no credential."""
    assert seen(client.exchange(entra.application())) == (401, "invalid_client", 70025)


def test_parts_of_several_credentials_make_none(entra: Entra, client: Client, app: Application) -> None:
    """Issuer of one and subject of another: the generic code."""
    app.federate(issuer="https://other.example", subject="system:serviceaccount:shop:other")
    answer = client.exchange(app, entra.issuer.token(subject="system:serviceaccount:shop:other"))
    assert seen(answer) == (401, "invalid_client", 70021)
    description = answer.json()["error_description"]
    assert f"Assertion Issuer: '{entra.issuer.url}'" in description
    assert "Assertion Audience: 'api://AzureADTokenExchange'" in description


def test_a_credential_takes_its_time(entra: Entra, client: Client, app: Application) -> None:
    """It is seen once its delay is over by the emulator's clock, and not a moment before."""
    app.unfederate()
    app.federate(issuer=entra.issuer.url, subject=SUBJECT, delay=40.0)
    assert seen(client.exchange(app))[2] == 70025
    entra.clock.advance(30)
    assert seen(client.exchange(app))[2] == 70025
    entra.clock.advance(11)
    assert client.exchange(app).ok


def test_a_removed_credential_is_gone(entra: Entra, client: Client, app: Application) -> None:
    """One of several goes, the others stay."""
    app.federate(issuer=entra.issuer.url, subject="other")
    app.unfederate(app.credentials[0])
    assert seen(client.exchange(app))[2] == 700213


@pytest.mark.parametrize(
    ("attempt", "says"),
    [
        (lambda app: app.federate(issuer="https://a.example", subject=""), "subject has 0"),
        (lambda app: app.federate(issuer="https://a.example", subject="x" * 601), "subject has 601"),
        (lambda app: [app.federate(issuer="https://a.example", subject="x") for _ in range(2)], "already"),
        (lambda app: [app.federate(issuer="https://a.example", subject=str(n)) for n in range(21)], "at most 20"),
    ],
)
def test_credentials_that_entra_would_not_take(
    app: Application, attempt: Callable[[Application], object], says: str
) -> None:
    """The limits of federated identity credentials."""
    with pytest.raises(ValueError) as raised:
        attempt(app)
    assert says in str(raised.value)


def test_a_disabled_application_is_refused(entra: Entra, client: Client, app: Application) -> None:
    """Switched off, and on again."""
    app.disabled = True
    assert seen(client.exchange(app)) == (400, "unauthorized_client", 7000112)
    app.disabled = False
    assert client.exchange(app).ok


def test_a_public_client_is_refused(client: Client) -> None:
    """It must not present an assertion, and without one has nothing to show."""
    app = client.application(public=True)
    assert seen(client.exchange(app)) == (401, "invalid_client", 700025)
    assert seen(client.exchange(app, client_assertion=None)) == (401, "invalid_client", 7000218)


def test_an_application_of_another_tenant_is_refused(entra: Entra, client: Client, app: Application) -> None:
    """The same client id in a tenant that has not installed it."""
    entra.tenant(UNKNOWN)
    assert seen(client.exchange(app, tenant=UNKNOWN)) == (400, "unauthorized_client", 700016)


@pytest.mark.parametrize("code", [90038, 900382])
def test_a_tenant_of_another_cloud_is_refused(entra: Entra, client: Client, app: Application, code: int) -> None:
    """Asked at the wrong authority."""
    entra.tenant(UNKNOWN, cloud="gcchigh", code=code)
    assert seen(client.exchange(app, tenant=UNKNOWN)) == (400, "invalid_request", code)


def test_discovery_of_an_unknown_tenant_is_refused(entra: Entra, client: Client) -> None:
    """The discovery document has another `error` than the token endpoint for the same code."""
    answer = client.get(f"{entra.login}{UNKNOWN}/v2.0/.well-known/openid-configuration")
    assert seen(answer) == (400, "invalid_tenant", 90002)


def test_a_forged_signature_is_refused(entra: Entra, client: Client, app: Application) -> None:
    """A key that the issuer does not publish, under a name of its own or under that of a real one."""
    for name in ("key-2", "key-1"):
        answer = client.exchange(app, entra.issuer.token(subject=SUBJECT, key=SigningKey(name)))
        assert seen(answer) == (401, "invalid_client", 700027)


def test_a_token_that_names_no_key_is_tried_with_all(entra: Entra, client: Client, app: Application) -> None:
    """`kid` is not required."""
    claims = jwt.decode(entra.issuer.token(subject=SUBJECT), options={"verify_signature": False})
    assert client.exchange(app, jwt.encode(claims, entra.issuer.key.private, algorithm="RS256")).ok
    forged = jwt.encode(claims, SigningKey("x").private, algorithm="RS256")
    assert seen(client.exchange(app, forged))[2] == 700027


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_algorithms_other_than_rsa_are_refused(entra: Entra, client: Client, app: Application, algorithm: str) -> None:
    """Unsigned, or signed with a key that is public."""
    claims = jwt.decode(entra.issuer.token(subject=SUBJECT), options={"verify_signature": False})
    key = None if algorithm == "none" else "k" * 64
    assertion = jwt.encode(claims, key, algorithm=algorithm)  # type: ignore[arg-type]
    assert seen(client.exchange(app, assertion)) == (400, "invalid_request", 5002738)


def test_clocks_may_differ_a_little(entra: Entra, client: Client, app: Application) -> None:
    """Five minutes, unless the test says otherwise."""
    expired = entra.issuer.token(subject=SUBJECT, lifetime=-60)
    assert client.exchange(app, expired).ok
    entra.behaviour.leeway = 0
    assert seen(client.exchange(app, expired))[2] == 700024


def test_a_newline_in_the_assertion_is_refused(entra: Entra, client: Client, app: Application) -> None:
    """What a token file ends with must not be sent."""
    assert seen(client.exchange(app, entra.issuer.token(subject=SUBJECT) + "\n"))[2] == 50027


def test_a_get_is_refused(entra: Entra, client: Client, app: Application) -> None:
    """The token endpoint looked at with a browser."""
    answer = client.get(f"{entra.login}{app.tenant_id}/oauth2/v2.0/token")
    assert seen(answer) == (400, "invalid_request", 900561)


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"grant_type=client_credentials", "application/json", 900144),
        (b"", "application/x-www-form-urlencoded", 900144),
        (b"&&&", "application/x-www-form-urlencoded", 9002313),
        (b"grant_type=\xff", "application/x-www-form-urlencoded", 9002313),
        (b"grant_type=%ff", "application/x-www-form-urlencoded", 9002313),
        (b"&".join([b"a=b"] * 101), "application/x-www-form-urlencoded", 9002313),
    ],
)
def test_bodies_that_are_not_a_form(
    entra: Entra, client: Client, app: Application, body: bytes, content_type: str, code: int
) -> None:
    """Malformed, of another type, or of too many fields."""
    url = f"{entra.login}{app.tenant_id}/oauth2/v2.0/token"
    answer = client.session.post(url, data=body, headers={"Content-Type": content_type}, timeout=60)
    assert seen(answer) == (400, "invalid_request", code)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Content-Length: 1048577", 413),
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length: many", 411),
        ("X: " + "x" * 70000, 431),
    ],
)
def test_a_large_body_is_refused_before_it_is_read(entra: Entra, app: Application, head: str, status: int) -> None:
    """More than 1 MiB is refused before it is read, and so is what does not say how much it is."""
    context = ssl.create_default_context(cafile=entra.ca_file)
    with (
        socket.create_connection(("127.0.0.1", entra.login_server.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        tls.sendall(f"POST /{app.tenant_id}/oauth2/v2.0/token HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
        assert tls.recv(64).startswith(f"HTTP/1.1 {status} ".encode())


def test_an_unknown_path_is_not_found(entra: Entra, client: Client, app: Application) -> None:
    """What the emulator does not have is not found."""
    for path in ("", app.tenant_id, f"{app.tenant_id}/oauth2/token", "common/discovery"):
        assert client.get(entra.login + path).status_code == 404


def test_every_code_can_be_demanded(entra: Entra, client: Client, app: Application) -> None:
    """Any code of the table comes when a test wants it, with its status and a sentence whose places are filled."""
    for number, code in CODES.items():
        entra.next("login", code=number)
        answer = client.exchange(app)
        assert seen(answer) == (code.status, code.error, number)
        assert answer.json()["error_description"].startswith(f"AADSTS{number}: ")
        assert "{" not in answer.json()["error_description"]
    assert client.exchange(app).ok


def test_an_unknown_code_can_be_asked_for(entra: Entra, client: Client, app: Application) -> None:
    """Clients meet new codes, too."""
    entra.next("login", code=7999999, status=401)
    assert seen(client.exchange(app)) == (401, "invalid_request", 7999999)

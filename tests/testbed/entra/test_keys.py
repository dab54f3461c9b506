"""From where the token endpoint gets the issuers' keys, and its errors if it does not get them."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from testbed.entra import Application, Entra, Issuer, SigningKey, running
from testbed.entra.client import SUBJECT, Client

pytestmark = pytest.mark.slow

ELSEWHERE = "https://kubernetes.default.svc.cluster.local"


def code_of(client: Client, application: Application, assertion: str) -> int | None:
    """The code of the refusal, None for success."""
    answer = client.exchange(application, assertion)
    return None if answer.ok else int(answer.json()["error_codes"][0])


def token(entra: Entra, **claims: Any) -> str:
    return entra.issuer.token(subject=SUBJECT, **claims)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 404}, 50166),
        ({"status": 503}, 50166),
        ({"cut": "handshake"}, 50166),
        ({"cut": "answer"}, 50166),
        ({"cut": "body"}, 50166),
        ({"body": b"<html>"}, 501661),
        ({"body": b"\xff"}, 501661),
        ({"body": b"[]"}, 501661),
        ({"body": b""}, 501661),
        ({"body": b'{"issuer": "https://other.example", "jwks_uri": "https://other.example/keys"}'}, 501661),
    ],
)
def test_a_discovery_document_that_cannot_be_fetched(
    entra: Entra, client: Client, app: Application, fault: dict[str, Any], code: int
) -> None:
    """No answer or a wrong status is one code, a useless document the other; the next request tries again."""
    entra.next("issuer", **fault)
    answer = client.exchange(app)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer.json()["error_codes"] == [code]
    assert "AADSTS" in answer.json()["error_description"]
    assert client.exchange(app).ok


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 403}, 50166),
        ({"body": b"{}"}, 501661),
        ({"body": b'{"keys": ["a"]}'}, 501661),
        ({"body": b'{"keys": []}'}, 700027),
    ],
)
def test_a_key_set_that_cannot_be_fetched(
    entra: Entra, client: Client, app: Application, fault: dict[str, Any], code: int
) -> None:
    """The second of the two documents."""
    entra.next("issuer", at="jwks", **fault)
    assert code_of(client, app, token(entra)) == code


def test_an_issuer_that_is_not_there(entra: Entra, client: Client, app: Application) -> None:
    """No server listens at the issuer's address."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"https://localhost:{unused.getsockname()[1]}"
    app.federate(issuer=url, subject=SUBJECT)
    assert code_of(client, app, token(entra, iss=url)) == 50166


def test_an_issuer_that_hangs_is_given_up() -> None:
    """The token endpoint does not wait for ever."""
    with running() as entra, Client(entra) as client:
        entra.keys.timeout = 0.05
        held = entra.next("issuer", hang=True)
        assert code_of(client, client.application(), token(entra)) == 50166
        assert held.hits == 1


def test_a_key_that_cannot_be_used_is_ignored(entra: Entra, client: Client, app: Application) -> None:
    """One entry of the set is nonsense: it verifies nothing."""
    entra.trust_jwks(entra.issuer.url, {"keys": [{"kid": "key-1", "kty": "RSA"}]})
    assert code_of(client, app, token(entra)) == 700027


def test_only_the_first_hundred_keys_count(entra: Entra, client: Client, app: Application) -> None:
    """The 101st is as if it were not published."""
    own = entra.issuer.key.public()
    others = [{**own, "kid": f"other-{number}"} for number in range(100)]
    entra.trust_jwks(entra.issuer.url, {"keys": [*others[:99], own]})
    assert code_of(client, app, token(entra)) is None
    entra.trust_jwks(entra.issuer.url, {"keys": [*others, own]})
    assert code_of(client, app, token(entra)) == 700027


def test_a_new_key_stays_unknown_for_a_while(entra: Entra, client: Client, app: Application) -> None:
    """After a rotation the old set is good until it may be fetched again, five minutes after the last time."""
    assert client.exchange(app).ok
    entra.issuer.rotate()
    assert code_of(client, app, token(entra)) == 700027
    entra.clock.advance(301)
    assert code_of(client, app, token(entra)) is None


def test_a_retired_key_is_known_until_the_set_is_old(entra: Entra, client: Client, app: Application) -> None:
    """Tokens of a key that is no longer published work until then, and not after."""
    old = entra.issuer.key
    assert client.exchange(app).ok
    entra.issuer.rotate(keep_old=False)
    assert code_of(client, app, token(entra, key=old)) is None
    entra.clock.advance(86401)
    assert code_of(client, app, token(entra, key=old)) == 700027


def test_keys_can_be_forgotten(entra: Entra, client: Client, app: Application) -> None:
    """A test that needs no delay can remove it."""
    assert client.exchange(app).ok
    entra.issuer.rotate(keep_old=False)
    entra.keys.forget()
    assert code_of(client, app, token(entra)) is None


def test_each_issuer_has_its_own_keys(entra: Entra, client: Client, app: Application) -> None:
    """Two issuers on one server, both with a key-1: the one cannot sign for the other."""
    second = entra.add_issuer("/second")
    app.federate(issuer=second.url, subject=SUBJECT)
    assert code_of(client, app, second.token(subject=SUBJECT)) is None
    assert code_of(client, app, second.token(subject=SUBJECT, key=entra.issuer.key)) == 700027
    assert code_of(client, app, second.token(subject=SUBJECT, iss=entra.issuer.url)) == 700027


def test_given_keys_are_never_fetched(entra: Entra, client: Client, app: Application) -> None:
    """An issuer whose address leads nowhere, with keys from elsewhere."""
    cluster = Issuer(ELSEWHERE, clock=entra.clock, audience="api://AzureADTokenExchange")
    app.federate(issuer=ELSEWHERE, subject=SUBJECT)
    entra.trust_jwks(ELSEWHERE, cluster.jwks())
    assert code_of(client, app, cluster.token(subject=SUBJECT)) is None
    assert not [asked for asked in entra.requests if asked.on == "issuer"]


@pytest.mark.parametrize("issuer", [ELSEWHERE, f"{ELSEWHERE}/cluster/"])
def test_documents_can_be_fetched_from_another_address(
    entra: Entra, client: Client, app: Application, issuer: str
) -> None:
    """As with a kube-apiserver: its documents name the issuer's address, and it wants a bearer token."""
    app.federate(issuer=issuer, subject=SUBJECT)
    with running() as apiserver:
        cluster = apiserver.issuer
        address, cluster.url = cluster.url, issuer
        entra.fetch_from(issuer, address, apiserver.ca_file, token="opaque")
        assert code_of(client, app, cluster.token(subject=SUBJECT)) is None
        assert [asked.path for asked in apiserver.requests] == ["/.well-known/openid-configuration", "/openid/v1/jwks"]
        assert {asked.is_bearer for asked in apiserver.requests} == {True}
        entra.fetch_from(issuer, address)
        assert code_of(client, app, cluster.token(subject=SUBJECT)) == 50166  # its authority is no longer trusted


def test_a_signing_key_is_made_once() -> None:
    """However often it is asked for."""
    key = SigningKey("a")
    assert key.private is key.private

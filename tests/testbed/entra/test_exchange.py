"""A token request that succeeds: what comes back, and what the access token says."""

from __future__ import annotations

import threading
import uuid

import jwt
import pytest

from testbed.entra import TENANT_ID, Application, Entra, running
from testbed.entra.client import SUBJECT, Client

pytestmark = pytest.mark.slow


def claims_of(entra: Entra, token: str) -> dict[str, object]:
    """The access token's claims, once its signature fits the keys that the login server publishes."""
    with Client(entra) as client:
        keys = client.get(f"{entra.login}common/discovery/v2.0/keys").json()
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, object] = jwt.decode(token, key, algorithms=["RS256"], options={"verify_aud": False})
    return claims


def test_an_assertion_becomes_an_access_token(entra: Entra, client: Client, app: Application) -> None:
    """The answer has the fields of Entra's, no expires_on and no refresh token, and must not be cached."""
    answer = client.exchange(app)
    assert answer.status_code == 200
    assert set(answer.json()) == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == answer.json()["ext_expires_in"] == 3599
    assert answer.headers["Cache-Control"] == "no-store, no-cache"
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_the_access_token_says_who_may_do_what(entra: Entra, client: Client, app: Application) -> None:
    """The claims by which whoami tells tenant, application, roles and expiry."""
    claims = claims_of(entra, client.token(app))
    now = int(entra.clock())
    assert claims["aud"] == "https://graph.microsoft.com"
    assert claims["iss"] == f"https://sts.windows.net/{TENANT_ID}/"
    assert (claims["tid"], claims["appid"]) == (TENANT_ID, app.client_id)
    assert (claims["ver"], claims["idtyp"]) == ("1.0", "app")
    assert claims["roles"] == ["Organization.Read.All"]
    assert isinstance(claims["iat"], int)
    assert now - 10 <= claims["iat"] <= now
    assert claims["exp"] == claims["iat"] + 3599


def test_a_token_without_roles_is_issued_all_the_same(entra: Entra, client: Client) -> None:
    """Without consent there is no claim `roles`; only Graph complains."""
    assert "roles" not in claims_of(entra, client.token(client.application(roles=())))


def test_a_role_given_later_is_in_the_next_token(entra: Entra, client: Client, app: Application) -> None:
    """Consent after issuance needs a new token."""
    app.roles = ("Directory.Read.All",)
    assert claims_of(entra, client.token(app))["roles"] == ["Directory.Read.All"]


def test_a_test_may_set_lifetime_and_refresh_in(entra: Entra, client: Client, app: Application) -> None:
    """Long tokens come with refresh_in."""
    entra.behaviour.token_lifetime, entra.behaviour.refresh_in = 86400, 43200
    answer = client.exchange(app).json()
    assert (answer["expires_in"], answer["refresh_in"]) == (86400, 43200)
    claims = claims_of(entra, answer["access_token"])
    assert isinstance(claims["exp"], int)
    assert isinstance(claims["iat"], int)
    assert claims["exp"] - claims["iat"] == 86400


@pytest.mark.parametrize(
    "scope",
    [
        "https://graph.microsoft.com/.default",
        "https://graph.microsoft.com/.default openid offline_access profile",
        "openid https://graph.microsoft.com/.default",
        "00000003-0000-0000-c000-000000000000/.default",
    ],
)
def test_each_scope_of_graph_is_accepted(entra: Entra, client: Client, app: Application, scope: str) -> None:
    """With the scopes that MSAL for Go adds, and by Graph's application id."""
    assert client.graph("/v1.0/organization", client.exchange(app, scope=scope).json()["access_token"]).ok


def test_another_resource_has_no_roles_of_graph(entra: Entra, client: Client, app: Application) -> None:
    """A token for Azure Resource Manager is not one for Graph."""
    token = client.exchange(app, scope="https://management.azure.com//.default").json()["access_token"]
    claims = claims_of(entra, token)
    assert claims["aud"] == "https://management.azure.com/"
    assert "roles" not in claims
    assert client.graph("/v1.0/organization", token).status_code == 401


def test_a_tenant_may_be_named_by_its_domain(entra: Entra, client: Client, app: Application) -> None:
    """In any case; the token has the id."""
    token = client.exchange(app, tenant="Contoso.OnMicrosoft.com").json()["access_token"]
    assert claims_of(entra, token)["tid"] == TENANT_ID


def test_a_client_that_can_do_cae_is_noticed(entra: Entra, client: Client, app: Application) -> None:
    """CP1 is in the log and in the token."""
    claims = '{"access_token":{"xms_cc":{"values":["CP1"]}}}'
    token = client.exchange(app, claims=claims).json()["access_token"]
    assert claims_of(entra, token)["xms_cc"] == ["CP1"]
    assert entra.exchanges[-1].is_cae


@pytest.mark.parametrize(
    ("cloud", "audience", "graph"),
    [
        ("gcchigh", "api://AzureADTokenExchangeUSGov", "https://graph.microsoft.us"),
        ("dod", "api://AzureADTokenExchangeUSGov", "https://dod-graph.microsoft.us"),
        ("china", "api://AzureADTokenExchangeChina", "https://microsoftgraph.chinacloudapi.cn"),
        ("rx", "api://AzureADTokenExchangeUSSec", "https://graph.microsoft.scloud"),
    ],
)
def test_each_cloud_has_its_own_audience_and_graph(cloud: str, audience: str, graph: str) -> None:
    """Each cloud has its audience and its Graph, and refuses those of other clouds."""
    with running(cloud=cloud) as entra, Client(entra) as client:
        app = client.application()
        assert app.credentials[0].audience == audience
        assert entra.graph_scope == f"{graph}/.default"
        assert client.graph("/v1.0/organization", client.token(app)).ok
        foreign = client.exchange(app, scope="https://graph.microsoft.com/.default")
        assert foreign.json()["error_codes"] == [500011]
        public = entra.issuer.token(subject=SUBJECT, audience="api://AzureADTokenExchange")
        assert client.exchange(app, public).json()["error_codes"] == [700212]


@pytest.mark.parametrize("cloud", ["gcchigh", "dod"])
def test_the_us_governments_graph_has_two_names(cloud: str) -> None:
    """The provider asks for one of them and means the other."""
    with running(cloud=cloud) as entra, Client(entra) as client:
        app = client.application()
        for host in ("graph.microsoft.us", "dod-graph.microsoft.us"):
            assert client.exchange(app, scope=f"https://{host}/.default").ok


def test_keys_come_from_the_issuer_once(entra: Entra, client: Client, app: Application) -> None:
    """Discovery, then the key set, and no more for the exchanges after that."""
    for _ in range(3):
        assert client.exchange(app).ok
    asked = [request.path for request in entra.requests if request.on == "issuer"]
    assert asked == ["/.well-known/openid-configuration", "/openid/v1/jwks"]


def test_connections_are_kept_alive(entra: Entra, client: Client, app: Application) -> None:
    """One connection for many requests, as with Entra."""
    for _ in range(3):
        assert client.exchange(app).ok
    assert {asked.connection for asked in entra.exchanges} == {1}


def test_many_threads_get_tokens_at_once(entra: Entra, app: Application) -> None:
    """Threads that start together all get tokens by one key."""
    tokens: list[str] = []

    def ask() -> None:
        with Client(entra) as client:
            tokens.append(client.token(app))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 8
    for token in tokens:
        assert claims_of(entra, token)["appid"] == app.client_id


def test_the_clients_request_id_comes_back(entra: Entra, client: Client, app: Application) -> None:
    """As a header and in the log; an id that is not a GUID is replaced."""
    identifier = str(uuid.uuid4())
    assert client.exchange(app, headers={"client-request-id": identifier}).headers["client-request-id"] == identifier
    assert entra.exchanges[-1].correlation_id == identifier
    other = client.exchange(app, headers={"client-request-id": "mine"}).headers["client-request-id"]
    assert uuid.UUID(other)


def test_the_log_has_claims_and_no_tokens(entra: Entra, client: Client, app: Application) -> None:
    """Whatever a test prints of the log, no token is in it."""
    assertion = entra.issuer.token(subject=SUBJECT)
    token = client.exchange(app, assertion).json()["access_token"]
    client.graph("/v1.0/organization", token)
    asked = entra.exchanges[0]
    assert (asked.client_id, asked.tenant, asked.scope) == (app.client_id, TENANT_ID, entra.graph_scope)
    assert asked.claims["sub"] == SUBJECT
    assert (asked.status, asked.code) == (200, None)
    everything = repr(entra.requests)
    for secret in (assertion, token):
        assert all(part not in everything for part in secret.split("."))


def test_the_discovery_documents_have_the_clients_addresses(entra: Entra, client: Client, app: Application) -> None:
    """The documents that MSAL reads first, with the addresses by which the client came."""
    document = client.get(f"{entra.login}{TENANT_ID}/v2.0/.well-known/openid-configuration").json()
    assert document["token_endpoint"] == f"{entra.login}{TENANT_ID}/oauth2/v2.0/token"
    assert document["issuer"] == f"{entra.login}{TENANT_ID}/v2.0"
    assert document["authorization_endpoint"].startswith(entra.login)
    assert client.get(document["jwks_uri"]).json()["keys"][0]["kty"] == "RSA"
    common = client.get(f"{entra.login}common/v2.0/.well-known/openid-configuration").json()
    assert common["issuer"].endswith("/{tenantid}/v2.0")


def test_instance_discovery_knows_microsofts_hosts(entra: Entra, client: Client) -> None:
    """Microsoft's hosts are known, and the emulator's own; others are not."""
    url = f"{entra.login}common/discovery/instance"

    def ask(host: str) -> dict[str, object]:
        endpoint = f"https://{host}/{TENANT_ID}/oauth2/v2.0/authorize"
        query = {"api-version": "1.1", "authorization_endpoint": endpoint}
        answer: dict[str, object] = client.get(url, params=query).json()
        return answer

    for host in ("login.microsoftonline.com", "login.microsoftonline.us", entra.login[8:-1]):
        expected = f"https://{host}/{TENANT_ID}/v2.0/.well-known/openid-configuration"
        assert ask(host)["tenant_discovery_endpoint"] == expected
    assert ask("login.example.com")["error"] == "invalid_instance"
    assert ask("login.example.com")["error_codes"] == [50049]

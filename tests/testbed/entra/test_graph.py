"""Graph: who may read what, and the bodies of its errors."""

from __future__ import annotations

import uuid

import pytest
import requests

from testbed.entra import TENANT_ID, Application, Entra, running
from testbed.entra.api import Api
from testbed.entra.client import Client

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("version", ["v1.0", "beta"])
def test_the_organization_has_id_name_and_domains(entra: Entra, client: Client, app: Application, version: str) -> None:
    """The tenant by its id, name and domains."""
    entra.tenant(TENANT_ID, name="Fabrikam", domains=["fabrikam.example"])
    answer = client.graph(f"/{version}/organization", client.token(app))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json()["@odata.context"] == f"https://graph.microsoft.com/{version}/$metadata#organization"
    (organization,) = answer.json()["value"]
    assert (organization["id"], organization["displayName"]) == (TENANT_ID, "Fabrikam")
    assert organization["verifiedDomains"][0]["name"] == "fabrikam.example"


def test_parts_of_the_organization_can_be_asked_for(client: Client, app: Application) -> None:
    """$select, $top, one entity by its id in both spellings, HEAD."""
    token = client.token(app)
    chosen = client.graph("/v1.0/organization?$select=id,displayName", token).json()["value"]
    assert chosen == [{"id": TENANT_ID, "displayName": "Contoso"}]
    assert client.graph("/v1.0/organization?$top=0", token).json()["value"] == []
    for path in (f"/v1.0/organization/{TENANT_ID}", f"/v1.0/organization('{TENANT_ID}')"):
        assert client.graph(path, token).json()["displayName"] == "Contoso"
    head = client.session.head(
        f"{client.entra.graph}/v1.0/organization", headers={"Authorization": f"Bearer {token}"}, timeout=60
    )
    assert (head.status_code, head.content) == (200, b"")


def test_the_subscribed_skus_are_listed(client: Client, app: Application) -> None:
    """What the provider's simplest data source reads."""
    (sku,) = client.graph("/v1.0/subscribedSkus", client.token(app)).json()["value"]
    assert sku["id"].startswith(TENANT_ID)
    assert sku["prepaidUnits"]["enabled"] == 25


def test_another_api_is_answered_with_its_documents() -> None:
    """One that the login server answers for by its name, with the documents that it was given."""
    api = Api(host="api.example.com", audiences=("https://api.example.com",), documents={"/things": {"value": [1]}})
    with running(apis=[api]) as entra, Client(entra) as client:
        app = client.application()
        token = str(client.exchange(app, scope="https://api.example.com/.default").json()["access_token"])

        def ask(path: str, token: str) -> requests.Response:
            headers = {"Host": api.host} | ({"Authorization": f"Bearer {token}"} if token else {})
            return client.session.get(f"{entra.login.rstrip('/')}{path}", headers=headers, timeout=60)

        assert ask("/Things/?api-version=1", token).json() == {"value": [1]}
        assert ask("/things", "").status_code == 401
        assert ask("/things", client.token(app)).status_code == 401
        assert ask("/other", token).status_code == 404
        assert [(asked.on, asked.status) for asked in entra.requests if asked.on == "api"] == [
            ("api", 200),
            ("api", 401),
            ("api", 401),
            ("api", 404),
        ]


@pytest.mark.parametrize(
    ("path", "role", "status"),
    [
        ("organization", "Organization.Read.All", 200),
        ("organization", "Directory.Read.All", 200),
        ("organization", "User.Read.All", 403),
        ("organization", "LicenseAssignment.Read.All", 403),
        ("subscribedSkus", "LicenseAssignment.Read.All", 200),
        ("subscribedSkus", "User.Read.All", 403),
    ],
)
def test_one_of_several_roles_opens_a_path(client: Client, path: str, role: str, status: int) -> None:
    """One of several roles opens a path, others do not."""
    token = client.token(client.application(roles=[role]))
    assert client.graph(f"/v1.0/{path}", token).status_code == status


def test_a_missing_role_is_graphs_403(client: Client) -> None:
    """The body of Graph's 403."""
    identifier = str(uuid.uuid4())
    token = client.token(client.application(roles=()))
    answer = client.graph("/v1.0/organization", token, headers={"client-request-id": identifier})
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["code"] == "Authorization_RequestDenied"
    assert error["message"] == "Insufficient privileges to complete the operation."
    assert set(error["innerError"]) == {"date", "request-id", "client-request-id"}
    assert error["innerError"]["client-request-id"] == answer.headers["client-request-id"] == identifier


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        ("", "Access token is empty."),
        ("Bearer ", "Access token is empty."),
        ("Basic abc", "Access token is empty."),
        ("Bearer abc", "not well formed"),
        ("Bearer {assertion}", "validation failure"),
        ("Bearer {token}x", "not well formed"),
    ],
)
def test_tokens_that_graph_does_not_take(
    entra: Entra, client: Client, app: Application, authorization: str, message: str
) -> None:
    """The body of Graph's 401, and the header that says where to sign in."""
    value = authorization.format(assertion=entra.issuer.token(), token=client.token(app))
    answer = client.graph("/v1.0/organization", headers={"Authorization": value})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"
    assert message in answer.json()["error"]["message"]
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/')
    assert (entra.calls[-1].status, entra.calls[-1].code) == (401, "InvalidAuthenticationToken")


def test_an_expired_token_is_refused(entra: Entra, client: Client, app: Application) -> None:
    """By the emulator's clock."""
    token = client.token(app)
    entra.clock.advance(3500)
    assert client.graph("/v1.0/organization", token).ok
    entra.clock.advance(100)
    answer = client.graph("/v1.0/organization", token)
    assert answer.json()["error"]["message"] == "Lifetime validation failed, the token is expired."


def test_a_token_of_another_entra_is_refused(client: Client, app: Application) -> None:
    """Signed by another key."""
    with running() as other, Client(other) as stranger:
        token = stranger.token(stranger.application())
    answer = client.graph("/v1.0/organization", token)
    assert answer.json()["error"]["message"] == "Access token validation failure. Invalid signature."


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1.0/nothing", 400, "BadRequest"),
        ("/v2.0/organization", 400, "BadRequest"),
        (f"/v1.0/organization/{TENANT_ID[:-1]}0", 404, "Request_ResourceNotFound"),
    ],
)
def test_what_is_not_there(client: Client, app: Application, path: str, status: int, code: str) -> None:
    """A segment or a version that does not exist is a bad request, an entity is not found."""
    answer = client.graph(path, client.token(app))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_nothing_can_be_written(client: Client, app: Application) -> None:
    """Only reading is emulated."""
    headers = {"Authorization": f"Bearer {client.token(app)}"}
    url = f"{client.entra.graph}/v1.0/organization"
    assert client.session.post(url, json={}, headers=headers, timeout=60).status_code == 405


def test_a_test_may_add_paths(entra: Entra, client: Client, app: Application) -> None:
    """A list of entities, a single one, or what a function makes for the tenant."""
    entra.serve("/users", [{"id": "1", "displayName": "Ann"}], roles=["User.Read.All"])
    entra.serve("/policies/one", {"id": "one", "on": True})
    entra.serve("/tenantNames", lambda tenant: [{"id": tenant.id, "name": tenant.name}])
    token = client.token(app)
    assert client.graph("/v1.0/users", token).status_code == 403
    app.roles = ("User.Read.All",)
    token = client.token(app)
    assert client.graph("/beta/users/1", token).json()["displayName"] == "Ann"
    assert client.graph("/v1.0/policies/one", token).json()["on"] is True
    assert client.graph("/v1.0/policies/one/more", token).status_code == 404
    assert client.graph("/v1.0/tenantNames", token).json()["value"][0]["name"] == "Contoso"


def test_the_login_port_is_graph_too_by_name(entra: Entra, client: Client, app: Application) -> None:
    """With hostAliases both names lead to one address."""
    headers = {"Host": "graph.microsoft.com", "Authorization": f"Bearer {client.token(app)}"}
    assert client.get(f"{entra.login}v1.0/organization", headers=headers).ok
    assert entra.calls[-1].path == "/v1.0/organization"


def test_the_log_knows_who_called(entra: Entra, client: Client, app: Application) -> None:
    """Tenant, application and roles, from the access token's claims."""
    client.graph("/v1.0/organization", client.token(app), headers={"User-Agent": "me"})
    asked = entra.calls[-1]
    assert (asked.tenant, asked.client_id, asked.user_agent) == (TENANT_ID, app.client_id, "me")
    assert asked.claims["roles"] == ["Organization.Read.All"]

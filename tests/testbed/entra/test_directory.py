"""The write side of Graph: who may do what, delays, and that the token endpoint uses what was made there."""

from __future__ import annotations

import pytest

from testbed.entra import TENANT_ID, Application, Entra
from testbed.entra.client import Client
from tests.testbed.entra.support import CREDENTIAL, Graph, seen

pytestmark = pytest.mark.slow  # all together they take seconds


@pytest.fixture
def writer(entra: Entra, client: Client) -> Graph:
    """An application that may write all applications and consent."""
    roles = ["Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All"]
    return Graph(client, entra.application(name="writer", roles=roles))


def test_what_is_made_signs_in(entra: Entra, client: Client, writer: Graph) -> None:
    """Application, service principal, permission and credential by Graph; the token has the permission."""
    made = writer.made("/applications", displayName="shop")
    where = f"/applications/{made['id']}"
    writer.made(f"{where}/federatedIdentityCredentials", **{**CREDENTIAL, "issuer": entra.issuer.url})
    application = entra.directory.application(TENANT_ID, made["appId"])
    assert application is not None
    assert client.exchange(application).json()["error_codes"] == [7000229]
    principal = writer.made("/servicePrincipals", appId=made["appId"])
    graph = writer.ask("GET", "/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')").json()
    role = next(each for each in graph["appRoles"] if each["value"] == "Group.Read.All")
    assert role["id"] == "5b567255-7703-4780-807c-7be8301ae99b"
    assert len(graph["appRoles"]) >= 40
    body = {"principalId": principal["id"], "resourceId": graph["id"], "appRoleId": role["id"]}
    writer.made(f"/servicePrincipals/{principal['id']}/appRoleAssignments", **body)
    assert client.exchange(application).ok
    client.graph("/v1.0/organization", client.token(application))
    assert entra.calls[-1].claims["roles"] == ["Group.Read.All"]
    assert entra.calls[-1].claims["oid"] == principal["id"]


@pytest.mark.parametrize(
    ("roles", "is_owner", "expected"),
    [
        (["Application.ReadWrite.All"], False, 201),
        (["Application.ReadWrite.OwnedBy"], True, 201),
        (["Application.ReadWrite.OwnedBy"], False, 403),
        (["Application.Read.All"], True, 403),
        (["Directory.Read.All"], False, 403),
        ([], True, 403),
    ],
)
def test_which_application_may_write(
    entra: Entra, client: Client, app: Application, roles: list[str], is_owner: bool, expected: int
) -> None:
    """By the roles of its token, and by the owners of what it writes."""
    caller = entra.application(name="caller", roles=roles)
    if is_owner:
        app.owners.append(caller.object_id)
    graph = Graph(client, caller)
    answer = graph.ask("POST", f"/applications(appId='{app.client_id}')/federatedIdentityCredentials", CREDENTIAL)
    assert answer.status_code == expected
    if expected == 403:
        assert answer.json()["error"]["message"] == "Insufficient privileges to complete the operation."
        assert len(app.credentials) == 1


@pytest.mark.parametrize(
    ("roles", "is_owner", "expected"),
    [(["Cloud Application Administrator"], False, 201), ([], True, 201), ([], False, 403)],
)
def test_which_user_may_write(
    entra: Entra, client: Client, app: Application, roles: list[str], is_owner: bool, expected: int
) -> None:
    """An administrator of applications, or the owner."""
    user = entra.user("ann@contoso.onmicrosoft.com", roles=roles)
    if is_owner:
        app.owners.append(user.id)
    where = f"/applications/{app.registration_id}/federatedIdentityCredentials"
    assert Graph(client, user).ask("POST", where, CREDENTIAL).status_code == expected


def test_who_creates_an_application_owns_it(entra: Entra, client: Client) -> None:
    """So an application with OwnedBy may go on with what it made, but may not consent."""
    graph = Graph(client, entra.application(name="maker", roles=["Application.ReadWrite.OwnedBy"]))
    made = graph.made("/applications", displayName="mine")
    graph.made(f"/applications/{made['id']}/federatedIdentityCredentials", **CREDENTIAL)
    principal = graph.made("/servicePrincipals", appId=made["appId"])
    owners = graph.ask("GET", f"/applications/{made['id']}/owners").json()["value"]
    assert len(owners) == 1
    body = dict.fromkeys(("principalId", "resourceId", "appRoleId"), principal["id"])
    answer = graph.ask("POST", f"/servicePrincipals/{principal['id']}/appRoleAssignments", body)
    assert seen(answer) == (403, "Authorization_RequestDenied")


def test_the_token_endpoint_learns_later(entra: Entra, client: Client, app: Application, writer: Graph) -> None:
    """Of a credential that was made, changed or removed."""
    entra.settings.propagation = 60
    where = f"/applications/{app.registration_id}/federatedIdentityCredentials"
    (old,) = writer.ask("GET", where).json()["value"]
    assert writer.ask("PATCH", f"{where}/{old['id']}", {"subject": "other"}).status_code == 204
    assert writer.ask("GET", f"{where}/{old['id']}").json()["subject"] == "other"
    other = entra.issuer.token(subject="other")
    assert client.exchange(app).ok
    assert client.exchange(app, other).json()["error_codes"] == [700213]
    entra.clock.advance(61)
    assert client.exchange(app).json()["error_codes"] == [700213]
    assert client.exchange(app, other).ok
    assert writer.ask("DELETE", f"{where}/{old['id']}").status_code == 204
    assert client.exchange(app, other).ok
    entra.clock.advance(61)
    assert client.exchange(app, other).json()["error_codes"] == [70025]


def test_an_application_is_not_known_everywhere_at_once(entra: Entra, writer: Graph) -> None:
    """404 and NoBackingApplicationObject, and then as if nothing had been."""
    entra.settings.replication = 20
    made = writer.made("/applications", displayName="new")
    where = f"/applications/{made['id']}"
    assert seen(writer.ask("GET", where)) == (404, "Request_ResourceNotFound")
    answer = writer.ask("POST", "/servicePrincipals", {"appId": made["appId"]})
    assert answer.json()["error"]["details"][0]["code"] == "NoBackingApplicationObject"
    entra.clock.advance(21)
    assert writer.ask("GET", where).ok
    principal = writer.made("/servicePrincipals", appId=made["appId"])
    assert writer.ask("GET", f"/servicePrincipals/{principal['id']}").status_code == 404
    entra.clock.advance(21)
    assert writer.ask("GET", f"/servicePrincipals/{principal['id']}").ok


def test_a_managed_identity_is_a_service_principal(entra: Entra, writer: Graph) -> None:
    """With its address in ARM, and not an application."""
    identity = entra.managed_identity("shop")
    shown = writer.ask("GET", f"/servicePrincipals?$filter=appId eq '{identity.client_id}'").json()["value"][0]
    assert shown["servicePrincipalType"] == "ManagedIdentity"
    assert shown["alternativeNames"] == ["isExplicit=True", identity.arm_id]
    assert writer.ask("GET", f"/applications(appId='{identity.client_id}')").status_code == 404


def test_lists_have_pages(entra: Entra, writer: Graph) -> None:
    """By the server's size or the client's, with links to the host that was asked."""
    for number in range(7):
        entra.application(name=f"shop-{number}")
    entra.settings.page = 2
    path, names = "/applications?$filter=startswith(displayName,'shop-')&$select=displayName", []
    while path:
        page = writer.ask("GET", path).json()
        assert len(page["value"]) <= 2
        names += [each["displayName"] for each in page["value"]]
        path = page.get("@odata.nextLink", "")
        assert path.startswith(entra.graph) or not path
    assert names == [f"shop-{number}" for number in range(7)]


def test_what_the_emulator_does_not_know_is_refused(writer: Graph) -> None:
    """Rather than answered as if it had not been asked."""
    for option in ("$expand=owners", "$orderby=displayName"):
        assert seen(writer.ask("GET", f"/applications?{option}")) == (501, "NotImplemented")


def test_a_write_that_was_throttled(entra: Entra, app: Application, writer: Graph) -> None:
    """A fault for one method: nothing is written, and the answer says when to come back."""
    where = f"/applications/{app.registration_id}/federatedIdentityCredentials"
    entra.next("graph", method="POST", status=429, retry_after=7)
    assert writer.ask("GET", where).ok
    answer = writer.ask("POST", where, CREDENTIAL)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert len(app.credentials) == 1
    assert writer.ask("POST", where, CREDENTIAL).status_code == 201


def test_a_secret_that_graph_made(entra: Entra, client: Client, writer: Graph) -> None:
    """It signs in until it is removed or old."""
    made = writer.made("/applications", displayName="with a secret")
    writer.made("/servicePrincipals", appId=made["appId"])
    secret = writer.ask("POST", f"/applications/{made['id']}/addPassword", {"passwordCredential": {}}).json()
    application = entra.directory.application(TENANT_ID, made["appId"])
    assert application is not None
    by_secret = {"client_assertion": None, "client_assertion_type": None, "client_secret": secret["secretText"]}
    assert client.exchange(application, **by_secret).ok
    by_id = {**by_secret, "client_secret": secret["keyId"]}
    assert client.exchange(application, **by_id).json()["error_codes"] == [7000215]
    assert writer.ask("GET", f"/applications/{made['id']}").json()["passwordCredentials"][0]["secretText"] is None
    entra.clock.advance(731 * 86400)
    assert client.exchange(application, **by_secret).json()["error_codes"] == [7000222]


def test_the_user_who_is_signed_in(entra: Entra, client: Client, writer: Graph) -> None:
    """An application is not a user."""
    shown = Graph(client, entra.user("ann@contoso.onmicrosoft.com")).ask("GET", "/me").json()
    assert shown["userPrincipalName"] == "ann@contoso.onmicrosoft.com"
    assert seen(writer.ask("GET", "/me")) == (400, "BadRequest")

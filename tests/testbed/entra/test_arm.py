"""Azure Resource Manager: subscriptions, managed identities and their credentials, and who may do what."""

from __future__ import annotations

import concurrent.futures
import threading
from typing import Any

import pytest

from testbed.entra import Application, Entra
from testbed.entra.client import SUBJECT, Client
from testbed.entra.directory import SUBSCRIPTION
from tests.testbed.entra.support import AUDIENCE, Site, seen

pytestmark = pytest.mark.slow  # all together they take seconds

VERSION = "api-version=2024-11-30"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/identities"
IDENTITIES = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
SHOP = f"{IDENTITIES}/shop"


def body(issuer: str = "https://issuer.example", subject: str = SUBJECT, *audiences: str) -> dict[str, Any]:
    """The body of a PUT."""
    return {"properties": {"issuer": issuer, "subject": subject, "audiences": list(audiences or [AUDIENCE])}}


@pytest.fixture
def identity(entra: Entra) -> Application:
    return entra.managed_identity("shop")


@pytest.fixture
def arm(entra: Entra, client: Client, identity: Application) -> Site:
    """ARM for an application that may write managed identities."""
    writer = entra.application(name="writer")
    entra.arm.access.grant(writer)
    return Site(client, entra.arm_url, entra.token(writer, on="arm"))


def credential(name: str, version: str = VERSION) -> str:
    """The path of a credential of the identity."""
    return f"{SHOP}/federatedIdentityCredentials/{name}?{version}"


def test_a_pod_signs_in_as_a_managed_identity(entra: Entra, client: Client, arm: Site, identity: Application) -> None:
    """With the credential that ARM made; another PUT changes it, and DELETE is repeatable."""
    assert client.exchange(identity).json()["error_codes"] == [70025]
    made = arm.ask("PUT", credential("terraform"), body(entra.issuer.url))
    assert made.status_code == 201
    assert made.json()["properties"]["subject"] == SUBJECT
    assert client.exchange(identity).ok
    assert arm.ask("PUT", credential("terraform"), body(entra.issuer.url, "other")).status_code == 200
    assert client.exchange(identity).json()["error_codes"] == [700213]
    assert arm.ask("GET", credential("terraform")).json() == arm.ask("GET", credential("")).json()["value"][0]
    assert arm.ask("DELETE", credential("terraform")).status_code == 200
    assert arm.ask("DELETE", credential("terraform")).status_code == 204
    assert seen(arm.ask("GET", credential("terraform"))) == (404, "ResourceNotFound")


def test_an_identity_that_arm_made(entra: Entra, arm: Site) -> None:
    """It has a client id and a service principal; the list of the subscription has it, too."""
    assert arm.ask("PUT", f"{IDENTITIES}/new?{VERSION}", {"location": "westeurope"}).status_code == 201
    shown = arm.ask("GET", f"{IDENTITIES}/new?{VERSION}").json()
    application = entra.directory.application(shown["properties"]["tenantId"], shown["properties"]["clientId"])
    assert application is not None
    assert application.object_id == shown["properties"]["principalId"]
    provider = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"
    for where in (f"/subscriptions/{SUBSCRIPTION}/{provider}", f"{IDENTITIES}"):
        listed = arm.ask("GET", f"{where}?{VERSION}").json()["value"]
        assert [each["name"] for each in listed] == ["shop", "new"]


@pytest.mark.parametrize(
    ("name", "sent", "says"),
    [
        ("a", body(), "Federated Identity Credential name 'a' is not valid"),
        ("terraform", body("https://issuer.example", SUBJECT, AUDIENCE, "b"), "must have exactly one audience"),
        ("terraform", body(subject=""), "has empty properties"),
        (
            "terraform",
            body(subject="taken"),
            "Issuer and subject combination already exists for this Managed Identity.",
        ),
        ("terraform", body(subject="x" * 601), "subject has 601 characters"),
    ],
)
def test_credentials_that_arm_does_not_take(
    arm: Site, identity: Application, name: str, sent: dict[str, Any], says: str
) -> None:
    """400, and nothing is made."""
    identity.federate(issuer="https://issuer.example", subject="taken")
    answer = arm.ask("PUT", credential(name), sent)
    assert seen(answer) == (400, "BadRequest")
    assert says in answer.json()["error"]["message"]
    assert len(identity.credentials) == 1


def test_an_identity_takes_at_most_twenty_credentials(arm: Site, identity: Application) -> None:
    """The one after is refused; the list has pages."""
    for number in range(20):
        identity.federate(issuer="https://issuer.example", subject=str(number))
    assert seen(arm.ask("PUT", credential("terraform"), body())) == (400, "BadRequest")
    path, names = f"{SHOP}/federatedIdentityCredentials?{VERSION}&$top=8", []
    while path:
        page = arm.ask("GET", path).json()
        names += [each["name"] for each in page["value"]]
        path = page.get("nextLink", "")
    assert names == [each.name for each in identity.credentials]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (credential("terraform", ""), 400, "MissingApiVersionParameter"),
        (credential("terraform", "api-version=1"), 400, "InvalidApiVersionParameter"),
        (credential("terraform", "api-version=2018-11-30"), 400, "NoRegisteredProviderFound"),
        (f"{IDENTITIES}/absent?{VERSION}", 404, "ResourceNotFound"),
        (f"{IDENTITIES.replace('identities/', 'absent/', 1)}/shop?{VERSION}", 404, "ResourceGroupNotFound"),
        (SHOP.replace("3333-3333-4", "3333-3333-5") + f"?{VERSION}", 404, "SubscriptionNotFound"),
        (f"{GROUP}/providers/Microsoft.Nothing/things/x?{VERSION}", 404, "InvalidResourceType"),
    ],
)
def test_what_is_not_there(arm: Site, path: str, status: int, code: str) -> None:
    """Each with ARM's own code."""
    assert seen(arm.ask("GET", path)) == (status, code)


def test_a_credential_of_an_identity_that_is_not_there(arm: Site) -> None:
    """A PUT names the parent."""
    answer = arm.ask("PUT", f"{IDENTITIES}/absent/federatedIdentityCredentials/terraform?{VERSION}", body())
    assert seen(answer) == (404, "ParentResourceNotFound")


@pytest.mark.parametrize(
    ("role", "scope", "reads", "writes"),
    [
        ("Managed Identity Contributor", "/", 200, 201),
        ("Contributor", GROUP, 200, 201),
        ("Managed Identity Contributor", SHOP, 200, 201),
        ("Managed Identity Operator", GROUP, 200, 403),
        ("Reader", "/", 200, 403),
        ("Owner", f"{GROUP}s", 403, 403),
    ],
)
def test_who_may_write(
    entra: Entra, client: Client, identity: Application, role: str, scope: str, reads: int, writes: int
) -> None:
    """By the role and its scope."""
    caller = entra.application(name="caller")
    entra.arm.access.grant(caller, role, scope=scope)
    arm = Site(client, entra.arm_url, entra.token(caller, on="arm"))
    assert arm.ask("GET", f"{SHOP}?{VERSION}").status_code == reads
    answer = arm.ask("PUT", credential("terraform"), body())
    assert answer.status_code == writes
    if writes == 403:
        assert answer.json()["error"]["code"] == "AuthorizationFailed"
        assert "federatedIdentityCredentials/write" in answer.json()["error"]["message"]


def test_without_a_role_there_is_nothing(entra: Entra, client: Client, identity: Application) -> None:
    """No subscription is seen, so none is found. Without a token for ARM it is 401."""
    arm = Site(client, entra.arm_url, entra.token(entra.application(name="caller"), on="arm"))
    assert arm.ask("GET", f"/subscriptions?{VERSION}").json() == {"value": []}
    assert seen(arm.ask("GET", f"{SHOP}?{VERSION}")) == (404, "SubscriptionNotFound")
    graph = Site(client, entra.arm_url, entra.token(entra.application(name="caller")))
    assert seen(graph.ask("GET", f"{SHOP}?{VERSION}")) == (401, "InvalidAuthenticationToken")
    assert client.get(f"{entra.arm_url}/subscriptions?{VERSION}").status_code == 401


def test_two_writes_at_once(entra: Entra, arm: Site, identity: Application) -> None:
    """The second is refused while the first goes on; reading is not."""
    inside, goes_on = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        assert goes_on.wait(10)

    entra.arm.during_write = wait
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(arm.ask, "PUT", credential("first"), body())
        assert inside.wait(10)
        second = arm.ask("PUT", credential("second"), body(subject="other"))
        assert seen(second) == (409, "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity")
        assert arm.ask("GET", credential("")).json()["value"] == []
        goes_on.set()
        assert first.result(10).status_code == 201
    assert arm.ask("PUT", credential("second"), body(subject="other")).status_code == 201
    assert [each.name for each in identity.credentials] == ["first", "second"]


def test_a_fault_can_be_set_on_arm(entra: Entra, arm: Site, identity: Application) -> None:
    """A code of the test's choice, and throttling."""
    code = "Conflict"
    entra.next("arm", method="PUT", status=409, code=code)
    entra.next("arm", method="PUT", status=429, retry_after=2)
    assert seen(arm.ask("PUT", credential("terraform"), body())) == (409, code)
    answer = arm.ask("PUT", credential("terraform"), body())
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    assert arm.ask("PUT", credential("terraform"), body()).status_code == 201


def test_the_login_port_is_arm_too_by_name(entra: Entra, client: Client, arm: Site) -> None:
    """With hostAliases all names lead to one address; the cloud's description needs no token."""
    headers = {"Host": "management.azure.com"}
    shown = client.get(f"{entra.login}metadata/endpoints?api-version=2022-09-01", headers=headers).json()
    assert shown["resourceManager"] == "https://management.azure.com/"
    shown = client.get(f"{entra.arm_url}/metadata/endpoints?api-version=2022-09-01").json()
    assert shown["resourceManager"] == f"{entra.arm_url}/"
    assert entra.requests[-1].on == "arm"

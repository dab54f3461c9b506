"""Users: the device code, refresh tokens, and what a user's token may do."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from testbed.entra import Entra
from testbed.entra.client import Client
from testbed.entra.portal import PORTAL_APP_ID, PORTAL_HOST
from testbed.entra.principals import AZURE_CLI, GRAPH_APP_ID, role_id
from testbed.entra.user_sign_in import DEVICE_CODE_GRANT

pytestmark = pytest.mark.slow  # all together they take seconds

GRAPH = "https://graph.microsoft.com/.default offline_access openid profile"
ARM = "https://management.core.windows.net//.default offline_access openid profile"


def post(client: Client, path: str, **form: str) -> requests.Response:
    """A request to login, for whatever tenant the user has."""
    fields = {"client_id": AZURE_CLI, **form}
    return client.session.post(f"{client.entra.login}organizations/oauth2/v2.0/{path}", data=fields, timeout=60)


def start(client: Client) -> dict[str, Any]:
    """A device that waits for a user."""
    return dict(post(client, "devicecode", scope=GRAPH).json())


def poll(client: Client, flow: dict[str, Any]) -> requests.Response:
    """What the device asks while it waits."""
    return post(client, "token", grant_type=DEVICE_CODE_GRANT, device_code=flow["device_code"], scope=GRAPH)


def test_a_device_code_is_pending_until_the_user_signs_in(entra: Entra, client: Client) -> None:
    """Pending until the user has signed in; then tokens for Graph and, by the refresh token, for ARM."""
    flow = start(client)
    assert flow["user_code"] in flow["message"]
    waiting = poll(client, flow).json()
    assert (waiting["error"], waiting["error_codes"]) == ("authorization_pending", [70016])
    user = entra.user("ann@contoso.onmicrosoft.com")
    entra.users.complete(flow["user_code"], user)
    tokens = poll(client, flow).json()
    assert client.graph("/v1.0/me", tokens["access_token"]).json()["id"] == user.id
    assert poll(client, flow).json()["error"] == "bad_verification_code"
    entra.arm.access.grant(user, "Reader")
    fresh = post(client, "token", grant_type="refresh_token", refresh_token=tokens["refresh_token"], scope=ARM).json()
    headers = {"Authorization": f"Bearer {fresh['access_token']}"}
    listed = client.get(f"{entra.arm_url}/subscriptions?api-version=2022-12-01", headers=headers).json()["value"]
    assert len(listed) == 1


def test_a_user_who_signs_in_at_once(entra: Entra, client: Client) -> None:
    """As `python -m testbed.entra` offers it."""
    entra.users.signed_in = entra.user()
    assert poll(client, start(client)).ok


def test_codes_that_do_not_sign_in(entra: Entra, client: Client) -> None:
    """An old one, an unknown one, that of another client; and a refresh token that is not one."""
    flow = start(client)
    entra.clock.advance(901)
    assert poll(client, flow).json()["error"] == "expired_token"
    assert poll(client, {"device_code": "x"}).json()["error_codes"] == [70018]
    other = entra.application(public=True)
    answer = post(client, "token", grant_type=DEVICE_CODE_GRANT, client_id=other.client_id, **start(client))
    assert answer.json()["error_codes"] == [70018]
    answer = post(client, "token", grant_type="refresh_token", refresh_token="x", scope=GRAPH)
    assert (answer.json()["error"], answer.json()["error_codes"]) == ("invalid_grant", [70000])


def test_a_client_that_is_not_known(client: Client) -> None:
    """It cannot start."""
    answer = post(client, "devicecode", client_id="99999999-9999-4999-8999-999999999999", scope=GRAPH)
    assert answer.json()["error_codes"] == [700016]


def test_a_registered_client_has_what_was_granted(entra: Entra, client: Client) -> None:
    """The delegated permissions of its grant, and only User.Read without one."""
    application = entra.application(public=True)
    entra.users.signed_in = entra.user()
    for scope, expected in (("", "User.Read"), ("Group.Read.All User.Read.All", "Group.Read.All User.Read.All")):
        if scope:
            entra.directory.grants.append({"clientId": application.object_id, "scope": scope})
        flow = post(client, "devicecode", client_id=application.client_id, scope=GRAPH).json()
        form = {"grant_type": DEVICE_CODE_GRANT, "device_code": flow["device_code"], "scope": GRAPH}
        token = post(client, "token", client_id=application.client_id, **form).json()["access_token"]
        client.graph("/v1.0/users", token)
        assert entra.calls[-1].claims["scp"] == expected
        assert entra.calls[-1].status == (200 if scope else 403)


@pytest.mark.parametrize("resource", ["graph", "arm"])
def test_the_emulators_own_addresses_are_resources(entra: Entra, client: Client, resource: str) -> None:
    """For a cloud of az that is the emulator."""
    where = entra.graph if resource == "graph" else entra.arm_url
    app = client.application()
    token = client.exchange(app, scope=f"{where}//.default").json()["access_token"]
    entra.arm.access.grant(app, "Reader")
    path = "/v1.0/organization" if resource == "graph" else "/subscriptions?api-version=2022-12-01"
    assert client.get(where + path, headers={"Authorization": f"Bearer {token}"}).ok


@pytest.mark.parametrize(
    ("role", "expected", "roles"),
    [
        ("Privileged Role Administrator", 204, ("Group.Read.All",)),
        ("Application Administrator", 403, ()),
        (None, 403, ()),
    ],
)
def test_consent_as_az_asks_for_it(
    entra: Entra, client: Client, role: str | None, expected: int, roles: tuple[str, ...]
) -> None:
    """By the portal, to all that the application asks for: a user who may, but neither another nor an application."""
    application = entra.application()
    wanted = [{"id": role_id("Group.Read.All"), "type": "Role"}]
    application.properties["requiredResourceAccess"] = [{"resourceAppId": GRAPH_APP_ID, "resourceAccess": wanted}]
    if role:
        entra.users.signed_in = entra.user(roles=[role])
        tokens = poll(client, start(client)).json()
        scope = f"{PORTAL_APP_ID}/.default"
        fresh = post(client, "token", grant_type="refresh_token", refresh_token=tokens["refresh_token"], scope=scope)
        token = fresh.json()["access_token"]
    else:
        token = client.exchange(client.application(), scope=f"{PORTAL_APP_ID}/.default").json()["access_token"]
    url = f"{entra.login}api/RegisteredApplications/{application.client_id}/Consent?onBehalfOfAll=true"
    headers = {"Host": PORTAL_HOST, "Authorization": f"Bearer {token}"}
    for _ in range(2):
        assert client.session.post(url, headers=headers, timeout=60).status_code == expected
    assert application.roles == roles

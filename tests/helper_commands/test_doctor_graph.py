"""`doctor` and Graph: the access token, its roles, the call, and a Graph that is not there while the login host is."""

import base64
import json
from typing import Any

import pytest
from azure.core.credentials import AccessTokenInfo

from m365_identity._checks import Found, LinkStatus
from m365_identity._checks.access_token import access_token
from m365_identity._checks.result import LinkFinding
from m365_identity.settings import settings
from tests.helper.tokens import jwt
from tests.helper_commands.doctor_support import NOW, doctor, one
from tests.helper_commands.processes import Pod

pytestmark = pytest.mark.slow

CLIENT = "66666666-7777-4888-9999-000000000000"


@pytest.fixture
def trusted(pod: Pod) -> Pod:
    """A pod that Entra lets in."""
    pod.federate()
    return pod


def test_roles_and_the_tenants_name_are_told(trusted: Pod) -> None:
    """All is well: roles in order, the tenant's name from Graph."""
    trusted.application.roles = ("User.Read.All", "Organization.Read.All")
    report = doctor(trusted.environ)
    assert report.code == 0
    assert report.detail("roles") == "Organization.Read.All, User.Read.All"
    assert report.detail("graph") == "GET /v1.0/organization answers: tenant Contoso"
    assert f'of application {trusted.application.client_id} "terraform", until ' in report.detail("access-token")


def test_no_roles_and_graph_says_no(trusted: Pod) -> None:
    """No administrator has consented: a good token for nothing. The guide's "Permission denied"."""
    trusted.application.roles = ()
    report = doctor(trusted.environ)
    assert report.code == 1
    assert report.failed() == {"graph"}
    assert report.status("roles") == "warn"
    assert report.detail("roles").startswith("none: ")
    assert f"az ad app permission admin-consent --id {trusted.application.client_id}" in report.fix("roles")
    assert "HTTP 403 (Authorization_RequestDenied)" in report.detail("graph")
    assert "(request id " in report.detail("graph")
    assert "admin-consent" in report.fix("graph")


def test_other_roles_than_this_call_needs(trusted: Pod) -> None:
    """An application with few permissions is not broken."""
    trusted.application.roles = ("User.Read.All",)
    report = doctor(trusted.environ)
    assert (report.code, report.status("roles"), report.status("graph")) == (0, "ok", "warn")
    assert "Organization.Read.All" in report.detail("graph")


def test_graph_does_not_take_the_token(trusted: Pod) -> None:
    """401: what that means, and not that a permission is missing."""
    trusted.entra.next("graph", status=401, times=None)
    report = doctor(trusted.environ)
    assert report.failed() == {"graph"}
    assert "HTTP 401 (InvalidAuthenticationToken)" in report.detail("graph")
    assert "Graph does not take the token" in report.detail("graph")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"status": 403, "body": b"<html>Blocked", "content_type": "text/html"}, "is not Graph"),
        ({"status": 503}, "HTTP 503 (ServiceUnavailable)"),
        ({"status": 429}, "HTTP 429 (TooManyRequests)"),
        ({"status": 200, "body": b"<html>Welcome"}, "a body that is not a JSON object"),
        ({"cut": "answer"}, "may take that for resources that are gone"),
        ({"hang": True}, "may take that for resources that are gone"),
    ],
)
def test_a_graph_that_does_not_answer_as_graph(trusted: Pod, fault: dict[str, Any], says: str) -> None:
    """A firewall's page, throttling, a cut: each is reported, with the danger for Terraform's state if there is one."""
    trusted.entra.next("graph", times=None, **fault)
    report = doctor(trusted.environ, *(("--timeout", "4") if "hang" in fault else ()))
    assert report.failed() == {"graph"}
    assert says in report.detail("graph")
    assert report.fix("graph")
    assert sum(asked.on == "graph" for asked in trusted.entra.requests) <= 1


def test_graph_cannot_be_reached_while_the_login_host_can(trusted: Pod) -> None:
    """The exchange works, and Terraform's provider may lose its state: the broken link says so."""
    trusted.entra.graph_server.stop()
    report = doctor(trusted.environ)
    assert report.failed() == {"graph-tcp"}
    assert report.status("exchange") == "ok"
    assert "drop them from its state" in report.detail("graph-tcp")
    assert "allow egress" in report.fix("graph-tcp")
    assert (report.status("graph-tls"), report.status("graph")) == ("skip", "skip")


def test_a_firewall_that_cuts_the_handshake_with_graph(trusted: Pod) -> None:
    """Connected, and then nothing."""
    trusted.entra.next("graph", cut="handshake", times=None)
    report = doctor(trusted.environ)
    assert report.failed() == {"graph-tls"}
    assert "does not complete the TLS handshake: the connection was cut; the login host can" in report.detail(
        "graph-tls"
    )


def test_without_the_login_host_there_is_no_warning_about_state(trusted: Pod) -> None:
    """Then the provider does not come as far as Graph."""
    trusted.entra.graph_server.stop()
    trusted.entra.login_server.stop()
    report = doctor(trusted.environ)
    assert report.failed() == {"login-tcp", "graph-tcp"}
    assert "state" not in report.detail("graph-tcp")


def told(**claims: Any) -> LinkFinding:
    """What is said of an access token with these claims, at NOW."""
    environ = {"M365_TENANT_ID": "contoso.com", "M365_CLIENT_ID": CLIENT, "AZURE_FEDERATED_TOKEN_FILE": "/t"}
    usual = {"aud": "https://graph.microsoft.com", "appid": CLIENT, "exp": NOW + 3600}
    known = Found(environ=environ, settings=settings(environ=environ), skew=0.0)
    known.clock = type(known.clock)(wall=lambda: NOW)
    known.token = AccessTokenInfo(jwt(**(usual | claims)), int(NOW) + 3600)
    return one(access_token, known)


@pytest.mark.parametrize(
    ("claims", "status", "says"),
    [
        ({}, LinkStatus.OK, "for https://graph.microsoft.com, of application"),
        ({"aud": "https://graph.microsoft.com/"}, LinkStatus.OK, ""),
        ({"aud": "00000003-0000-0000-c000-000000000000"}, LinkStatus.OK, ""),
        (
            {"aud": "https://graph.microsoft.us"},
            LinkStatus.FAIL,
            "and not for https://graph.microsoft.com: Graph answers 401",
        ),
        ({"aud": None}, LinkStatus.FAIL, "it is for no API"),
        ({"appid": "99999999-7777-4888-9999-000000000000"}, LinkStatus.FAIL, "it is of application 99999999"),
        ({"appid": CLIENT.upper()}, LinkStatus.OK, ""),
        ({"exp": NOW - 60}, LinkStatus.FAIL, "60 s ago"),
        ({"exp": None}, LinkStatus.OK, ""),
    ],
)
def test_what_an_access_token_says(claims: dict[str, Any], status: LinkStatus, says: str) -> None:
    """Its audience, its application and its end."""
    finding = told(**claims)
    assert finding.status is status, finding
    assert says in finding.detail
    assert bool(finding.fix) is (status is LinkStatus.FAIL)


def test_an_access_token_that_cannot_be_read_is_as_good(pod: Pod) -> None:
    """Entra may encrypt them: nothing is said of what cannot be seen, and Graph decides."""
    pod.federate()
    body = json.dumps({"token_type": "Bearer", "expires_in": 3599, "access_token": base64.b64encode(b"?").decode()})
    pod.entra.next("login", body=body.encode(), content_type="application/json")
    report = doctor(pod.environ)
    assert report.status("access-token") == "ok"
    assert "cannot be read" in report.detail("access-token")
    assert report.status("roles") == "skip"
    assert report.failed() == {"graph"}

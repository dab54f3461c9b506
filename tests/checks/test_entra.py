"""Entra's side: what is seen from outside is what Entra answers, and what the doctor says then."""

from collections.abc import Iterator
from typing import Any

import pytest

from testbed.entra.emulator import Entra, running
from webhook.checks.entra import EntraSide, explained, findings, refusal
from webhook.core.clouds import CLOUDS
from webhook.entra.applications import Deleted
from webhook.entra.comparison import Existing, Wanted
from webhook.entra.registrations import GRAPH_ID, Registration
from webhook.entra.trial_sign_in import Refusal, SignIn
from webhook.findings import Status

SUBJECT = "system:serviceaccount:shop:terraform"
AUDIENCE = "api://AzureADTokenExchange"
CLIENT, TENANT = "8f14e45f-ceea-467f-9575-6f8f3a1d2b3c", "11111111-2222-4333-8444-555555555555"
GROUPS, USERS = "5b567255-7703-4780-807c-7be8301ae99b", "df021288-bdef-4463-88db-98f22de89214"
GRAPH = {
    "id": "graph",
    "appRoles": [{"id": GROUPS, "value": "Group.Read.All"}, {"id": USERS, "value": "User.Read.All"}],
}


@pytest.fixture(scope="module")
def entra() -> Iterator[Entra]:
    with running() as found:
        yield found


def existing(**changes: Any) -> Existing:
    usual = {"id": "1", "name": "one", "issuer": "https://a.example.com", "subject": SUBJECT, "audiences": (AUDIENCE,)}
    return Existing(**{**usual, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        None,
        {"issuer": "https://other.example.com"},
        {"subject": "system:serviceaccount:shop:another"},
        {"subject": "system:serviceaccount:Shop:terraform"},
        {"audience": "api://AzureADTokenExchangeUSGov"},
        {},
    ],
)
async def test_it_says_what_entra_answers(
    entra: Entra, changes: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No credential, another issuer, subject, letter or audience; and one that matches. Code, sentence and fix are the
    same as those of a sign-in.
    """
    monkeypatch.setenv("SSL_CERT_FILE", str(entra.ca_file))
    application = entra.application()
    if changes is not None:
        named = {"issuer": entra.issuer.url, "subject": SUBJECT, "audience": AUDIENCE, **changes}
        application.federate(issuer=named["issuer"], subject=named["subject"], audience=named["audience"])
    known = [
        existing(issuer=each.issuer, subject=each.subject, audiences=(each.audience,))
        for each in application.credentials
    ]
    sign_in = SignIn(application.client_id, application.tenant_id, CLOUDS["public"], entra.login)
    got = await sign_in.attempt(entra.issuer.token(subject=SUBJECT, audience=AUDIENCE))
    code = refusal(known, Wanted("shop/terraform", "x", entra.issuer.url, SUBJECT, AUDIENCE))
    if changes == {}:
        assert code == 0
        assert not isinstance(got, Refusal)
        return
    assert isinstance(got, Refusal)
    said = explained(sign_in.refusal(code, entra.issuer.url, SUBJECT, AUDIENCE))
    assert (said.code, said.text) == (got.advice.code, got.advice.meaning)
    assert said.fix == got.advice.fix


def test_one_of_several_credentials_is_enough() -> None:
    """Whatever the others are."""
    wanted = Wanted("shop/terraform", "x", "https://a.example.com", SUBJECT, AUDIENCE)
    assert refusal([existing(subject="another"), existing()], wanted) == 0


def found(**changes: Any) -> list[tuple[str, str, Status]]:
    """About, code and status of what is found, in a tenant in which all is well but for the changes."""
    usual = {
        "registration": Registration(CLIENT, "erp"),
        "identity": "",
        "principal": {"id": "p", "accountEnabled": True},
        "credentials": [existing()],
        "given": [{"resourceId": "graph", "appRoleId": GROUPS}],
        "graph": GRAPH,
    }
    wanted = Wanted("shop/terraform", "x", "https://a.example.com", SUBJECT, AUDIENCE)
    side = EntraSide(**{**usual, **changes})
    return [
        (each.about, each.message.code, each.status)
        for each in findings(side, wanted, SignIn(CLIENT, TENANT, CLOUDS["public"]))
    ]


def test_a_complete_application_is_found_in_order() -> None:
    assert found() == [
        ("application", "WI991", Status.OK),
        ("credential", "WI992", Status.OK),
        ("consent", "WI941", Status.OK),
    ]
    assert found(registration=None, identity="vm") == found()


def test_what_is_missing_is_said_in_the_doctors_words() -> None:
    """Application, service principal, one that is disabled; credential."""
    gone = found(registration=None, principal=None, credentials=None)
    assert gone == [("application", "WIH308", Status.FAIL)]
    deleted = Deleted("https://graph.microsoft.com/v1.0/directory/deletedItems/1", "erp")
    gone = found(registration=None, principal=None, credentials=None, deleted=deleted)
    assert gone == [("application", "WI918", Status.FAIL)]
    assert found(principal=None)[0] == ("application", "WIH337", Status.FAIL)
    assert found(principal={"id": "p", "accountEnabled": False})[0] == ("application", "WIH309", Status.FAIL)
    assert found(credentials=[])[1] == ("credential", "WIH307", Status.FAIL)


def test_an_application_of_another_tenant_has_its_credentials_there() -> None:
    assert found(registration=None, credentials=None)[1] == ("credential", "WI993", Status.SKIP)


def test_consent_that_is_missing_is_named() -> None:
    """Of what the application asks for. One that asks for nothing and has nothing is warned about."""
    access = [{"id": each, "type": "Role"} for each in (GROUPS, USERS)]
    asking = Registration(CLIENT, "erp", required=({"resourceAppId": GRAPH_ID, "resourceAccess": access},))
    assert found(registration=asking)[2] == ("consent", "WIH332", Status.FAIL)
    side = EntraSide(asking, "", {"id": "p"}, [], [{"resourceId": "graph", "appRoleId": GROUPS}], GRAPH)
    wanted = Wanted("shop/terraform", "x", "https://a.example.com", SUBJECT, AUDIENCE)
    consent = [*findings(side, wanted, SignIn(CLIENT, TENANT, CLOUDS["public"]))][-1]
    assert consent.detail.endswith(": User.Read.All")
    assert found(given=[])[2] == ("consent", "WIH528", Status.WARN)
    assert found(given=[{"resourceId": "another", "appRoleId": GROUPS}])[2][1] == "WIH528"

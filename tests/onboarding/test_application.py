"""Application, service principal, permissions and consent."""

import pytest

from tests.onboarding.support import (
    CLIENT,
    GROUPS,
    ISSUER,
    MARK,
    NAME,
    OTHER,
    SUBJECT,
    TENANT,
    USERS,
    annotated,
    application,
    asking_for,
    desired,
)
from webhook.core import names
from webhook.core.messages import Kind
from webhook.core.messages import onboarding as kinds
from webhook.entra.registrations import GRAPH_ID, Owner, Registration
from webhook.onboarding import application as steps
from webhook.onboarding.desired_state import DesiredState
from webhook.onboarding.verdicts import Outcome, Verdict


def kind(verdict: Verdict) -> Kind:
    return verdict.message.kind


def test_an_application_is_made_with_its_mark_if_there_is_none() -> None:
    """Named after the ServiceAccount and its cluster, for one tenant, with issuer and subject for people."""
    verdict = steps.application(desired(), [])
    assert (kind(verdict), verdict.outcome) == (kinds.APPLICATION_CREATED, Outcome.DONE)
    (call,) = verdict.calls
    assert call.body == {
        "displayName": NAME,
        "signInAudience": "AzureADMyOrg",
        "tags": ["m365wi", f"m365wi:{MARK}"],
        "notes": f"m365wi: {ISSUER} {SUBJECT}",
    }
    assert steps.application(desired(application="shop"), []).calls[0].body["displayName"] == "shop"


def test_an_annotated_application_is_that_one() -> None:
    """Whatever its name and tags; one that is gone is not made anew."""
    foreign = application(name="erp", tags=(), secrets=2)
    verdict = steps.application(desired(annotated()), [foreign])
    assert (kind(verdict), verdict.outcome) == (kinds.APPLICATION_FOUND, Outcome.FOUND)
    gone = steps.application(desired(annotated()), [])
    assert (kind(gone), gone.outcome, gone.calls) == (kinds.APPLICATION_GONE, Outcome.FAILED, ())
    assert f"{names.AZURE_CLIENT_ID}-" in gone.message.fix
    assert steps.application(desired(application=CLIENT), []).outcome is Outcome.FAILED


@pytest.mark.parametrize("given", [OTHER, "erp"])
def test_an_application_that_the_account_does_not_name_is_refused(given: str) -> None:
    """By client id or by name: pods that run sign in as the annotated one."""
    verdict = steps.application(desired(annotated(), application=given), [application()])
    assert (kind(verdict), verdict.outcome) == (kinds.APPLICATION_OTHER, Outcome.FAILED)
    assert steps.application(desired(annotated(), application=NAME), [application()]).outcome is Outcome.FOUND
    assert steps.application(desired(annotated(), application=CLIENT.upper()), [application()]).outcome is Outcome.FOUND


def test_several_applications_of_one_name_are_listed() -> None:
    verdict = steps.application(desired(), [application(), application(client_id=OTHER)])
    assert verdict.outcome is Outcome.FAILED
    assert CLIENT in verdict.message.text
    assert OTHER in verdict.message.text


def test_what_an_earlier_run_made_is_taken_by_its_name() -> None:
    """Its owner is the caller, or it has none."""
    ours = application(owners=(Owner("me", "me"),), federated=(f"{ISSUER} {SUBJECT}",))
    for found in (ours, application()):
        assert kind(steps.application(desired(), [found], caller="me")) is kinds.APPLICATION_FOUND
    own = application(name="erp", tags=(), owners=(Owner("me", "me"),))
    assert kind(steps.application(desired(application="erp"), [own], caller="me")) is kinds.APPLICATION_FOUND


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (application(owners=(Owner("x", "Mallory"),)), desired()),
        (application(owners=(Owner("me", "me"), Owner("x", "Mallory"))), desired(application=NAME)),
        (application(secrets=1), desired()),
        (application(federated=("https://evil.example.com repo",)), desired()),
        (application(tags=()), desired()),
        (application(tags=("m365wi", "m365wi:00000000")), desired()),
    ],
)
def test_an_application_that_somebody_else_could_use_gets_no_permissions_by_its_name(
    found: Registration, wanted: DesiredState
) -> None:
    """Anybody who may register applications could have prepared it."""
    verdict = steps.application(wanted, [found], caller="me")
    assert (kind(verdict), verdict.outcome, verdict.calls) == (kinds.APPLICATION_NOT_OURS, Outcome.FAILED, ())
    assert f"--application {CLIENT}" in verdict.message.fix


def test_the_service_principal_is_made_if_it_is_missing() -> None:
    assert steps.principal(CLIENT, {"id": "x"}).outcome is Outcome.FOUND
    (call,) = steps.principal(CLIENT, None).calls
    assert (call.path, call.body) == ("/servicePrincipals", {"appId": CLIENT})


def test_missing_permissions_are_added_to_those_that_are_there() -> None:
    """Of Graph and of other APIs; the tags say for whom."""
    foreign = {"resourceAppId": "another", "resourceAccess": [{"id": "1", "type": "Scope"}]}
    found = application(required=(foreign, *asking_for(USERS)))
    verdict = steps.permissions(desired(permissions=(GROUPS, USERS)), found)
    assert (kind(verdict), verdict.message.values["permissions"]) == (kinds.PERMISSIONS_ADDED, GROUPS.name)
    (call,) = verdict.calls
    assert (call.method, call.path) == ("PATCH", f"/applications(appId='{CLIENT}')")
    assert call.body["requiredResourceAccess"] == [foreign, *asking_for(USERS, GROUPS)]
    assert call.body["tags"][-1] == f"m365wi:{MARK}:Group.Read.All"


def test_permissions_that_are_there_stay_as_they_are() -> None:
    """Those of people get no tag; those that another ServiceAccount brought get one of ours, too."""
    assert steps.permissions(desired(), application(required=asking_for(GROUPS))).outcome is Outcome.FOUND
    shared = application(required=asking_for(GROUPS), tags=("m365wi", "m365wi:00000000:Group.Read.All"))
    (call,) = steps.permissions(desired(), shared).calls
    assert call.body == {"tags": [*shared.tags, f"m365wi:{MARK}:Group.Read.All"]}
    assert steps.permissions(desired(permissions=()), application()).outcome is Outcome.FOUND


def test_a_delegated_permission_of_the_same_id_is_another_one() -> None:
    scope = {"resourceAppId": GRAPH_ID, "resourceAccess": [{"id": GROUPS.id, "type": "Scope"}]}
    (call,) = steps.permissions(desired(), application(required=(scope,))).calls
    assert len(call.body["requiredResourceAccess"][0]["resourceAccess"]) == 2


def test_consent_is_given_for_what_is_missing() -> None:
    """The same role of another API does not count."""
    given = [{"resourceId": "graph", "appRoleId": USERS.id}, {"resourceId": "another", "appRoleId": GROUPS.id}]
    verdict = steps.consent(desired(permissions=(GROUPS, USERS)), "principal", "graph", given)
    (call,) = verdict.calls
    assert call.path == "/servicePrincipals/principal/appRoleAssignments"
    assert call.body == {"principalId": "principal", "resourceId": "graph", "appRoleId": GROUPS.id}
    assert steps.consent(desired(permissions=(USERS,)), "principal", "graph", given).outcome is Outcome.FOUND


def test_an_administrator_gets_a_link() -> None:
    """Which names tenant and application. A managed identity does not have one."""
    waits = steps.consent_waits(desired(), CLIENT, authority="https://login.microsoftonline.us/", is_identity=False)
    assert waits.outcome is Outcome.WAITS
    link = f"https://login.microsoftonline.us/{TENANT}/adminconsent?client_id={CLIENT}"
    assert link in waits.message.fix
    identity = steps.consent_waits(desired(), CLIENT, authority="https://login.example.com", is_identity=True)
    assert (identity.outcome, "http" in identity.message.fix) == (Outcome.WAITS, False)

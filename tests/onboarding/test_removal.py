"""What goes, and what stays."""

from typing import Any

import pytest

from tests.onboarding.support import (
    CLIENT,
    GROUPS,
    ISSUER,
    MARK,
    SUBJECT,
    USERS,
    application,
    asking_for,
    desired,
    nothing_asked,
)
from webhook.core.messages import onboarding as kinds
from webhook.entra.comparison import Existing
from webhook.entra.registrations import Identity, Registration
from webhook.onboarding import credential, removal
from webhook.onboarding.verdicts import Outcome

OTHER = "m365wi:00000000"
TRUSTED = f"{ISSUER} {SUBJECT}"
ACCOUNT = desired().account


def document(*managers: str, made: bool = True) -> dict[str, Any]:
    """A ServiceAccount that these managers have written into."""
    labels = {"labels": {"app.kubernetes.io/managed-by": "m365wi"}} if made else {}
    return {"metadata": {"managedFields": [{"manager": each} for each in managers], **labels}}


def test_an_account_that_was_made_goes() -> None:
    verdict = removal.account(ACCOUNT, document("m365wi-onboard", "kube-controller-manager"), [], "")
    assert [call.method for call in verdict.calls] == ["DELETE"]


@pytest.mark.parametrize(
    ("found", "pods"),
    [
        (document("m365wi-onboard", made=False), []),
        (document("m365wi-onboard", "kubectl"), []),
        (document("m365wi-onboard"), ["terraform-0"]),
    ],
)
def test_an_account_that_others_use_loses_our_annotations_alone(found: dict[str, Any], pods: list[str]) -> None:
    """By an apply without them: what another manager has written as well, stays."""
    (call,) = removal.account(ACCOUNT, found, pods, "").calls
    assert call.method == "PATCH"
    assert "annotations" not in call.body["metadata"]


def test_an_account_of_others_is_not_touched() -> None:
    for found in (None, document("kubectl")):
        verdict = removal.account(ACCOUNT, found, [], "")
        assert (verdict.calls, verdict.outcome) == ((), Outcome.FOUND)


@pytest.mark.parametrize(
    "found",
    [
        application(tags=()),
        application(tags=("m365wi", OTHER, f"m365wi:{MARK}:Group.Read.All")),
        application(tags=("m365wi", f"m365wi:{MARK}", f"{OTHER}:Group.Read.All")),
        application(secrets=1),
        application(federated=(TRUSTED, "https://github.example.com repo")),
    ],
)
def test_an_application_that_others_use_stays(found: Registration) -> None:
    assert removal.why_kept(found, MARK, TRUSTED)


def test_an_application_that_was_made_goes() -> None:
    """With its own credential, or after that is gone."""
    assert removal.why_kept(application(federated=(TRUSTED,)), MARK, TRUSTED) == ""
    (call,) = removal.application(application()).calls
    assert (call.method, call.path) == ("DELETE", f"/applications(appId='{CLIENT}')")


def test_permissions_go_with_the_last_who_needs_them() -> None:
    """Ours alone: consent, list and tag, in this order. Another's, and those of people, stay."""
    ours, shared = f"m365wi:{MARK}:Group.Read.All", f"m365wi:{MARK}:User.Read.All"
    found = application(
        tags=("m365wi", ours, shared, f"{OTHER}:User.Read.All", "erp"), required=asking_for(GROUPS, USERS)
    )
    given = [
        {"id": "1", "principalId": "p", "resourceId": "graph", "appRoleId": GROUPS.id},
        {"id": "2", "principalId": "p", "resourceId": "graph", "appRoleId": USERS.id},
        {"id": "3", "principalId": "p", "resourceId": "another", "appRoleId": GROUPS.id},
    ]
    verdict = removal.permissions(found, MARK, [GROUPS, USERS], given, "graph")
    consent, change = verdict.calls
    assert (consent.method, consent.path) == ("DELETE", "/servicePrincipals/p/appRoleAssignments/1")
    assert change.body == {
        "requiredResourceAccess": list(asking_for(USERS)),
        "tags": ["m365wi", f"{OTHER}:User.Read.All", "erp"],
    }


def test_without_tags_no_permission_goes() -> None:
    verdict = removal.permissions(application(tags=("erp",), required=asking_for(GROUPS)), MARK, [GROUPS], [], "graph")
    assert (verdict.message.kind, verdict.calls) == (kinds.NOTHING_TO_REMOVE, ())


def existing(name: str = "shop-terraform", **changes: Any) -> Existing:
    usual = {"id": "7", "name": name, "issuer": ISSUER, "subject": SUBJECT, "audiences": ("a",), "is_marked": True}
    return Existing(**{**usual, **changes})


def test_a_credential_goes_if_it_has_the_mark() -> None:
    """Of an application by its id, of a managed identity by its name. One that a person made stays."""
    asked, applications = desired(), nothing_asked()
    resource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x"
    identity = Identity(resource, "x", CLIENT, "p")
    for holder, expected in (
        (credential.holder(CLIENT, None), f"az ad app federated-credential delete --id {CLIENT}"),
        (credential.holder(CLIENT, identity), "az identity federated-credential delete --name shop-terraform"),
    ):
        (deed,) = credential.removal(asked, holder, [existing()], applications).deeds
        assert deed.command.startswith(expected)
        for known in ([], [existing(is_marked=False)], [existing(subject="another")]):
            assert credential.removal(asked, holder, known, applications).todo == ()


def test_without_yes_each_thing_is_named_and_stays() -> None:
    planned = removal.planned(removal.application(application()))
    assert (planned.message.kind, planned.calls, planned.outcome) == (kinds.TO_BE_REMOVED, (), Outcome.WAITS)
    kept = removal.kept(application(), "why")
    assert removal.planned(kept) is kept

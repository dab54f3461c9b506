"""The steps backwards, decided by what was read: what `onboard` made for a ServiceAccount goes, everything else stays.

application       made by us: it goes, with its service principal, unless somebody else signs in as it, too. Otherwise
                  the credential goes, and the permissions that were added for this ServiceAccount alone
ServiceAccount    made by us: it goes, unless pods use it or somebody else has written into it. Otherwise our
                  annotations go. It is the last, since it says which application it is
namespace         stays: what others have put into it would go with it
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from webhook.core.identity import Account
from webhook.core.messages import message
from webhook.core.messages import onboarding as kinds
from webhook.entra.registrations import GRAPH_ID, Registration
from webhook.onboarding import marks
from webhook.onboarding.account import MANAGER, applied, is_made, path
from webhook.onboarding.application import changed
from webhook.onboarding.permissions import Permission, listed
from webhook.onboarding.verdicts import Call, Service, Verdict

_CONTROL_PLANE: Final = frozenset({"kube-controller-manager", "kube-apiserver"})


def account(target: Account, found: Mapping[str, Any] | None, pods: Sequence[str], meant: str) -> Verdict:
    """What becomes of the ServiceAccount. pods: the names of those that use it. meant: another one with such a name."""
    what = str(target)
    if found is None:
        question = f"; did you mean {meant}?" if meant else ""
        return Verdict("account", message(kinds.ACCOUNT_NOT_THERE, what=what, meant=question))
    if MANAGER not in _managers(found):
        return Verdict("account", message(kinds.NOTHING_TO_REMOVE, what=what))
    others = sorted(_managers(found) - {MANAGER} - _CONTROL_PLANE)
    if not is_made(found) or others or pods:
        verdict = "the annotations of " + what
        return Verdict("account", message(kinds.REMOVED, what=verdict), (applied(target, {}, made=False),))
    command = f"kubectl delete {target.command}"
    call = Call(Service.CLUSTER, "DELETE", path(target), command=command)
    return Verdict("account", message(kinds.REMOVED, what=what), (call,))


def _managers(found: Mapping[str, Any]) -> set[str]:
    return {str(each.get("manager")) for each in found["metadata"].get("managedFields") or ()}


def why_kept(found: Registration, mark: str, trusted: str) -> str:
    """Why an application is not removed as a whole; "" if it is. trusted: issuer and subject of this ServiceAccount."""
    if not marks.is_made(found.tags, mark):
        return "it was there before, or was made for another ServiceAccount"
    if marks.others(found.tags, mark):
        return "other ServiceAccounts use it"
    if found.secrets:
        return "it has client secrets or certificates, with which somebody signs in"
    if any(each != trusted for each in found.federated):
        return "it has federated identity credentials of others"
    return ""


def application(found: Registration) -> Verdict:
    """The application goes as a whole."""
    call = Call(Service.GRAPH, "DELETE", f"/applications(appId='{found.client_id}')")
    what = f'application "{found.name}" ({found.client_id})'
    return Verdict("application", message(kinds.REMOVED, what=what), (call,))


def kept(found: Registration, why: str) -> Verdict:
    """The application stays."""
    what = f'application "{found.name}" ({found.client_id})'
    return Verdict("application", message(kinds.KEPT, what=what, why=why))


def permissions(
    found: Registration, mark: str, roles: Iterable[Permission], given: Iterable[Mapping[str, Any]], graph_id: str
) -> Verdict:
    """The permissions that were added for this ServiceAccount alone go, with the consent to them, and its tags.

    roles: all of Microsoft Graph. given: the app role assignments of the service principal.
    """
    tags = marks.without(found.tags, mark)
    ours = [each for each in roles if marks.users(found.tags, each.name) == {mark}]
    if tags == list(found.tags):
        return Verdict("permissions", message(kinds.NOTHING_TO_REMOVE, what="permissions"))
    ids = {each.id for each in ours}
    consented = [each for each in given if each.get("resourceId") == graph_id and each.get("appRoleId") in ids]
    unconsented = [
        Call(Service.GRAPH, "DELETE", f"/servicePrincipals/{each['principalId']}/appRoleAssignments/{each['id']}")
        for each in consented
    ]
    change: dict[str, Any] = {"requiredResourceAccess": _without_roles(found.required, ids)} if ours else {}
    # The tags go last: until then, a second run knows what is still to be done.
    calls = (*unconsented, changed(found.client_id, {**change, "tags": tags}))
    what = f"permissions {listed(ours)}" if ours else "the application's tags for this ServiceAccount"
    return Verdict("permissions", message(kinds.REMOVED, what=what), calls)


def _without_roles(required: Iterable[Mapping[str, Any]], ids: set[str]) -> list[dict[str, Any]]:
    kept = []
    for entry in required:
        access = entry.get("resourceAccess") or ()
        if entry.get("resourceAppId") == GRAPH_ID:
            access = [each for each in access if each.get("id") not in ids or each.get("type") != "Role"]
        if access:
            kept.append({**entry, "resourceAccess": list(access)})
    return kept


def planned(verdict: Verdict) -> Verdict:
    """The verdict as it is without --yes: what would be removed is, and nothing is done."""
    if not verdict.todo:
        return verdict
    return Verdict(verdict.step, message(kinds.TO_BE_REMOVED, what=verdict.message.values["what"]))

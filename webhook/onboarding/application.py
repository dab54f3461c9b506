"""The steps in the directory, decided by what was read: application, service principal, permissions, consent."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from webhook.core.formats import is_guid
from webhook.core.messages import Place, message
from webhook.core.messages import onboarding as kinds
from webhook.entra.applications import Deleted, of_deleted
from webhook.entra.mark import mark
from webhook.entra.registrations import GRAPH_ID, Registration
from webhook.onboarding import marks
from webhook.onboarding.desired_state import DesiredState, annotated_by
from webhook.onboarding.permissions import Permission, listed
from webhook.onboarding.verdicts import Call, Service, Verdict

APP_ID: Final = "$APP_ID"
_ROLE: Final = "Role"
_SINGLE_TENANT: Final = "AzureADMyOrg"


def application(
    desired: DesiredState, found: Sequence[Registration], *, caller: str = "", deleted: Deleted | None = None
) -> Verdict:
    """Which application it is; the call that makes one if it is missing.

    found: those with the client id that was given or annotated, else those with the name. caller: the object id of who
    signed in, "" if it is not known. deleted: the one with the client id, if it was deleted.
    """
    by_id = client_id(desired)
    if by_id:
        return _by_client_id(desired, found, by_id, deleted)
    name = desired.application or desired.name
    if len(found) > 1:
        clients = ", ".join(each.client_id for each in found)
        kind = kinds.APPLICATIONS_OF_ONE_NAME
        return Verdict("application", message(kind, count=len(found), name=name, clients=clients))
    if not found:
        return _made(desired, name)
    (only,) = found
    why = _not_trusted(desired, only, caller)
    if why:
        kind = kinds.APPLICATION_NOT_OURS
        return Verdict("application", message(kind, name=only.name, client=only.client_id, why=why))
    return Verdict("application", message(kinds.APPLICATION_FOUND, name=only.name, client=only.client_id))


def client_id(desired: DesiredState) -> str:
    """The client id that was annotated or given; "" if the application is known by its name alone."""
    return desired.annotated or (desired.application if is_guid(desired.application) else "")


def new(made: Verdict, client: str) -> Registration:
    """The application that the call of `made` has made."""
    (call,) = made.calls
    body = call.body
    return Registration(client, name=body["displayName"], tags=tuple(body["tags"]))


def another(desired: DesiredState, given: str) -> Verdict | None:
    """The verdict if the ServiceAccount names another application or managed identity than the one that was given."""
    if not desired.annotated or desired.annotated.lower() == given.lower():
        return None
    values = {"client": desired.annotated, "other": given, "command": desired.account.command}
    place = Place(str(desired.account), annotation=annotated_by(desired.account))
    return Verdict("application", message(kinds.APPLICATION_OTHER, place, **values))


def _by_client_id(
    desired: DesiredState, found: Sequence[Registration], client: str, deleted: Deleted | None
) -> Verdict:
    given = desired.application
    if given and (is_guid(given) or all(given.casefold() != each.name.casefold() for each in found)):
        other = another(desired, given)
        if other:
            return other
    if not found:
        key = annotated_by(desired.account)
        instead = f"; or, for a new application: kubectl annotate {desired.account.command} {key}-" if key else ""
        if deleted:
            return Verdict("application", of_deleted(deleted, client, instead))
        fix = f"az ad app list --filter \"appId eq '{client}'\" in the right tenant{instead}"
        return Verdict("application", message(kinds.APPLICATION_GONE, tenant=desired.tenant, client=client, fix=fix))
    return Verdict("application", message(kinds.APPLICATION_FOUND, name=found[0].name, client=client))


def _not_trusted(desired: DesiredState, found: Registration, caller: str) -> str:
    """Why an application that has the right name is not taken without its client id; "" if it is taken.

    Everybody who may register applications can give one this name, and wait for permissions.
    """
    strangers = [owner.name for owner in found.owners if owner.id != caller]
    if strangers:
        return f"has other owners than you: {', '.join(strangers[:3])}"
    if found.secrets:
        return "has client secrets or certificates, with which somebody else can sign in"
    if any(each != desired.trusted for each in found.federated):
        return "trusts somebody else, too: it has another federated identity credential"
    if not desired.application and not marks.is_made(found.tags, desired.mark):
        return "was not made for this ServiceAccount"
    return ""


def _made(desired: DesiredState, name: str) -> Verdict:
    body = {
        "displayName": name,
        "signInAudience": _SINGLE_TENANT,
        "tags": [marks.TOOL, marks.made(desired.mark)],
        "notes": mark(desired.issuer, desired.subject),
    }
    # By its unique name, two runs at once make one. A name that the user gave may be that of another application later.
    key = "" if desired.application else f"/applications(uniqueName='{name}')"
    call = Call(Service.GRAPH, "POST", "/applications", body, saves={"APP_ID": "appId"}, key=key)
    return Verdict("application", message(kinds.APPLICATION_CREATED, name=name, client=APP_ID), (call,))


def principal(client: str, found: Mapping[str, Any] | None) -> Verdict:
    """Whether the application has a service principal; the call that makes it."""
    if found is not None:
        return Verdict("principal", message(kinds.PRINCIPAL_FOUND))
    body = {"appId": client}
    call = Call(Service.GRAPH, "POST", "/servicePrincipals", body, saves={"PRINCIPAL_ID": "id"}, young=True)
    return Verdict("principal", message(kinds.PRINCIPAL_CREATED), (call,))


def permissions(desired: DesiredState, found: Registration) -> Verdict:
    """Whether the application asks for the permissions; the call that adds those that are missing, and our tags."""
    if not desired.permissions:
        return Verdict("permissions", message(kinds.PERMISSIONS_NONE))
    asked = {
        access.get("id")
        for resource in found.required
        if resource.get("resourceAppId") == GRAPH_ID
        for access in resource.get("resourceAccess") or ()
        if access.get("type") == _ROLE
    }
    missing = [each for each in desired.permissions if each.id not in asked]
    present = [each for each in desired.permissions if each.id in asked]
    tags = marks.with_permissions(found.tags, desired.mark, missing, present)
    change: dict[str, Any] = {"requiredResourceAccess": with_roles(found.required, missing)} if missing else {}
    if tags != list(found.tags):
        change["tags"] = tags
    text = message(
        kinds.PERMISSIONS_ADDED if missing else kinds.PERMISSIONS_FOUND, permissions=listed(missing or present)
    )
    return Verdict("permissions", text, (changed(found.client_id, change),) if change else ())


def changed(client: str, change: Mapping[str, Any]) -> Call:
    """The call that changes members of an application."""
    return Call(Service.GRAPH, "PATCH", f"/applications(appId='{client}')", dict(change), young=True)


def with_roles(required: Sequence[Mapping[str, Any]], added: Iterable[Permission]) -> list[dict[str, Any]]:
    """The list of an application's permissions, with those of Microsoft Graph that are added."""
    entries = [dict(each) for each in required]
    ours = next((each for each in entries if each.get("resourceAppId") == GRAPH_ID), None)
    if ours is None:
        ours = {"resourceAppId": GRAPH_ID, "resourceAccess": []}
        entries.append(ours)
    new = [{"id": each.id, "type": _ROLE} for each in added]
    ours["resourceAccess"] = [*(ours.get("resourceAccess") or ()), *new]
    return entries


def consent(desired: DesiredState, principal_id: str, graph_id: str, given: Iterable[Mapping[str, Any]]) -> Verdict:
    """Whether an administrator has consented; the calls that consent. graph_id: of Graph's service principal.

    given: the app role assignments of the service principal.
    """
    if not desired.permissions:
        return Verdict("consent", message(kinds.PERMISSIONS_NONE))
    known = {each.get("appRoleId") for each in given if each.get("resourceId") == graph_id}
    missing = [each for each in desired.permissions if each.id not in known]
    if not missing:
        return Verdict("consent", message(kinds.CONSENT_FOUND, permissions=listed(desired.permissions)))
    calls = tuple(
        Call(
            Service.GRAPH,
            "POST",
            f"/servicePrincipals/{principal_id}/appRoleAssignments",
            {"principalId": principal_id, "resourceId": graph_id, "appRoleId": each.id},
            young=True,
        )
        for each in missing
    )
    return Verdict("consent", message(kinds.CONSENT_GIVEN, permissions=listed(missing)), calls)


def consent_waits(desired: DesiredState, client: str, *, authority: str, is_identity: bool) -> Verdict:
    """What an administrator has to do, if the caller may not consent."""
    asked = listed(desired.permissions)
    if is_identity:
        return Verdict("consent", message(kinds.CONSENT_WAITS_FOR_IDENTITY, permissions=asked))
    link = f"{authority.rstrip('/')}/{desired.tenant}/adminconsent?client_id={client}"
    # az has a command for it in the public cloud only.
    command = f"; or: az ad app permission admin-consent --id {client}" if desired.cloud.arm == "public" else ""
    return Verdict("consent", message(kinds.CONSENT_WAITS, permissions=asked, link=link, command=command))

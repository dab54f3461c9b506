"""Entra's side of a ServiceAccount: application, service principal, credential and consent. Pure.

What is wrong is said as `m365-identity doctor` says it in the pod: by the code with which Entra would refuse, and the
table of `m365_identity` for that code. Nothing is asked of Entra's token endpoint.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from m365_identity._advice.consent import consent
from m365_identity._messages import graph as helper_graph
from m365_identity._messages import message as helper_message
from m365_identity._messages import tenant as helper_tenant
from m365_identity._messages.message import Message as HelperMessage
from m365_identity.errors import Advice
from webhook.core.messages import NOWHERE, Kind, Message, Place, Severity, message
from webhook.core.messages import onboarding as kinds
from webhook.entra.applications import Deleted, of_deleted
from webhook.entra.comparison import Existing, Wanted
from webhook.entra.registrations import GRAPH_ID, Registration
from webhook.entra.trial_sign_in import SignIn
from webhook.findings import Finding, finding

# Entra's codes.
_NO_APPLICATION: Final = 700016
_NO_PRINCIPAL: Final = 7000229
_DISABLED: Final = 7000112
_NO_CREDENTIAL: Final = 70025
_NO_ISSUER: Final = 700211
_NO_AUDIENCE: Final = 700212
_NO_SUBJECT: Final = 700213
_SUBJECT_CASE: Final = 7002138


@dataclass(frozen=True)
class EntraSide:
    """What was read. registration: of an application; None for a managed identity, or if the tenant does not have it.

    identity: the name of a managed identity, or "". principal: the service principal. credentials: None if they could
    not be read. given: its app role assignments. graph: the service principal of Microsoft Graph.
    deleted: the application, if it was deleted.
    """

    registration: Registration | None
    identity: str
    principal: Mapping[str, Any] | None
    credentials: Sequence[Existing] | None
    given: Sequence[Mapping[str, Any]]
    graph: Mapping[str, Any]
    deleted: Deleted | None = None


def findings(side: EntraSide, wanted: Wanted, sign_in: SignIn) -> Iterator[Finding]:
    """All that is found. sign_in: as the pods will, for the values in the sentences."""
    client = sign_in.client

    def refused(about: str, code: int) -> Finding:
        return Finding(about, explained(sign_in.refusal(code, wanted.issuer, wanted.subject, wanted.audience)))

    if side.deleted and side.registration is None:
        yield Finding("application", of_deleted(side.deleted, client))
    elif side.principal is None:
        yield refused("application", _NO_PRINCIPAL if side.registration else _NO_APPLICATION)
    elif not side.principal.get("accountEnabled", True):
        yield refused("application", _DISABLED)
    else:
        name = side.identity or (side.registration.name if side.registration else side.principal.get("displayName"))
        yield finding("application", kinds.APPLICATION_READY, name=name, client=client, tenant=sign_in.tenant)
    if side.credentials is not None:
        code = refusal(side.credentials, wanted)
        yield refused("credential", code) if code else _matching(side.credentials, wanted)
    elif side.principal is not None:
        yield finding("credential", kinds.CREDENTIALS_ELSEWHERE, client=client)
    if side.principal is not None:
        yield _consent(side, sign_in)


def refusal(known: Sequence[Existing], wanted: Wanted) -> int:
    """The code with which Entra refuses the ServiceAccount's tokens, 0 if a credential matches letter by letter."""
    if not known:
        return _NO_CREDENTIAL
    of_issuer = [each for each in known if each.issuer == wanted.issuer]
    if not of_issuer:
        return _NO_ISSUER
    of_subject = [each for each in of_issuer if each.subject == wanted.subject]
    if not of_subject:
        alike = any(each.subject.casefold() == wanted.subject.casefold() for each in of_issuer)
        return _SUBJECT_CASE if alike else _NO_SUBJECT
    return 0 if any(wanted.audience in each.audiences for each in of_subject) else _NO_AUDIENCE


def _matching(known: Sequence[Existing], wanted: Wanted) -> Finding:
    found = next(each for each in known if each.key == wanted.key)
    return finding("credential", kinds.CREDENTIAL_MATCHES, name=found.name)


def _consent(side: EntraSide, sign_in: SignIn) -> Finding:
    """Whether an administrator has consented to what the application asks for."""
    names = {str(role.get("id")): str(role.get("value")) for role in side.graph.get("appRoles") or ()}
    given = {str(each.get("appRoleId")) for each in side.given if each.get("resourceId") == side.graph.get("id")}
    asked = _asked(side.registration) if side.registration else []
    missing = [names.get(each, each) for each in asked if each not in given]
    values = {"client": sign_in.client, "graph": sign_in.cloud.graph, "consent": consent(sign_in.settings())}
    if missing:
        return Finding("consent", _as_ours(helper_message(helper_tenant.NO_CONSENT, **values), ", ".join(missing)))
    if not given:
        return Finding("consent", _as_ours(helper_message(helper_graph.NO_ROLES, **values)))
    return finding(
        "consent", kinds.CONSENT_FOUND, permissions=", ".join(sorted(names.get(each, each) for each in given))
    )


def _asked(registration: Registration) -> list[str]:
    """The ids of the application permissions of Microsoft Graph in the application's list."""
    return [
        str(access.get("id"))
        for resource in registration.required
        if resource.get("resourceAppId") == GRAPH_ID
        for access in resource.get("resourceAccess") or ()
        if access.get("type") == "Role"
    ]


def explained(advice: Advice) -> Message:
    """The helper's advice as a message. Its likely causes are left out: the cause was seen."""
    return _borrowed(advice.code, Severity.ERROR, advice.meaning, advice.fix)


def _as_ours(found: HelperMessage, more: str = "") -> Message:
    text = f"{found.text}: {more}" if more else found.text
    return _borrowed(found.code, Severity(found.kind.severity.value), text, found.fix)


def _borrowed(code: str, severity: Severity, text: str, fix: str, place: Place = NOWHERE) -> Message:
    return message(Kind(code, severity, "{text}", fix="{fix}"), place, text=text, fix=fix)

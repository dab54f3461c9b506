"""The finding for each kind of refusal: the cause as far as it can be seen, and the fix."""

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from webhook.checks.installation import Installation
from webhook.checks.refusals import Refusal, RefusalKind
from webhook.checks.registration import Entry, Registration, restore, trust_problem
from webhook.core import names
from webhook.core.messages import Kind, Place, calls, checks, message, pod_refusals
from webhook.findings import Finding, finding, forbidden_user

_OF_CALL: Final[Mapping[RefusalKind, Kind]] = MappingProxyType(
    {
        RefusalKind.NO_SERVICE: calls.NO_SERVICE,
        RefusalKind.NO_PORT: calls.NO_PORT,
        RefusalKind.NO_ENDPOINTS: calls.NO_ENDPOINTS,
        RefusalKind.REFUSED: calls.CONNECTION_REFUSED,
        RefusalKind.UNREACHABLE: calls.UNREACHABLE,
        RefusalKind.UNKNOWN_AUTHORITY: calls.NOT_TRUSTED,
        RefusalKind.EXPIRED: calls.CERTIFICATE_NOT_YET_VALID,
        RefusalKind.WRONG_NAME: calls.CERTIFICATE_FOR_ANOTHER_NAME,
        RefusalKind.NO_TLS: calls.NO_TLS,
        RefusalKind.TIMEOUT: calls.TIMEOUT,
        RefusalKind.CUT_OFF: calls.CUT_OFF,
        RefusalKind.UNAVAILABLE: calls.CANNOT_DECIDE,
        RefusalKind.INTERNAL: calls.INTERNAL_ERROR,
        RefusalKind.WRONG_PATH: calls.WRONG_PATH,
        RefusalKind.NO_REVIEW: calls.ANOTHER_PROGRAM,
        RefusalKind.NO_CERTIFICATE: calls.SENDS_NO_CERTIFICATE,
        RefusalKind.ANOTHER_NAME: calls.SENDS_ANOTHER_NAME,
        RefusalKind.CERTIFICATE_REFUSED: calls.CERTIFICATE_REFUSED,
        RefusalKind.DENIED: calls.DENIED,
    }
)
_WITHOUT_CALL: Final[Mapping[RefusalKind, Kind]] = MappingProxyType(
    {
        RefusalKind.FORBIDDEN: pod_refusals.MAY_NOT_CREATE_PODS,
        RefusalKind.NO_ACCOUNT: pod_refusals.ACCOUNT_OF_POD_ABSENT,
        RefusalKind.NO_NAMESPACE: pod_refusals.NAMESPACE_ABSENT,
        RefusalKind.NOT_ALLOWED: pod_refusals.CLIENT_ID_REFUSED,
        RefusalKind.SERVER: checks.API_SERVER_BUSY,
    }
)
# The webhook answered these itself, so the state of its Service cannot be the cause.
_ANSWERS: Final = (RefusalKind.DENIED, RefusalKind.INTERNAL, RefusalKind.NO_REVIEW)
# What kube-apiserver puts before the reason: the name and the URL of the webhook, which the finding names itself.
_CALL: Final = re.compile(r'^.*failed to call webhook: (Post "[^"]*": )?')
_EXPIRED: Final = re.compile(r"current time \S+ is after (\S+)")


def explain(
    refusal: Refusal,
    found: Registration | None,
    installation: Installation | None,
    *,
    namespace: str,
    account: str,
    now: datetime,
    usual: tuple[str, str] = ("NAME", ""),
) -> Finding:
    """The finding for a refused pod. found, installation: None if the user may not see them. account: of the pod.

    usual: the names that the webhook configuration and the Service (namespace/name) have if they are not seen.
    """
    entry = found.entry(refusal.webhook) if found else None
    if not refusal.webhook:
        kind = _WITHOUT_CALL.get(refusal.kind, pod_refusals.REFUSED_OTHERWISE)
        user = forbidden_user(refusal.message)
        return finding("call", kind, namespace=namespace, account=account, user=user, reason=refusal.message)
    if entry is None and refusal.webhook not in names.WEBHOOKS:
        denied = refusal.kind is RefusalKind.DENIED
        kind = pod_refusals.OTHER_WEBHOOK_REFUSES if denied else pod_refusals.OTHER_WEBHOOK_FAILED
        return finding("call", kind, webhook=refusal.webhook, reason=refusal.message)
    behind = installation or Installation("" if found else usual[1])
    kind = _kind(_cause(refusal.kind, behind), refusal.message, behind)
    values = {
        **_of_message(refusal, kind, entry, now, behind),
        **_of_entry(entry),
        **_of_installation(behind, restore(found)),
        "restore": restore(found),
        "configuration": found.name if found else usual[0],
    }
    return Finding("call", message(kind, Place(entry.target if entry else refusal.webhook), **values))


def _cause(kind: RefusalKind, behind: Installation) -> RefusalKind:
    """If no pod is behind the Service, that is the cause, whatever kube-apiserver says about the connection."""
    if kind in _ANSWERS:
        return kind
    if behind.exists is False:
        return RefusalKind.NO_SERVICE
    if behind.has_port is False:
        return RefusalKind.NO_PORT
    return RefusalKind.NO_ENDPOINTS if behind.endpoints == 0 else kind


def _kind(cause: RefusalKind, message: str, behind: Installation) -> Kind:
    """The row of the table for a call of the webhook that failed."""
    if behind.target and cause not in _ANSWERS:
        return calls.WRONG_TARGET
    if cause in (RefusalKind.UNAVAILABLE, RefusalKind.TIMEOUT) and behind.account_trouble:
        return calls.ACCOUNT_OF_WEBHOOK
    if cause in (RefusalKind.UNAVAILABLE, RefusalKind.TIMEOUT) and behind.may_read is False:
        return calls.MAY_NOT_READ_ACCOUNTS
    if cause is RefusalKind.EXPIRED and _EXPIRED.search(message):
        return calls.CERTIFICATE_EXPIRED
    return _OF_CALL.get(cause, calls.CALL_FAILED)


def _of_message(
    refusal: Refusal, kind: Kind, entry: Entry | None, now: datetime, behind: Installation
) -> dict[str, object]:
    """The values in kube-apiserver's message; a caBundle that cannot be used is a better reason than its words."""
    reason = _CALL.sub("", refusal.message)
    if kind is calls.NOT_TRUSTED:
        reason = trust_problem(entry, now) if entry else ""
        reason = reason or "it is signed by an authority that is not in caBundle"
    if kind in (calls.WRONG_TARGET, calls.ACCOUNT_OF_WEBHOOK):
        reason = behind.target if kind is calls.WRONG_TARGET else behind.account_trouble
    end = _EXPIRED.search(refusal.message)
    return {"reason": reason, "end": end[1] if end else ""}


def _of_entry(entry: Entry | None) -> dict[str, object]:
    """The values that the webhook configuration has."""
    if entry is None:
        return {"port": "", "seconds": 10, "host": "SERVICE.NAMESPACE.svc"}  # kube-apiserver's default is 10 s
    namespace, name, port = entry.service or ("", "", 443)
    host = f"{name}.{namespace}.svc" if entry.service else urlsplit(entry.url).hostname
    return {"port": port, "seconds": entry.seconds, "host": host}


def _of_installation(behind: Installation, restored: str) -> dict[str, object]:
    """The values that the webhook's Service and pods have."""
    name = behind.place.partition("/")[2]  # the chart gives the Deployment and the ServiceAccount the Service's name
    account = f"system:serviceaccount:{behind.namespace}:{name}" if name else "system:serviceaccount:NAMESPACE:NAME"
    return {
        "replicas": behind.replicas_state(),
        "look": behind.look(),
        "remedy": behind.remedy(restored),
        "policies": _policies(behind),
        "pod": behind.replicas[0].name if behind.replicas else f"deployment/{name or 'NAME'}",
        "own_namespace": behind.namespace or "NAMESPACE",
        "account": behind.account() or account,
    }


def _policies(behind: Installation) -> str:
    """The NetworkPolicies that may drop the connection, with the command that shows them; "" without one."""
    names = " ".join(behind.policies)
    return f", here: kubectl describe networkpolicy -n {behind.namespace} {names}" if names else ""

"""One ServiceAccount: its client id and tenant, and annotations and labels that have no effect on it."""

import difflib
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from webhook.accounts.source import account_from
from webhook.core import names
from webhook.core.identity import Account, Identity, Reading, read_account_alone
from webhook.core.messages import Message, Place, annotations, workloads
from webhook.core.policy import Policy
from webhook.findings import Finding, finding

_PREFIXES: Final = (names.AZURE_PREFIX, names.M365_PREFIX)
_GUID, _TENANT, _NO_VALUE = "GUID", "TENANT", ""
_VALUES: Final = {
    annotations.CLIENT_ID_PLACEHOLDER: _GUID,
    annotations.TENANT_ID_PLACEHOLDER: _TENANT,
    annotations.CLOUD_GCC: "public",
}
_PLACEHOLDERS: Final = {annotations.CLIENT_ID_INVALID: _GUID, annotations.TENANT_ID_INVALID: _TENANT}
# What prints a value that only Entra knows. The messages about a wrong value have such a command of their own.
_LOOK_UP: Final = {
    annotations.CLIENT_ID_PLACEHOLDER: f"{workloads.LIST_APPLICATIONS}; ",
    annotations.TENANT_ID_PLACEHOLDER: f"{workloads.SHOW_TENANT}; ",
}
_FALSE: Final = ("false", "no", "off", "0", "n", "f")


def absent(namespace: str, name: str) -> Finding:
    """The ServiceAccount does not exist."""
    account = Account(namespace, name, {})
    return finding("account", workloads.ACCOUNT_ABSENT, Place(str(account)), command=account.command)


def findings(document: Mapping[str, Any], policy: Policy, *, tenant: str | None) -> Iterator[Finding]:
    """The findings about a ServiceAccount, as the API server returned it.

    tenant: of the webhook's settings, for ServiceAccounts without one: "" if they have none, None if it is not known.
    """
    account = account_from(document)
    reading = read_account_alone(account, policy)
    for problem in reading.problems:
        yield Finding("account", problem, command=_annotate(account, problem, _expected(account, problem)))
    if not reading.annotated:
        near = _near_client_id(account, reading)
        place, value = Place(str(account), names.AZURE_CLIENT_ID), account.annotations.get(near, _GUID)
        command = f"kubectl annotate {account.command} {names.AZURE_CLIENT_ID}={shlex.quote(value)}"
        command = f"{command} {shlex.quote(near + '-')}" if near else f"{workloads.LIST_APPLICATIONS}; {command}"
        yield finding("account", workloads.ACCOUNT_WITHOUT_CLIENT_ID, place, command=command)
    for warning in reading.warnings:
        if warning.kind is annotations.TENANT_ID_MISSING and tenant is None:
            yield finding("account", workloads.TENANT_UNKNOWN, warning.place, command=account.command)
        elif warning.kind is annotations.TENANT_ID_MISSING and not tenant:
            more = f"{workloads.SHOW_TENANT} prints it; or set --tenant-id of the webhook for all ServiceAccounts"
            yield Finding("account", warning, command=more)
        elif warning.kind not in (annotations.CLIENT_ID_MISSING, annotations.TENANT_ID_MISSING):
            yield Finding("account", warning, command=_command(account, warning))
    labels = (document.get("metadata") or {}).get("labels") or {}
    yield from _of_labels(account, labels)
    if reading.annotated and reading.identity:
        client, where = reading.identity.client_id, _where(reading.identity, tenant)
        yield finding("account", workloads.ACCOUNT_READ, Place(str(account)), client=client, where=where)


def has_client_id(account: Account, policy: Policy) -> bool:
    """Whether pods without the label get an identity, if the scope takes them."""
    reading = read_account_alone(account, policy)
    return reading.annotated and reading.identity is not None


def _of_labels(account: Account, labels: Mapping[str, str]) -> Iterator[Finding]:
    """Labels that have no effect on a ServiceAccount."""
    place = Place(str(account))
    for label, value in sorted(labels.items()):
        if label == names.USE_LABEL:
            yield finding("account", workloads.USE_LABEL_ON_ACCOUNT, place, label=label)
        elif label.startswith(_PREFIXES):
            command = account.command
            yield finding("account", workloads.ACCOUNT_LABEL, place, label=label, command=command, value=value)


def _near_client_id(account: Account, reading: Reading) -> str:
    """The key of an annotation that was meant to be the client id; "" without one."""
    meant = (names.AZURE_CLIENT_ID, names.CLIENT_ID)
    keys = (
        each.place.annotation
        for each in reading.warnings
        if each.kind is annotations.UNKNOWN_ANNOTATION and each.values["meant"] in meant
    )
    return next((key for key in keys if account.annotations.get(key)), "")


def _where(identity: Identity, tenant: str | None) -> str:
    """Where its pods sign in. tenant: of the webhook's settings, "" if they have none, None if it is not known."""
    known = identity.tenant_id or tenant
    if known:
        return f"in tenant {known}"
    return "in the tenant of the webhook's settings, if they have one" if tenant is None else "without a tenant id"


def _command(account: Account, warning: Message) -> str:
    """The kubectl command that removes the cause of a warning; "" if no command does."""
    key, remove = warning.place.annotation, shlex.quote(f"{warning.place.annotation}-")
    if warning.kind is annotations.UNKNOWN_ANNOTATION:
        meant, value = warning.values["meant"], shlex.quote(account.annotations[key])
        return f"kubectl annotate {account.command} " + (
            remove if meant in account.annotations else f"{meant}={value} {remove}"
        )
    if warning.kind in (annotations.MISPLACED_ANNOTATION, annotations.LABEL_AS_ANNOTATION):
        return f"kubectl annotate {account.command} {remove}"
    if warning.kind not in _VALUES:
        return ""
    return _LOOK_UP.get(warning.kind, "") + _annotate(account, warning, _VALUES[warning.kind])


def _expected(account: Account, problem: Message) -> str:
    """The value that an annotation is to have, as far as it is known; "" if it is better left out."""
    given = account.annotations.get(problem.place.annotation, "")
    if problem.kind is annotations.EXPIRATION_INVALID:
        return problem.values["minimum"]
    if problem.kind is annotations.NOT_TRUE_OR_FALSE:
        return "false" if given.strip().lower() in _FALSE else "true"
    if problem.kind in (annotations.NOT_ONE_OF, annotations.FAMILIES_INVALID):
        allowed = problem.values["allowed"].split(", ")
        meant = [difflib.get_close_matches(each.strip().lower(), allowed, 1) for each in given.split(",")]
        return ",".join(dict.fromkeys(each for found in meant for each in found))
    return _PLACEHOLDERS.get(problem.kind, _NO_VALUE)


def _annotate(account: Account, about: Message, value: str) -> str:
    """The kubectl command that replaces an annotation, or takes it away if it is to have no value."""
    key = about.place.annotation
    if not value:
        return f"kubectl annotate {account.command} {key}- (then the default holds)"
    return f"kubectl annotate --overwrite {account.command} {key}={value}"

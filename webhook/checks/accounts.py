"""One ServiceAccount: does it say who its pods will be, and is everything on it where somebody reads it?"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from webhook.accounts.source import account_from
from webhook.checks.text import line, sentence
from webhook.core import names
from webhook.core.identity import Account, read_account_alone
from webhook.core.messages import Message
from webhook.core.messages.annotations import (
    CLIENT_ID_MISSING,
    LABEL_AS_ANNOTATION,
    MISPLACED_ANNOTATION,
    TENANT_ID_MISSING,
    UNKNOWN_ANNOTATION,
)
from webhook.core.policy import Policy
from webhook.findings import Finding, fail, ok, warn

_PREFIXES: Final = (names.AZURE_PREFIX, names.M365_PREFIX)


def absent(namespace: str, name: str) -> Finding:
    """There is no such ServiceAccount."""
    return fail(
        "account",
        f"ServiceAccount {namespace}/{name} does not exist.",
        fix=f"kubectl create serviceaccount {name} -n {namespace}",
    )


def findings(document: Mapping[str, Any], policy: Policy, *, tenant: str) -> Iterator[Finding]:
    """What there is to say of a ServiceAccount, as the API server gave it.

    tenant: the one that the webhook gives to ServiceAccounts that name none, "" when it is not known.
    """
    account = account_from(document)
    reading = read_account_alone(account, policy)
    command = f"serviceaccount {account.name} -n {account.namespace}"
    for problem in reading.problems:
        expected = f" ({problem.fix})" if problem.fix else ""
        fix = f"kubectl annotate --overwrite {command} KEY=VALUE"
        yield fail("account", sentence(problem.text + expected), fix=fix)
    if not reading.annotated:
        yield fail(
            "account",
            f"{account} has no client id, so its pods do not know which application they are.",
            fix=f"kubectl annotate {command} {names.AZURE_CLIENT_ID}=GUID",
        )
    for warning in reading.warnings:
        if warning.kind is CLIENT_ID_MISSING or (warning.kind is TENANT_ID_MISSING and tenant):
            continue
        yield warn("account", sentence(f"{account}: {warning.text}"), fix=_fix(warning, command))
    for key in sorted((document.get("metadata") or {}).get("labels") or {}):
        if key == names.USE_LABEL:
            yield warn(
                "account",
                f"{account}: label {key} has no effect on a ServiceAccount: it belongs on the pods.",
                fix="set it in spec.template.metadata.labels of the workloads",
            )
        elif key.startswith(_PREFIXES):
            yield warn(
                "account",
                f"{account}: label {line(key)} has no effect: it is an annotation.",
                fix=f"kubectl label {command} {line(key)}-; kubectl annotate {command} {line(key)}=VALUE",
            )
    if reading.identity and reading.annotated:
        who = f"{reading.identity.client_id}@{reading.identity.tenant_id or tenant or 'no-tenant-id'}"
        yield ok("account", f"{account} is {who}; `fic` prints the credential that Entra needs.")


def has_client_id(account: Account, policy: Policy) -> bool:
    """Whether pods get an identity without asking for one, where the scope allows that."""
    reading = read_account_alone(account, policy)
    return reading.annotated and reading.identity is not None


def _fix(warning: Message, command: str) -> str:
    key = warning.place.annotation
    if warning.kind is UNKNOWN_ANNOTATION:
        return f"kubectl annotate {command} {warning.values['meant']}=VALUE {key}-"
    if warning.kind is TENANT_ID_MISSING:
        return f"kubectl annotate {command} {names.AZURE_TENANT_ID}=TENANT, or --tenant-id of the webhook for all"
    if warning.kind is MISPLACED_ANNOTATION:
        return f"kubectl annotate {command} {key}-, and set it on the {warning.values['owner']}"
    if warning.kind is LABEL_AS_ANNOTATION:
        return f"kubectl annotate {command} {key}-, and set it where it belongs"
    return f"kubectl annotate --overwrite {command} KEY=VALUE"

"""The federated identity credential that lets a token in, and the commands that make it.

A client id can be that of an application, or of a user-assigned managed identity, and nothing here tells which.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from typing import Final

from m365_identity._tokens.assertion import Assertion

__all__ = ["commands", "federated_credential", "federated_credential_command", "managed_identity_command"]

_IDENTITY: Final = "--identity-name IDENTITY --resource-group GROUP"
_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME: Final = 120  # characters


def federated_credential(assertion: Assertion | None, audience: str = "<audience>") -> dict[str, object]:
    """The federated identity credential that lets `assertion` in, as Graph and `az` take it.

    audience: instead of the token's own, if that is not one for Entra.
    """
    return {
        "name": _name(assertion),
        "issuer": assertion.issuer if assertion else "<issuer>",
        "subject": assertion.subject if assertion else "<subject>",
        "audiences": [assertion.audience if assertion and assertion.suits_entra else audience],
    }


def _name(assertion: Assertion | None) -> str:
    """A readable name, different for each ServiceAccount of each cluster: an application has each name once.

    `m365wi fic` gives the same name, so that the same credential is not made twice.
    """
    if assertion is None:
        return "kubernetes"
    account = assertion.account or ("kubernetes",)
    mark = hashlib.sha256(f"{assertion.issuer}\n{assertion.subject}".encode()).hexdigest()[:8]
    return f"{_NAME.sub('-', '-'.join(account))[: _LONGEST_NAME - 9]}-{mark}"


def federated_credential_command(client_id: str, assertion: Assertion | None, audience: str = "<audience>") -> str:
    """The shell command that makes that credential for an application."""
    return (
        f"az ad app federated-credential create --id {shlex.quote(client_id)} "
        f"--parameters {shlex.quote(json.dumps(federated_credential(assertion, audience)))}"
    )


def managed_identity_command(assertion: Assertion | None, audience: str = "<audience>") -> str:
    """The same for a user-assigned managed identity, whose name and resource group are not known here."""
    wanted = federated_credential(assertion, audience)
    values = (str(wanted["issuer"]), str(wanted["subject"]), *map(str, wanted["audiences"]))  # type: ignore[call-overload]
    issuer, subject, audience = map(shlex.quote, values)
    return (
        f"az identity federated-credential create {_IDENTITY} --name {wanted['name']} "
        f"--issuer {issuer} --subject {subject} --audiences {audience}"
    )


def commands(client_id: str, assertion: Assertion | None, audience: str) -> Mapping[str, str]:
    """What messages name: create, list and update, with the form for a managed identity. audience: the cloud's."""
    client = shlex.quote(client_id)
    # Without the name, which cannot be changed.
    wanted = federated_credential(assertion, audience)
    changed = {name: value for name, value in wanted.items() if name != "name"}
    identity = (
        f"{client_id} is the client id of a user-assigned managed identity, which az ad app does not know "
        f"""(az identity list --query "[?clientId=='{client_id}'].[name,resourceGroup]")"""
    )
    return {
        "create": federated_credential_command(client_id, assertion, audience),
        "create_for_identity": f"{identity}: {managed_identity_command(assertion, audience)}",
        "list": f"az ad app federated-credential list --id {client}",
        "list_of_identity": f"{identity}: az identity federated-credential list {_IDENTITY}, and update or delete",
        "update": f"az ad app federated-credential update --id {client} --federated-credential-id ITS_NAME "
        f"--parameters {shlex.quote(json.dumps(changed))}",
    }

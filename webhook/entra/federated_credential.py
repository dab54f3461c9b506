"""The federated identity credential that Entra needs for a ServiceAccount, and the three ways to write it down.

Entra compares issuer, subject and audience letter by letter, and takes one audience, at most 600 characters of each,
and a name of 3 to 120 letters, digits, hyphens and underscores that can never be changed.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from webhook.core import names
from webhook.core.families import ARM, CLI, M365, POWER_PLATFORM
from webhook.core.formats import is_guid
from webhook.core.identity import Account, Identity, read_account_alone
from webhook.core.messages import Message, Place, message
from webhook.core.messages.annotations import CLIENT_ID_MISSING, TENANT_ID_MISSING
from webhook.core.messages.entra import APPLICATION_UNKNOWN
from webhook.core.policy import Policy

# Families whose client id is that of the Microsoft 365 application; the others have that of Azure's.
_OF_MICROSOFT_365: Final = frozenset({M365, POWER_PLATFORM, CLI})
_LONGEST_NAME: Final = 120  # characters


@dataclass(frozen=True)
class IdentityPlace:
    """Where a user-assigned managed identity is in Azure."""

    subscription: str
    group: str
    name: str

    @property
    def id(self) -> str:
        """Its id in Azure Resource Manager, with the letters that Terraform's provider insists on."""
        provider = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}/{provider}/{self.name}"


@dataclass(frozen=True)
class FederatedCredential:
    """A federated identity credential.

    applications: the client ids of those that need it, at least one. warnings: what looks like a mistake in the
    annotations that it was made of. identities: those of the client ids that are known to be a user-assigned managed
    identity's, each with the identity's place in Azure.
    """

    applications: tuple[str, ...]
    name: str
    issuer: str
    subject: str
    audience: str
    description: str
    warnings: tuple[Message, ...] = ()
    identities: Mapping[str, IdentityPlace] = field(default_factory=dict, hash=False)

    def document(self) -> dict[str, object]:
        """As Microsoft Graph takes it, and `az` in --parameters."""
        return {
            "name": self.name,
            "issuer": self.issuer,
            "subject": self.subject,
            "audiences": [self.audience],
            "description": self.description,
        }


class NoCredential(Exception):
    """No credential can be made. `problems`: a message for each reason."""

    def __init__(self, problems: Sequence[Message]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def federated_credential(account: Account, *, issuer: str, policy: Policy, client_id: str = "") -> FederatedCredential:
    """The credential that lets the pods of `account` in. client_id: of the application, instead of the account's own.

    A ServiceAccount may name two applications, one for Microsoft 365 and one for Azure; both need the credential.
    Raises NoCredential.
    """
    reading = read_account_alone(account, policy)
    if reading.identity is None:
        raise NoCredential(reading.problems)
    applications = (client_id,) if client_id else _applications(reading.identity)
    if not applications:
        place = Place(str(account), annotation=names.AZURE_CLIENT_ID)
        raise NoCredential([message(APPLICATION_UNKNOWN, place, command=account.command)])
    subject = account.subject
    return FederatedCredential(
        applications=applications,
        name=_name(account, issuer, subject),
        issuer=issuer,
        subject=subject,
        audience=reading.identity.audience,
        description=f"Kubernetes ServiceAccount {account.namespace}/{account.name}",
        # Missing ids do not matter here: a credential needs no tenant, and --client-id can supply the other.
        warnings=tuple(each for each in reading.warnings if each.kind not in (CLIENT_ID_MISSING, TENANT_ID_MISSING)),
    )


def az(wanted: FederatedCredential) -> str:
    """A command for each application or known managed identity, for a POSIX shell."""
    parameters = shlex.quote(json.dumps(wanted.document(), indent=2))
    return "".join(
        _of_identity(wanted, application)
        if application in wanted.identities
        else f"az ad app federated-credential create --id {shlex.quote(application)} --parameters {parameters}\n"
        for application in wanted.applications
    )


def identity(wanted: FederatedCredential) -> str:
    """A command for each client id, which is one of a user-assigned managed identity, for a POSIX shell."""
    return "".join(_of_identity(wanted, application) for application in wanted.applications)


def _of_identity(wanted: FederatedCredential, client_id: str) -> str:
    """The command for one. `az` knows it by its name and resource group: if we do not, they are to be filled in."""
    place = wanted.identities.get(client_id)
    if place:
        names = (place.name, "--resource-group", place.group, "--subscription", place.subscription)
        where, comment = shlex.join(names), ""
    else:
        where = "IDENTITY --resource-group GROUP"
        comment = f"""# az identity list --query "[?clientId=='{client_id}'].[name,resourceGroup]" names both:\n"""
    values = ("--name", wanted.name, "--issuer", wanted.issuer, "--subject", wanted.subject)
    options = shlex.join((*values, "--audiences", wanted.audience))
    return f"{comment}az identity federated-credential create --identity-name {where} {options}\n"


def graph(wanted: FederatedCredential) -> str:
    """The body of `POST /applications(appId='…')/federatedIdentityCredentials`: the same for each application."""
    return json.dumps(wanted.document(), indent=2) + "\n"


def terraform(wanted: FederatedCredential) -> str:
    """A resource of the provider hashicorp/azuread for each application, of hashicorp/azurerm for each identity."""
    blocks = []
    label = re.sub("[^a-z0-9]", "_", wanted.subject.split(":", 2)[2])
    for number, application in enumerate(wanted.applications, 1):
        name = f"_{label}" if label[0].isdigit() else label
        name += f"_{number}" if number > 1 else ""
        place = wanted.identities.get(application)
        blocks.append(_azurerm(wanted, name, place) if place else _azuread(wanted, name, application))
    return "\n".join(blocks)


def _azuread(wanted: FederatedCredential, name: str, client_id: str) -> str:
    return (
        f'data "azuread_application" "{name}" {{\n'
        f"  client_id = {_hcl(client_id)}\n"
        "}\n\n"
        f'resource "azuread_application_federated_identity_credential" "{name}" {{\n'
        f"  application_id = data.azuread_application.{name}.id\n"
        f"  display_name   = {_hcl(wanted.name)}\n"
        f"  description    = {_hcl(wanted.description)}\n"
        f"  audiences      = [{_hcl(wanted.audience)}]\n"
        f"  issuer         = {_hcl(wanted.issuer)}\n"
        f"  subject        = {_hcl(wanted.subject)}\n"
        "}\n"
    )


def _azurerm(wanted: FederatedCredential, name: str, place: IdentityPlace) -> str:
    return (
        f'resource "azurerm_federated_identity_credential" "{name}" {{\n'
        f"  user_assigned_identity_id = {_hcl(place.id)}\n"
        f"  name                      = {_hcl(wanted.name)}\n"
        f"  audience                  = [{_hcl(wanted.audience)}]\n"
        f"  issuer                    = {_hcl(wanted.issuer)}\n"
        f"  subject                   = {_hcl(wanted.subject)}\n"
        "}\n"
    )


FORMATS: Final[Mapping[str, Callable[[FederatedCredential], str]]] = {
    "az": az,
    "identity": identity,
    "json": graph,
    "terraform": terraform,
}
"""By the value of -o."""


def _applications(identity: Identity) -> tuple[str, ...]:
    """Those that the variables name, each once."""
    named = [identity.client_id] if set(identity.families) & _OF_MICROSOFT_365 else []
    if set(identity.families) - _OF_MICROSOFT_365:
        named.append(identity.azure_client_id or (identity.client_id if ARM in identity.families else ""))
    return tuple({client.lower(): client for client in named if is_guid(client)}.values())


def _name(account: Account, issuer: str, subject: str) -> str:
    """Readable, and another one for each ServiceAccount of each cluster: an application has each name once."""
    mark = _mark(issuer, subject)
    readable = re.sub("[^A-Za-z0-9_-]", "-", f"{account.namespace}-{account.name}")
    return f"{readable[: _LONGEST_NAME - 9]}-{mark}"


def is_named_for(name: str, issuer: str, subject: str) -> bool:
    """Whether `name` is one that `_name` made for this issuer and subject."""
    return name.endswith(f"-{_mark(issuer, subject)}")


def _mark(issuer: str, subject: str) -> str:
    return hashlib.sha256(f"{issuer}\n{subject}".encode()).hexdigest()[:8]


def _hcl(text: str) -> str:
    """`text` as a string of HCL: as JSON, but for the two marks that begin a template."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")

"""What the ServiceAccounts of a cluster need in Entra. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from webhook.core.clouds import Cloud
from webhook.core.formats import is_guid
from webhook.core.identity import Account, Identity, read_account_alone
from webhook.core.messages import Message, Place, message
from webhook.core.messages import plans as kinds
from webhook.core.messages.entra import APPLICATION_UNKNOWN
from webhook.core.policy import Policy
from webhook.entra.comparison import Wanted
from webhook.entra.federated_credential import NoCredential, federated_credential


@dataclass
class Needs:
    """What was found.

    by_application: what is wanted of each client id, in lower case. accounts: by their name, namespace/name. tenants:
    by that name and the client id, "" if the ServiceAccount does not say. warnings: annotations that are wrong. notes:
    what was left out. known: the subjects of ServiceAccounts that exist and whose needs are not known here.
    """

    by_application: dict[str, list[Wanted]] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    tenants: dict[tuple[str, str], str] = field(default_factory=dict)
    warnings: list[Message] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
    known: set[str] = field(default_factory=set)


class Home(NamedTuple):
    """Where the caller is signed in. tenant: its GUID, "" if it is not known."""

    cloud: Cloud
    tenant: str


def needs(accounts: Iterable[Account], *, issuer: str, policy: Policy, home: Home) -> Needs:
    """What `accounts` need of the applications that they name, at `home`."""
    found = Needs()
    for account in accounts:
        subject = account.subject
        try:
            credential = federated_credential(account, issuer=issuer, policy=policy)
        except NoCredential as error:
            found.known.add(subject)
            found.warnings += (each for each in error.problems if each.kind is not APPLICATION_UNKNOWN)
            continue
        identity = read_account_alone(account, policy).identity
        name = f"{account.namespace}/{account.name}"
        found.accounts[name] = account
        for client_id in credential.applications:
            left_out = [*_left_out(account, identity, client_id, home)] if identity else []
            found.notes += left_out
            if left_out:
                found.known.add(subject)
                continue
            found.tenants[name, client_id.lower()] = tenant_of(identity, client_id) if identity else ""
            wanted = Wanted(name, credential.name, issuer, subject, credential.audience)
            found.by_application.setdefault(client_id.lower(), []).append(wanted)
    return found


def tenant_of(identity: Identity, client_id: str) -> str:
    """The tenant of the application with this client id; a ServiceAccount may name two. "" if it does not say."""
    is_first = client_id.lower() == identity.client_id.lower()
    return identity.tenant_id if is_first else identity.azure_tenant_id


def _left_out(account: Account, identity: Identity, client_id: str, home: Home) -> Iterator[Message]:
    place = Place(str(account))
    cloud, tenant = identity.cloud, tenant_of(identity, client_id)
    if (cloud.authority, cloud.graph) != (home.cloud.authority, home.cloud.graph):
        yield message(kinds.CLOUD_OTHER, place, cloud=cloud.name, own=home.cloud.name)
    elif home.tenant and is_guid(tenant) and tenant.lower() != home.tenant.lower():
        yield message(kinds.TENANT_OTHER, place, tenant=tenant, own=home.tenant)


def merged(needed: Mapping[str, list[Wanted]], more: Iterable[str]) -> dict[str, list[Wanted]]:
    """The same with applications of which nothing is needed, in the order of the client ids."""
    found: dict[str, list[Wanted]] = {client.lower(): [] for client in more} | dict(needed)
    return dict(sorted(found.items()))

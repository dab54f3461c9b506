"""The federated identity credential: by the comparison that `fic plan` makes, for one ServiceAccount."""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from webhook.core.messages import Message, message
from webhook.core.messages import onboarding as kinds
from webhook.entra.comparison import MOST, Change, Cluster, Existing, Item, State, Wanted, compare, description
from webhook.entra.mark import read_mark
from webhook.entra.registrations import Identity
from webhook.entra.rest import Rest
from webhook.onboarding.shell import quoted
from webhook.onboarding.verdicts import Call, Service, Verdict
from webhook.onboarding.wish import Wish

API_VERSION: Final = "api-version=2023-01-31"
"""Of managed identities in Azure Resource Manager."""

_STEP: Final = "credential"
_UPSERT: Final = {"Prefer": "create-if-missing"}


class Credentials:
    """The federated identity credentials of an application or of a managed identity. Reading raises Failed."""

    def __init__(self, graph: Rest, resource_manager: Rest) -> None:
        self._graph = graph
        self._resource_manager = resource_manager

    async def existing(self, client: str, identity: Identity | None) -> list[Existing]:
        """All that there are."""
        if identity is None:
            path = f"/applications(appId='{client}')/federatedIdentityCredentials"
            return [_of_application(each) async for each in self._graph.pages(path)]
        path = f"{identity.id}/federatedIdentityCredentials?{API_VERSION}"
        return [_of_identity(each) async for each in self._resource_manager.pages(path)]


async def identity_at(resource_manager: Rest, resource: str) -> Identity:
    """The user-assigned managed identity with this resource id. Raises Failed."""
    what = f"managed identity {resource.rpartition('/')[2]}"
    body = (await resource_manager.request("GET", f"{resource}?{API_VERSION}", what=what)).body
    properties = body.get("properties") or {}
    client, principal = str(properties.get("clientId")), str(properties.get("principalId"))
    return Identity(resource, str(body.get("name")), client, principal)


def wanted(wish: Wish) -> Wanted:
    """What the ServiceAccount needs."""
    account = f"{wish.account.namespace}/{wish.account.name}"
    return Wanted(account, wish.name, wish.issuer, wish.subject, wish.audience)


def credential(wish: Wish, client: str, identity: Identity | None, known: Sequence[Existing]) -> Verdict:
    """Whether the credential is there, letter by letter; the call that makes or changes it."""
    cluster = Cluster(wish.issuer, covers=lambda subject: subject == wish.subject)
    item = next(each for each in compare([wanted(wish)], known, cluster) if each.wanted is not None)
    if item.state is State.NO_ROOM:
        return Verdict(_STEP, message(kinds.CREDENTIALS_FULL, count=MOST, client=client))
    text = _text(item)
    if item.change is Change.NOTHING:
        return Verdict(_STEP, text)
    call = _of_identity_call(identity, item) if identity else _call(client, item, cluster)
    return Verdict(_STEP, text, (call,))


def removal(client: str, identity: Identity | None, known: Sequence[Existing], wish: Wish) -> Verdict:
    """The call that removes it, if it was made here: by its mark; in Azure, which has no place for one, by its name."""
    own = [each for each in known if each.key == (wish.issuer, wish.subject)]
    if not own or not own[0].is_marked:
        return Verdict(_STEP, message(kinds.NOTHING_TO_REMOVE, what="credential"))
    name = own[0].name
    if identity:
        path = f"{identity.id}/federatedIdentityCredentials/{name}?{API_VERSION}"
        call = Call(Service.RESOURCE_MANAGER, "DELETE", path)
    else:
        path = f"/applications(appId='{client}')/federatedIdentityCredentials/{own[0].id}"
        call = Call(Service.GRAPH, "DELETE", path)
    return Verdict(_STEP, message(kinds.REMOVED, what=f"federated identity credential {name}"), (call,))


def _text(item: Item) -> Message:
    made = {Change.CREATE: kinds.CREDENTIAL_CREATED, Change.UPDATE: kinds.CREDENTIAL_UPDATED}
    known = item.existing or item.wanted
    return message(made.get(item.change, kinds.CREDENTIAL_FOUND), name=known.name if known else "")


def _call(client: str, item: Item, cluster: Cluster) -> Call:
    body = _body(item, cluster)
    path = f"/applications(appId='{client}')/federatedIdentityCredentials"
    if item.existing:
        changed = {name: value for name, value in body.items() if name != "name"}  # which cannot be changed
        return Call(Service.GRAPH, "PATCH", f"{path}/{item.existing.id}", changed, young=True)
    word = f'"{client}"' if client.startswith("$") else shlex.quote(client)
    command = f"az ad app federated-credential create --id {word} --parameters {quoted(json.dumps(body, indent=2))}"
    return Call(
        Service.GRAPH, "PATCH", f"{path}(name='{body['name']}')", body, headers=_UPSERT, young=True, command=command
    )


def _of_identity_call(identity: Identity, item: Item) -> Call:
    needed, existing = item.wanted, item.existing
    if needed is None:
        raise ValueError("nothing is wanted")
    properties = {"issuer": needed.issuer, "subject": needed.subject, "audiences": [needed.audience]}
    path = f"{identity.id}/federatedIdentityCredentials/{existing.name if existing else needed.name}?{API_VERSION}"
    return Call(Service.RESOURCE_MANAGER, "PUT", path, {"properties": properties})


def _body(item: Item, cluster: Cluster) -> dict[str, Any]:
    needed = item.wanted
    if needed is None:
        raise ValueError("nothing is wanted")
    return {
        "name": item.existing.name if item.existing else needed.name,
        "issuer": needed.issuer,
        "subject": needed.subject,
        "audiences": [needed.audience],
        "description": description(needed, item.existing, cluster),
    }


def _of_application(body: Mapping[str, Any]) -> Existing:
    text = str(body.get("description") or "")
    return _existing(str(body["id"]), str(body["name"]), body, text, is_marked=read_mark(text) is not None)


def _of_identity(body: Mapping[str, Any]) -> Existing:
    """A credential of Azure Resource Manager has no description: its name has the mark of issuer and subject."""
    name, properties = str(body["name"]), body.get("properties") or {}
    text = f"{properties.get('issuer')}\n{properties.get('subject')}"
    marked = name.endswith("-" + hashlib.sha256(text.encode()).hexdigest()[:8])
    return _existing(name, name, properties, "", is_marked=marked)


def _existing(id_: str, name: str, body: Mapping[str, Any], text: str, *, is_marked: bool) -> Existing:
    audiences = tuple(map(str, body.get("audiences") or ()))
    return Existing(id_, name, str(body.get("issuer")), str(body.get("subject")), audiences, text, is_marked)

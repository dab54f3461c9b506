"""The `az` commands that do what `apply` and `prune` do, for a POSIX shell."""

import json
import shlex

from webhook.entra.applications import APPLICATION, Application, is_renamed
from webhook.entra.comparison import Change, Cluster, Existing, Item, Wanted, description


def command(application: Application, item: Item, cluster: Cluster) -> str:
    """The command of one item, "" if nothing is to be done."""
    wanted, known = item.wanted, item.existing
    if item.change in (Change.REMOVE, Change.PRUNE) and known:
        return removal(application, known)
    if item.change is Change.CREATE and wanted:
        return _creation(application, wanted, description(wanted, None, cluster))
    if item.change is Change.UPDATE and wanted and known:
        return _change(application, known, wanted, description(wanted, known, cluster))
    return ""


def removal(application: Application, known: Existing) -> str:
    """The command that removes a credential."""
    if application.kind == APPLICATION:
        ids = ["--id", application.client_id, "--federated-credential-id", known.id]
        return shlex.join(["az", "ad", "app", "federated-credential", "delete", *ids])
    return shlex.join([*_identity(application, "delete", known.name), "--yes"])


def _creation(application: Application, wanted: Wanted, text: str) -> str:
    if application.kind != APPLICATION:
        return shlex.join([*_identity(application, "create", wanted.name), *_of(wanted)])
    body = json.dumps({"name": wanted.name, **_body(wanted, text)})
    ids = ["--id", application.client_id, "--parameters", body]
    return shlex.join(["az", "ad", "app", "federated-credential", "create", *ids])


def _change(application: Application, known: Existing, wanted: Wanted, text: str) -> str:
    if application.kind != APPLICATION and is_renamed(known, wanted):
        return f"{removal(application, known)} && {_creation(application, wanted, text)}"
    if application.kind != APPLICATION:
        return shlex.join([*_identity(application, "update", known.name), *_of(wanted)])
    ids = ["--id", application.client_id, "--federated-credential-id", known.id]
    parameters = ["--parameters", json.dumps(_body(wanted, text))]
    return shlex.join(["az", "ad", "app", "federated-credential", "update", *ids, *parameters])


def _identity(application: Application, verb: str, name: str) -> list[str]:
    where = ["--identity-name", application.name, "--resource-group", application.resource_group]
    return [
        *("az", "identity", "federated-credential", verb, "--name", name, *where),
        *("--subscription", application.subscription),
    ]


def _of(wanted: Wanted) -> list[str]:
    return ["--issuer", wanted.issuer, "--subject", wanted.subject, "--audiences", wanted.audience]


def _body(wanted: Wanted, text: str) -> dict[str, object]:
    body: dict[str, object] = {
        "issuer": wanted.issuer,
        "subject": wanted.subject,
        "audiences": [wanted.audience],
    }
    return {**body, "description": text} if text else body

"""The ServiceAccounts of a cluster, a namespace, or one alone, read with the user's own rights."""

from dataclasses import dataclass
from typing import Final

from webhook.accounts.source import BadAccount, account_from
from webhook.cluster.kube import Kube, Reply
from webhook.core.identity import Account
from webhook.core.messages import Message, Place, message
from webhook.core.messages.entra import ACCOUNT_FORBIDDEN, ACCOUNT_UNREADABLE
from webhook.core.messages.plans import ACCOUNTS_FORBIDDEN, ACCOUNTS_UNREADABLE
from webhook.core.messages.workloads import ACCOUNT_ABSENT
from webhook.findings import forbidden_user

_SECONDS: Final = 30.0  # of one request; a page has 500
_SUBJECT: Final = "system:serviceaccount:"


class NotListed(Exception):
    """ServiceAccounts cannot be read, so what is left over is not known either. problem: for the user."""

    def __init__(self, problem: Message) -> None:
        self.problem = problem
        super().__init__(str(problem))


@dataclass(frozen=True)
class Selection:
    """Which ServiceAccounts. namespace: "" for all. name: of one, "" for all of the namespace."""

    namespace: str
    name: str = ""

    def covers(self, subject: str) -> bool:
        """Whether the ServiceAccount of this subject is selected, in upper or lower case."""
        parts = subject.casefold().removeprefix(_SUBJECT).split(":")
        if not subject.casefold().startswith(_SUBJECT) or len(parts) != 2:
            return False
        return (not self.namespace or parts[0] == self.namespace) and (not self.name or parts[1] == self.name)


async def list_accounts(kube: Kube, selection: Selection, *, gone: bool = False) -> list[Account]:
    """The selected ServiceAccounts. gone: whether the only one need not exist. Raises NotListed and Unavailable."""
    if selection.name:
        return await _one(kube, selection.namespace, selection.name, gone=gone)
    where = f"/namespaces/{selection.namespace}" if selection.namespace else ""
    found = await kube.items(f"/api/v1{where}/serviceaccounts", seconds=_SECONDS)
    if isinstance(found, Reply):
        kind = ACCOUNTS_FORBIDDEN if found.status == 403 else ACCOUNTS_UNREADABLE
        raise NotListed(message(kind, reason=found.reason(), user=forbidden_user(found.reason())))
    try:
        return [account_from(each) for each in found]
    except BadAccount as error:  # kube-apiserver takes no such object
        raise NotListed(error.problem) from None


async def _one(kube: Kube, namespace: str, name: str, *, gone: bool) -> list[Account]:
    account = Account(namespace, name, {})
    place = Place(str(account))
    reply = await kube.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}", seconds=_SECONDS)
    if reply.status == 404 and gone:
        return []
    if reply.status == 404:
        raise NotListed(message(ACCOUNT_ABSENT, place, command=account.command))
    if reply.status != 200:
        kind = ACCOUNT_FORBIDDEN if reply.status == 403 else ACCOUNT_UNREADABLE
        reason = reply.reason()
        raise NotListed(message(kind, place, reason=reason, namespace=namespace, user=forbidden_user(reason)))
    return [account_from(reply.json(), place=place)]

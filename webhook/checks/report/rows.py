"""What the report of a whole cluster is made of."""

from dataclasses import dataclass, field
from datetime import datetime

from webhook.findings import Finding, Status

NOT_LOOKED_AT = ""
"""The state of a credential without --entra."""


@dataclass
class AccountRow:
    """A ServiceAccount that has opted in, and how many pods run as it.

    client, azure_client: its applications, the second only if it is another. tenant: "" if it is not known. credential:
    how Entra's side is. running: all of its pods. current: with what a new one would get. outdated: to be created
    again. without: wanted in, and did not get in. The rest of its pods stay out: by their labels, or their namespace.
    """

    namespace: str
    name: str
    client: str = ""
    azure_client: str = ""
    tenant: str = ""
    credential: str = NOT_LOOKED_AT
    running: int = 0
    current: int = 0
    outdated: int = 0
    without: int = 0
    worst: Status = Status.OK

    @property
    def applications(self) -> str:
        """Its client ids."""
        return ", ".join(filter(None, (self.client, self.azure_client)))

    @property
    def out(self) -> int:
        """The pods that stay out on purpose, as it seems."""
        return self.running - self.current - self.outdated - self.without


@dataclass(frozen=True)
class Problem:
    """A finding about a ServiceAccount, or about the pods of one owner. owner: such as `Deployment web`, or "".

    namespace, account: "" if it is not about one. restart: the command that creates the pods again, "" if none
    is needed.
    """

    finding: Finding
    namespace: str = ""
    account: str = ""
    owner: str = ""
    restart: str = ""


@dataclass
class Report:
    """The whole. installation: the findings as of `check`. versions: of the webhook's replicas that are ready, and how
    many have each. pods, accounts, namespaces: how many there are in the cluster. requests: to the API server."""

    at: datetime
    installation: list[Finding] = field(default_factory=list)
    rows: list[AccountRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    pods: int = 0
    accounts: int = 0
    namespaces: int = 0
    requests: int = 0
    seconds: float = 0.0

    def findings(self) -> list[Finding]:
        """All of them."""
        return [*self.installation, *(each.finding for each in self.problems)]

    def sort(self) -> None:
        """The worst problems first, and the rows that have them."""
        self.problems.sort(key=lambda each: (rank(each.finding.status), each.namespace, each.account, each.owner))
        rows = {(row.namespace, row.name): row for row in self.rows}
        for each in self.problems:
            row = rows.get((each.namespace, each.account))
            if row and rank(each.finding.status) < rank(row.worst):
                row.worst = each.finding.status
        self.rows.sort(key=lambda row: (rank(row.worst), row.namespace, row.name))


_WORST_FIRST = (Status.FAIL, Status.WARN, Status.SKIP, Status.OK)


def rank(status: Status) -> int:
    """0 for the worst, which sorts first."""
    return _WORST_FIRST.index(status)

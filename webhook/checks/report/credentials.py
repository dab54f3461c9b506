"""Entra's side of the rows: what `fic plan` found, put beside each ServiceAccount. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from webhook.checks.report.rows import Problem, Report
from webhook.core.messages import Message, Place, cluster_report
from webhook.entra.comparison import State
from webhook.entra.explanations import explanation
from webhook.entra.plan import Part
from webhook.findings import finding

NOT_KNOWN: Final = "not known"
ELSEWHERE: Final = "of another tenant or cloud"
NO_APPLICATION: Final = "no application"
_OK: Final = str(State.OK)


@dataclass(frozen=True)
class Side:
    """How one application serves one ServiceAccount. reason: why it does not, None if it does."""

    account: str
    client: str
    state: str
    reason: Message | None = None


def sides(parts: Iterable[Part]) -> Iterable[Side]:
    """One for each ServiceAccount and application of the plan."""
    for part in parts:
        if part.failure:
            state = NO_APPLICATION if part.application is None else NOT_KNOWN
            for wanted in part.wanted:
                yield Side(wanted.account, part.client_id, state, part.failure)
        for item in part.items:
            if item.wanted:
                reason = None if item.state is State.OK else explanation(part, item)
                yield Side(item.wanted.account, part.client_id, item.state, reason)


def attach(report: Report, found: Iterable[Side], elsewhere: Mapping[str, Message], past: str = "") -> None:
    """Writes states into the rows, and adds a problem for each that is not right.

    elsewhere: the ServiceAccounts, as namespace/name, that are of another tenant or cloud, and why. past: flags for the
    commands of the fixes.
    """
    rows = {f"{row.namespace}/{row.name}": row for row in report.rows}
    for name in elsewhere.keys() & rows.keys():
        rows[name].credential = ELSEWHERE
    for side in found:
        row = rows.get(side.account)
        if row is None:
            continue
        if row.credential in ("", _OK, ELSEWHERE):
            row.credential = side.state
        if side.state != _OK:
            wrong = finding(
                "credential",
                cluster_report.CREDENTIAL_NOT_RIGHT,
                Place(f"ServiceAccount {side.account}"),
                reason=side.reason.text if side.reason else side.state,
                client=side.client,
                namespace=row.namespace,
                name=row.name,
                past=past,
            )
            report.problems.append(Problem(wrong, row.namespace, row.name))
    for row in report.rows:
        if row.client and not row.credential:
            row.credential = NOT_KNOWN
    report.sort()

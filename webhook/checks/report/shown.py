"""The report as text and as JSON."""

from collections.abc import Sequence
from typing import Any, Final

from webhook.checks.report.groups import counted
from webhook.checks.report.rows import AccountRow, Problem, Report
from webhook.findings import Finding, Status

MOST_PROBLEMS: Final = 50
"""Problems in the text; the worst come first."""
MOST_ROWS: Final = 100
"""ServiceAccounts in the text."""
_HEADS: Final = (
    "NAMESPACE",
    "SERVICEACCOUNT",
    "APPLICATION",
    "TENANT",
    "CREDENTIAL",
    "PODS",
    "RIGHT",
    "AGAIN",
    "NOT IN",
)


def listed(report: Report) -> list[Finding]:
    """The findings of the text."""
    return [*report.installation, *(each.finding for each in report.problems[:MOST_PROBLEMS])]


def tables(report: Report) -> str:
    """What the text has below the findings."""
    lines = []
    left_out = report.problems[MOST_PROBLEMS:]
    if left_out:
        wrong = sum(each.finding.status is Status.FAIL for each in left_out)
        lines += ["", f"{counted(len(left_out), 'more problem')}, {wrong} of them wrong: -o html and -o json have all"]
    if report.rows:
        lines += ["", *_aligned([_HEADS, *(_cells(row) for row in report.rows[:MOST_ROWS])])]
    if len(report.rows) > MOST_ROWS:
        lines.append(f"{counted(len(report.rows) - MOST_ROWS, 'more ServiceAccount')}: -o html and -o json have all")
    lines += ["", f"{counted(report.requests, 'request')} to the API server, {report.seconds:.1f} s"]
    return "".join(f"{line}\n" for line in lines)


def facts(report: Report) -> dict[str, Any]:
    """What the JSON has beside status, skipped and findings."""
    return {
        "at": report.at.isoformat(),
        "seconds": round(report.seconds, 3),
        "requests": report.requests,
        "namespaces": report.namespaces,
        "serviceAccountsInCluster": report.accounts,
        "podsInCluster": report.pods,
        "versions": report.versions,
        "restart": [_restart(each) for each in report.problems if each.restart],
        "serviceAccounts": [_row(row) for row in report.rows],
    }


def problem(each: Problem) -> dict[str, Any]:
    """A problem as JSON."""
    where = {"namespace": each.namespace, "serviceAccount": each.account, "owner": each.owner}
    return {**each.finding.document(), **where}


def _restart(each: Problem) -> dict[str, Any]:
    return {
        "namespace": each.namespace,
        "owner": each.owner,
        "command": each.restart,
        "pods": list(each.finding.pods),
        "code": each.finding.message.code,
    }


def _row(row: AccountRow) -> dict[str, Any]:
    return {
        "namespace": row.namespace,
        "name": row.name,
        "application": row.client,
        "azureApplication": row.azure_client,
        "tenant": row.tenant,
        "credential": row.credential,
        "status": row.worst,
        "pods": {
            "running": row.running,
            "right": row.current,
            "createAgain": row.outdated,
            "didNotGetIn": row.without,
            "out": row.out,
        },
    }


def _cells(row: AccountRow) -> tuple[str, ...]:
    pods = map(str, (row.running, row.current, row.outdated, row.without))
    return (row.namespace, row.name, row.applications or "-", row.tenant or "-", row.credential or "-", *pods)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

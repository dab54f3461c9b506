"""The report as one HTML file, which needs neither network nor script. Everything in it is escaped here."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Final

from webhook.checks.report.groups import counted
from webhook.checks.report.rows import NOT_LOOKED_AT, AccountRow, Problem, Report, rank
from webhook.findings import Finding, Status, worst

MOST_ROWS: Final = 5000
"""Rows of a table; the worst come first."""
MOST_PODS: Final = 20
"""Names of pods of one row."""
_WORDS: Final = {Status.OK: "ok", Status.WARN: "warning", Status.FAIL: "wrong", Status.SKIP: "not looked at"}
_VERDICTS: Final = {
    Status.OK: "Nothing is wrong with what was looked at.",
    Status.WARN: "It works; somebody should look at the warnings.",
    Status.FAIL: "Something is wrong.",
}
_CONTROLS: Final = """\
<form class="controls" id="controls" role="search" aria-label="The tables" hidden>
<p><label for="search">Only rows with these words</label><input type="search" id="search" autocomplete="off"></p>
<p><label for="status">Only rows that are</label><select id="status"><option value="">all</option>\
<option value="fail">wrong</option><option value="warn">a warning</option><option value="ok">ok</option></select></p>
<p id="shown" role="status" class="quiet"></p>
</form>
"""


def page(report: Report) -> str:
    """The whole file."""
    style, script = _static("report.css"), _static("report.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>m365-workload-identity: the cluster on {report.at:%Y-%m-%d}</title>\n<style>{style}</style>\n</head>\n"
        '<body>\n<a class="skip" href="#main">Skip to the content</a>\n<main id="main">\n'
        f"{_head(report)}{_CONTROLS}{_installation(report)}{_problems(report.problems)}{_restarts(report.problems)}"
        f"{_accounts(report.rows)}</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _head(report: Report) -> str:
    findings = report.findings()
    verdict = worst(findings)
    skipped = sum(each.status is Status.SKIP for each in findings)
    versions = ", ".join(f"{version} ({counted(count, 'replica')})" for version, count in report.versions.items())
    facts = {
        "Looked at": f"{report.at:%Y-%m-%d %H:%M} UTC, in {report.seconds:.1f} s and {report.requests} requests",
        "Cluster": ", ".join(
            (
                counted(report.namespaces, "namespace"),
                counted(report.accounts, "ServiceAccount"),
                counted(report.pods, "running pod"),
            )
        ),
        "Opted-in ServiceAccounts": f"{len(report.rows)}, with {counted(_sum(report.rows, 'running'), 'pod')}",
        "Pods that have their identity": str(_sum(report.rows, "current")),
        "Pods that must be created again": str(_sum(report.rows, "outdated")),
        "Pods that wanted in and did not get in": str(_sum(report.rows, "without")),
        "Versions of the webhook that answer": versions or "not known",
    }
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>\n" for name, text in facts.items())
    more = f" {counted(skipped, 'thing')} could not be looked at." if skipped else ""
    return (
        "<h1>Microsoft 365 workload identity in this cluster</h1>\n"
        f'<p class="status {verdict}">{escape(_VERDICTS[verdict] + more)}</p>\n<dl>\n{listed}</dl>\n'
        '<nav aria-label="Parts"><a href="#installation">Installation</a> <a href="#problems">Problems</a> '
        '<a href="#again">Pods to create again</a> <a href="#accounts">ServiceAccounts</a></nav>\n'
    )


def _installation(report: Report) -> str:
    rows = [
        _row(each.status, (_status(each.status), _cell(each.about), _what(each)))
        for each in _worst_first(report.installation)
    ]
    return _table("installation", "Installation", ("State", "About", "What"), rows)


def _problems(problems: Sequence[Problem]) -> str:
    rows = [
        _row(
            each.finding.status,
            (
                _status(each.finding.status),
                _cell(each.namespace),
                _cell(each.account),
                _cell(each.owner),
                _number(len(each.finding.pods)),
                _what(each.finding),
            ),
        )
        for each in problems[:MOST_ROWS]
    ]
    heads = ("State", "Namespace", "ServiceAccount", "Owner", "#Pods", "What, and the fix")
    return _table("problems", "Problems", heads, rows, left_out=len(problems) - len(rows))


def _restarts(problems: Sequence[Problem]) -> str:
    again = [each for each in problems if each.restart]
    rows = [
        _row(
            each.finding.status,
            (
                _cell(each.namespace),
                _cell(each.owner or "no owner"),
                _number(len(each.finding.pods)),
                f"<td><code>{escape(each.restart)}</code></td>",
            ),
        )
        for each in again[:MOST_ROWS]
    ]
    heads = ("Namespace", "Owner", "#Pods", "Command")
    return _table("again", "Pods to create again", heads, rows, left_out=len(again) - len(rows))


def _accounts(accounts: Sequence[AccountRow]) -> str:
    rows = [
        _row(
            each.worst,
            (
                _status(each.worst),
                _cell(each.namespace),
                _cell(each.name),
                _cell(each.applications or "none"),
                _cell(each.tenant or "not known"),
                _cell("not looked at" if each.credential == NOT_LOOKED_AT else each.credential),
                *map(_number, (each.running, each.current, each.outdated, each.without, each.out)),
            ),
        )
        for each in accounts[:MOST_ROWS]
    ]
    pods = ("#Pods", "#Right", "#To create again", "#Did not get in", "#Out on purpose")
    heads = ("State", "Namespace", "ServiceAccount", "Application", "Tenant", "Credential", *pods)
    return _table("accounts", "ServiceAccounts", heads, rows, left_out=len(accounts) - len(rows))


def _table(key: str, title: str, heads: Iterable[str], rows: Sequence[str], *, left_out: int = 0) -> str:
    """heads: with # before one of numbers."""
    if not rows:
        return f'<h2 id="{key}">{title}</h2>\n<p>None.</p>\n'
    more = f"; {left_out} more are left out, <code>m365wi check -A -o json</code> has them" if left_out > 0 else ""
    columns = "".join(
        f'<th scope="col" class="number">{escape(each[1:])}</th>'
        if each.startswith("#")
        else f'<th scope="col"{_NUMERIC if each == "State" else ""}>{escape(each)}</th>'
        for each in heads
    )
    return (
        f'<h2 id="{key}">{title}</h2>\n<div class="wide" tabindex="0" role="region" aria-labelledby="{key}">\n'
        f'<table class="sortable"><caption>{counted(len(rows), "row")}, the worst first{more}</caption>\n'
        f"<thead><tr>{columns}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody></table>\n</div>\n"
    )


_NUMERIC: Final = ' data-numeric="yes"'  # sorted by data-value


def _row(status: Status, cells: Iterable[str]) -> str:
    return f'<tr data-status="{status}">{"".join(cells)}</tr>\n'


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _number(number: int) -> str:
    return f'<td class="number">{number}</td>'


def _status(status: Status) -> str:
    return f'<td class="status {status}" data-value="{rank(status)}">{_WORDS[status]}</td>'


def _what(found: Finding) -> str:
    """What was found, its code, its fix, and the pods."""
    fix = f"<br>Fix: <code>{escape(found.fix)}</code>" if found.fix else ""
    more = len(found.pods) - MOST_PODS
    named = ", ".join(found.pods[:MOST_PODS]) + (f" and {more} more" if more > 0 else "")
    pods = f"<details><summary>{counted(len(found.pods), 'pod')}</summary>{escape(named)}</details>" if named else ""
    return f"<td>{escape(found.detail)} <code>{escape(found.message.code)}</code>{fix}{pods}</td>"


def _worst_first(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda each: rank(each.status))


def _sum(rows: Iterable[AccountRow], what: str) -> int:
    return sum(getattr(row, what) for row in rows)


def _static(name: str) -> str:
    """A file of this package."""
    return (files("webhook.checks.report") / "static" / name).read_text("utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

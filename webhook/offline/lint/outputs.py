"""The result as text, as JSON and as workflow commands of GitHub."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from webhook.core.messages import Severity
from webhook.offline.lint.findings import Finding, most_severe_first
from webhook.offline.lint.linting import Report

_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_COUNTED: Final = ((Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.NOTE, "note"))
_VERSION: Final = 1  # of the JSON: grows if something in it changes its meaning


def text(report: Report) -> str:
    """A line for each finding, with its fix below it, and a line that sums up."""
    lines = []
    for each in report.findings:
        lines.append(f"{each.place.file}:{each.line}:{each.column}: {each.severity}: {each.text} [{each.message.code}]")
        if each.origin:
            lines.append(f"    from: {each.origin}")
        if each.message.edit:
            lines.append(f"    fix: {each.message.edit}")
    return "".join(f"{line}\n" for line in [*lines, summary(report)])


def summary(report: Report) -> str:
    """How much was found in how much."""
    where = f"in {_number(report.objects, 'object')}; {_number(len(report.files), 'file')} looked at"
    suppressed = f"; {len(report.suppressed)} on purpose" if report.suppressed else ""
    if not report.findings:
        return f"nothing found {where}{suppressed}"
    counted = [_number(count, word) for severity, word in _COUNTED if (count := report.count(severity))]
    return f"{_number(len(report.findings), 'finding')} ({', '.join(counted)}) {where}{suppressed}"


def document(report: Report) -> str:
    """Everything."""
    found: dict[str, Any] = {
        "version": _VERSION,
        "findings": [_as_json(each) for each in report.findings],
        "suppressed": [{**_as_json(each), "reason": each.reason} for each in report.suppressed],
        "summary": {
            "errors": report.count(Severity.ERROR),
            "warnings": report.count(Severity.WARNING),
            "notes": report.count(Severity.NOTE),
            "suppressed": len(report.suppressed),
            "objects": report.objects,
            "files": len(report.files),
        },
    }
    return json.dumps(found, indent=2) + "\n"


def github(report: Report) -> str:
    """Commands that GitHub makes annotations of, the most severe first: it takes ten of each kind."""
    return "".join(f"{line}\n" for line in [*_commands(report.findings), summary(report)])


def _commands(findings: Sequence[Finding]) -> Iterator[str]:
    for each in most_severe_first(findings):
        members = {"file": each.place.file, "line": each.line, "col": each.column}
        if each.place.end:
            members |= {"endLine": each.place.end[0], "endColumn": each.place.end[1]}
        members["title"] = each.message.code
        fix = f"\nfix: {each.message.edit}" if each.message.edit else ""
        properties = ",".join(f"{name}={_property(str(value))}" for name, value in members.items())
        yield f"::{_COMMANDS[each.severity]} {properties}::{_data(each.text + fix)}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def _as_json(each: Finding) -> dict[str, Any]:
    end = each.place.end
    return {
        "code": each.message.code,
        "severity": each.severity,
        "file": each.place.file,
        "line": each.line,
        "column": each.column,
        "endLine": end[0] if end else None,
        "endColumn": end[1] if end else None,
        "object": each.title,
        "template": each.origin,
        "text": each.text,
        "fix": each.message.edit,
    }


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"

"""The result as SARIF 2.1.0, within what GitHub takes.

Relative paths are taken to be those of the repository. GitHub shows what is suppressed as an open alert, whatever the
log says about it, so such results are in the log only if they are asked for.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from webhook import __version__
from webhook.core.messages import Kind, Severity, message
from webhook.core.messages.lint import MORE_FINDINGS
from webhook.offline.lint.explained import template
from webhook.offline.lint.findings import Finding, most_severe_first
from webhook.offline.lint.linting import Report

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST_RESULTS: Final = 25_000  # of a run; GitHub refuses a file with more
_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
_PROBLEMS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "recommendation"}


def sarif(report: Report, *, suppressed: bool = False) -> str:
    """The log with one run. suppressed: with what is on purpose; then each result says whether it is."""
    found = [*most_severe_first(report.findings), *(most_severe_first(report.suppressed) if suppressed else ())]
    kept = found[:MOST_RESULTS]
    kinds = {each.message.code: each.message.kind for each in kept}
    codes = sorted(kinds)
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if len(kept) < len(found):
        more = message(MORE_FINDINGS, count=len(found) - len(kept), format="SARIF", limit=MOST_RESULTS)
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": more.text}}]
    driver = {
        "name": "m365wi lint",
        "semanticVersion": __version__,
        "rules": [_rule(kinds[code]) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": [_result(each, codes) | (_suppressions(each) if suppressed else {}) for each in kept],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(kind: Kind) -> dict[str, Any]:
    fix = template(kind.edit or kind.fix)
    lines = [kind.help, *([f"Fix: {fix}"] if fix else [])]
    return {
        "id": kind.code,
        "shortDescription": {"text": template(kind.text)},
        "fullDescription": {"text": kind.help},
        "help": {"text": "\n".join(lines), "markdown": "\n\n".join(lines)},
        "defaultConfiguration": {"level": _LEVELS[kind.severity]},
        "properties": {
            "tags": ["kubernetes", "microsoft365"],
            "precision": "high",
            "problem.severity": _PROBLEMS[kind.severity],
        },
    }


def _result(each: Finding, codes: Sequence[str]) -> dict[str, Any]:
    region = {"startLine": each.line, "startColumn": each.column}
    if each.place.end:
        region |= {"endLine": each.place.end[0], "endColumn": each.place.end[1]}
    fix = f" Fix: {each.message.edit}" if each.message.edit else ""
    place = {"physicalLocation": {"artifactLocation": {"uri": _uri(each.place.file)}, "region": region}}
    digest = hashlib.sha256("\0".join((each.message.code, each.title, each.text)).encode()).hexdigest()
    return {
        "ruleId": each.message.code,
        "ruleIndex": codes.index(each.message.code),
        "level": _LEVELS[each.severity],
        "message": {"text": f"{each.text}.{fix}"},
        "locations": [place],
        "partialFingerprints": {"m365wi/v1": digest[:32]},
    }


def _suppressions(each: Finding) -> dict[str, Any]:
    """An empty list is a result that stands; without the list, a reader would not know."""
    if not each.reason:
        return {"suppressions": []}
    return {"suppressions": [{"kind": "external" if each.elsewhere else "inSource", "justification": each.reason}]}


def _uri(file: str) -> str:
    """A path within the working folder as GitHub matches it with the repository's."""
    path = Path(file)
    if path.is_absolute():
        if not path.is_relative_to(Path.cwd()):
            return path.as_uri()
        path = path.relative_to(Path.cwd())
    return quote(path.as_posix())

"""How findings are shown, and what the commands that talk to a cluster have in common."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from webhook.findings import Finding, Status, worst

FORMATS: Final = ("text", "json")

_WORDS: Final = {Status.OK: "ok  ", Status.WARN: "warn", Status.FAIL: "FAIL", Status.SKIP: "skip"}
_MOST_NAMES: Final = 10
_SUMMARIES: Final = {
    Status.OK: "All is well.",
    Status.WARN: "It works; somebody should look at the warnings.",
    Status.FAIL: "Something is wrong.",
}


def text(findings: Sequence[Finding]) -> str:
    """A line for each finding with its fix below it, and one that sums up; whatever was found cannot move a cursor."""
    lines = []
    width = max((len(finding.about) for finding in findings), default=0)
    for finding in findings:
        lines.append(_line(f"{_WORDS[finding.status]}  {finding.about.ljust(width)}  {finding.detail}"))
        if finding.pods:
            more = len(finding.pods) - _MOST_NAMES
            named = ", ".join(finding.pods[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
            lines.append(_line(f"      pods: {named}"))
        if finding.fix:
            lines.append(_line(f"      fix: {finding.fix}"))
    lines += ["", _SUMMARIES[worst(findings)]]
    return "".join(f"{line}\n" for line in lines)


def document(findings: Sequence[Finding], **more: Any) -> str:
    """The same as JSON: `status`, `findings`, and whatever else is given before them."""
    found = {"status": worst(findings), **more, "findings": [asdict(finding) for finding in findings]}
    return json.dumps(found, indent=2) + "\n"


def _line(line: str) -> str:
    return "".join(character if character.isprintable() else " " for character in line).rstrip()

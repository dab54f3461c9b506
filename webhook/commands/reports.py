"""How findings are shown, and what the commands that talk to a cluster have in common."""

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from webhook.core.messages import Message
from webhook.core.text import LONGEST_FIX, shown
from webhook.findings import Finding, Status, worst
from webhook.settings import bad_value

FORMATS: Final = ("text", "json")

_WORDS: Final = {Status.OK: "ok  ", Status.WARN: "warn", Status.FAIL: "FAIL", Status.SKIP: "skip"}
_MOST_NAMES: Final = 10  # more pods than that hide the line below them; JSON has all of them
_SUMMARIES: Final = {
    Status.OK: "All is well.",
    Status.WARN: "It works; somebody should look at the warnings.",
    Status.FAIL: "Something is wrong.",
}

_AS_FAR_AS_SEEN: Final = "Nothing is wrong with what was looked at."


def add_output(parser: argparse.ArgumentParser, formats: Sequence[str] = FORMATS, more: str = "") -> None:
    """The flag -o, whose default is the first of `formats`. more: the end of its help."""
    help_text = f"{', '.join(formats)} ({formats[0]}){more}"
    parser.add_argument("-o", "--output", metavar="FORMAT", default=formats[0], help=help_text)


def wrong_output(flags: argparse.Namespace, formats: Sequence[str] = FORMATS) -> Iterator[Message]:
    """What is wrong with the value of -o."""
    if flags.output not in formats:
        yield bad_value("-o", flags.output, f"one of {', '.join(formats)}")


def text(findings: Sequence[Finding]) -> str:
    """A line for each finding, with its code at the end and its fix below it, and a line that sums up."""
    lines = []
    width = max((len(each.about) for each in findings), default=0)
    for each in findings:
        lines.append(f"{_WORDS[each.status]}  {each.about.ljust(width)}  {each.detail} [{each.message.code}]")
        if each.pods:
            more = len(each.pods) - _MOST_NAMES
            named = ", ".join(each.pods[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
            lines.append(f"      pods: {shown(named, LONGEST_FIX)}")
        if each.fix:
            lines.append(f"      fix: {each.fix}")
    skipped = not_looked_at(findings)
    summary = _AS_FAR_AS_SEEN if skipped and worst(findings) is Status.OK else _SUMMARIES[worst(findings)]
    lines += ["", f"{summary} Not looked at: {', '.join(skipped)}." if skipped else summary]
    return "".join(f"{line}\n" for line in lines)


def not_looked_at(findings: Sequence[Finding]) -> list[str]:
    """What was skipped: the resources that could not be read, and whatever else has no verdict."""
    skipped = [each for each in findings if each.status is Status.SKIP]
    return list(dict.fromkeys(each.message.values.get("resource") or each.about for each in skipped))


def document(findings: Sequence[Finding], **more: Any) -> str:
    """The same as JSON: `status`, `skipped`, then whatever else is given, then `findings`."""
    verdict = {"status": worst(findings), "skipped": not_looked_at(findings)}
    found = {**verdict, **more, "findings": [each.document() for each in findings]}
    return json.dumps(found, indent=2) + "\n"

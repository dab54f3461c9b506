"""The result as JUnit's XML, as Jenkins, GitLab and Azure DevOps read it.

A file is a suite, and a finding a case. A finding that `--fail-on` lets pass is a passed case that says so; what is on
purpose is a skipped one.
"""

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from webhook.core.messages import Severity
from webhook.offline.lint.findings import Finding
from webhook.offline.lint.linting import Report

_NOT_IN_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report, fail_on: Severity) -> str:
    """A test suite for each file."""
    suites = []
    tests = failures = skipped = 0
    for file in report.files or ("",):
        cases = [
            *(_case(each, fail_on) for each in report.findings if each.place.file == file),
            *(_skipped(each) for each in report.suppressed if each.place.file == file),
        ] or [f'    <testcase classname="{_text(file)}" name="nothing found"/>']
        failed = sum("<failure" in case for case in cases)
        left_out = sum("<skipped" in case for case in cases)
        numbers = f'tests="{len(cases)}" failures="{failed}" errors="0" skipped="{left_out}" time="0"'
        suites.append(_lines(f'  <testsuite name="{_text(file)}" {numbers}>', cases, "  </testsuite>"))
        tests, failures, skipped = tests + len(cases), failures + failed, skipped + left_out
    others = [each for each in report.findings if each.place.file not in report.files]
    if others:
        suites.append(_elsewhere(others, fail_on))
        tests += len(others)
        failures += sum(each.is_at_least(fail_on) for each in others)
    numbers = f'tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}" time="0"'
    return _lines(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="m365wi lint" {numbers}>', suites, "</testsuites>\n"
    )


def _elsewhere(findings: Sequence[Finding], fail_on: Severity) -> str:
    """The suite of files that are not manifests, such as the one that says what is ignored."""
    failed = sum(each.is_at_least(fail_on) for each in findings)
    numbers = f'tests="{len(findings)}" failures="{failed}" errors="0" skipped="0" time="0"'
    head = f'  <testsuite name="other files" {numbers}>'
    return _lines(head, [_case(each, fail_on) for each in findings], "  </testsuite>")


def _lines(head: str, inner: Sequence[str], tail: str) -> str:
    return "\n".join((head, *inner, tail))


def _case(each: Finding, fail_on: Severity) -> str:
    body = "\n".join(_told(each))
    if each.is_at_least(fail_on):
        head = f'<failure type="{each.severity}" message="{_text(each.text)}">'
        return f"{_opened(each)}\n      {head}{_text(body)}</failure>\n    </testcase>"
    return f"{_opened(each)}\n      <system-out>{_text(body)}</system-out>\n    </testcase>"


def _skipped(each: Finding) -> str:
    return f'{_opened(each)}\n      <skipped message="{_text(each.reason)}"/>\n    </testcase>'


def _opened(each: Finding) -> str:
    name = f"{each.message.code} {each.title or 'file'} (line {each.line}, column {each.column})"
    where = f'classname="{_text(each.place.file)}" file="{_text(each.place.file)}" line="{each.line}"'
    return f'    <testcase {where} name="{_text(name)}" time="0">'


def _told(each: Finding) -> Iterator[str]:
    yield f"{each.place.file}:{each.line}:{each.column}: {each.severity}: {each.text} [{each.message.code}]"
    if each.message.edit:
        yield f"fix: {each.message.edit}"


def _text(value: str) -> str:
    return escape(_NOT_IN_XML.sub("?", value))

"""The result in every format but SARIF."""

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from tests.offline.lint.support import ACCOUNT, account, linted, pod
from webhook.core.messages import Severity
from webhook.offline.lint import outputs
from webhook.offline.lint.junit import junit
from webhook.offline.lint.linting import Report

IGNORE = "m365.workload.identity/lint-ignore"
ANNOTATIONS = f"{{m365.workload.identity/clod: x, {IGNORE}: 'WI210: \"<partner>\"'}}"
TEXT = (
    account(
        "{azure.workload.identity/client-id: by-name, azure.workload.identity/tenant-id: contoso.com}", name="other"
    )
    + ACCOUNT
    + pod(annotations=ANNOTATIONS, container="{name: app, env: [{name: M365_CLOUD, value: dod}]}")
)


@pytest.fixture
def report() -> Report:
    """An error, a warning, and one that is on purpose."""
    return linted(TEXT, name="a,b:c.yaml")


def test_text_has_a_line_for_each_finding_and_a_sum(report: Report) -> None:
    """A line that editors take for a place, the fix, and a sum."""
    assert outputs.text(report).splitlines() == [
        'a,b:c.yaml:6:52: error: ServiceAccount shop/other: annotation azure.workload.identity/client-id is "by-name", '
        "expected the application's GUID [WI120]",
        '    fix: az ad app list --display-name by-name --query "[].appId"',
        "a,b:c.yaml:23:46: warning: Pod shop/app: unknown annotation clod, did you mean cloud? [WI106]",
        "    fix: rename it to m365.workload.identity/cloud",
        "2 findings (1 error, 1 warning) in 3 objects; 1 file looked at; 1 on purpose",
    ]
    assert outputs.text(linted(ACCOUNT)) == "nothing found in 1 object; 1 file looked at\n"


def test_json_has_everything_with_reasons(report: Report) -> None:
    """Everything, with the reasons of what is on purpose."""
    found = json.loads(outputs.document(report))
    assert found["summary"] == {
        "errors": 1, "warnings": 1, "notes": 0, "suppressed": 1, "objects": 3, "files": 1,
    }  # fmt: skip
    assert found["findings"][1] == {
        "code": "WI106",
        "severity": "warning",
        "file": "a,b:c.yaml",
        "line": 23,
        "column": 46,
        "endLine": 23,
        "endColumn": 47,
        "object": "Pod shop/app",
        "template": "",
        "text": "Pod shop/app: unknown annotation clod, did you mean cloud?",
        "fix": "rename it to m365.workload.identity/cloud",
    }
    assert [(each["code"], each["reason"]) for each in found["suppressed"]] == [("WI210", '"<partner>"')]
    assert found["version"] == 1


def test_github_gets_escaped_commands_with_errors_first(report: Report) -> None:
    """What a workflow command cannot have is escaped; errors come first."""
    lines = outputs.github(replace(report, findings=report.findings[::-1])).splitlines()
    assert lines[0].startswith("::error file=a%2Cb%3Ac.yaml,line=6,col=52,endLine=6,endColumn=59,title=WI120::")
    percent = pod(annotations="{m365.workload.identity/cloud: 'a%b'}")
    assert 'cloud is "a%25b", expected' in outputs.github(linted(percent))
    assert "%0Afix: az ad app list" in lines[0]
    assert lines[1].startswith("::warning file=")
    assert len(lines) == 3


def test_junit_has_a_case_for_each_finding(report: Report) -> None:
    """What fails, what passes and what is on purpose; the numbers are those of the cases."""
    suites = ET.fromstring(junit(report, Severity.ERROR))
    assert suites.attrib == {
        "name": "m365wi lint", "tests": "3", "failures": "1", "errors": "0", "skipped": "1", "time": "0",
    }  # fmt: skip
    (suite,) = suites
    assert (suite.attrib["name"], suite.attrib["tests"], suite.attrib["failures"]) == ("a,b:c.yaml", "3", "1")
    failed, passed, skipped = suite
    assert failed.attrib["name"] == "WI120 ServiceAccount shop/other (line 6, column 52)"
    assert failed[0].tag == "failure"
    assert str(failed[0].text).startswith("a,b:c.yaml:6:52: error: ")
    assert (passed[0].tag, skipped[0].tag, skipped[0].attrib) == ("system-out", "skipped", {"message": '"<partner>"'})
    strict = ET.fromstring(junit(report, Severity.WARNING))
    assert strict.attrib["failures"] == "2"


def test_junit_has_a_case_for_a_file_without_findings() -> None:
    """Else CI says that there were no tests; and XML cannot have every character."""
    (suite,) = ET.fromstring(junit(linted(ACCOUNT, name="a\x01<b>.yaml"), Severity.ERROR))
    assert suite.attrib["name"] == "a?<b>.yaml"
    assert [case.attrib["name"] for case in suite] == ["nothing found"]

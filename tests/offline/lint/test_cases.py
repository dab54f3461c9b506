"""Every case of tests/cases: lint finds what the case says, in YAML and in JSON, at places that can be shown."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.core.cases import Case, load
from tests.offline.lint.support import codes, linted
from webhook.documents import blocks

CASES = load()
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def objects(case: Case) -> list[Mapping[str, Any]]:
    """The namespace, the ServiceAccount and the pod."""
    pod = {"apiVersion": "v1", "kind": "Pod", **case.pod}
    return [each for each in (case.namespace_object(), case.service_account(), pod) if each]


@every
def test_a_case_has_the_findings_that_it_says(case: Case) -> None:
    """Those that admission warns about or refuses, unless the case says what differs."""
    text = blocks.stream(objects(case))
    report = linted(text, case.policy, namespace=case.namespace)
    assert tuple(codes(report)) == case.expect.lint, [each.text for each in report.findings]
    there = text.split("\n")
    for each in report.findings:
        assert there[each.line - 1][each.column - 1] not in " :", each
        assert each.place.line, each


@every
def test_a_case_has_the_same_findings_in_json(case: Case) -> None:
    """As a List, at places of the JSON."""
    document = {"apiVersion": "v1", "kind": "List", "items": objects(case)}
    text = json.dumps(document, indent=2)
    report = linted(text, case.policy, name="app.json", namespace=case.namespace)
    assert tuple(codes(report)) == case.expect.lint
    there = text.split("\n")
    for each in report.findings:
        assert there[each.line - 1][each.column - 1] not in " :", each
        assert each.place.line, each

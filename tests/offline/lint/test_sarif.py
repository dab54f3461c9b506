"""The result as SARIF: valid by its schema and by GitHub's rules, as Microsoft's own validator reads them."""

import json
import os
import string
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testbed.third_party import build
from tests.offline.lint.support import ACCOUNT, SEEDED, account, linted, pod
from webhook.core.messages import TABLE
from webhook.documents.files import FilePlace
from webhook.offline.lint import sarif as module
from webhook.offline.lint.findings import RANKS
from webhook.offline.lint.ignores import DEFAULT_FILE, Ignore
from webhook.offline.lint.sarif import sarif

Validate = Callable[..., list[tuple[str, str]]]
PROGRAM = "node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool"


def run(text: str) -> dict[str, Any]:
    """The run of a log."""
    document = json.loads(text)
    (found,) = document["runs"]
    assert isinstance(found, dict)
    return found


def seeded() -> str:
    """The log of twelve mistakes."""
    return sarif(linted((SEEDED / "app.yaml").read_text(), name="deploy/a b.yaml"))


def test_each_result_has_its_rule_and_its_place() -> None:
    """Lines and columns from 1, a path that is a URI, a rule in the list."""
    found = run(seeded())
    rules = found["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted({result["ruleId"] for result in found["results"]})
    for result in found["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    (first, *_) = found["results"]
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "deploy/a%20b.yaml"},
                "region": {"startLine": 17, "startColumn": 40, "endLine": 17, "endColumn": 51},
            }
        }
    ]
    assert first["level"] == "error"
    assert first["message"]["text"].startswith("ServiceAccount shop/by-name: annotation ")
    assert " Fix: az ad app list " in first["message"]["text"]


def test_a_fingerprint_is_of_the_finding_and_not_of_its_line() -> None:
    """GitHub keeps an alert that moves; and another one is another."""
    before, after = run(seeded()), run(sarif(linted("# more\n" + (SEEDED / "app.yaml").read_text())))
    prints = [[result["partialFingerprints"] for result in each["results"]] for each in (before, after)]
    assert prints[0] == prints[1]
    assert len({str(each) for each in prints[0]}) == 12


def test_github_takes_only_so_many_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors stay, and the log says how many are left out."""
    monkeypatch.setattr(module, "MOST_RESULTS", 4)
    found = run(seeded())
    assert [result["level"] for result in found["results"]] == ["error"] * 3 + ["warning"]
    (told,) = found["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"] == "8 more findings are left out: SARIF takes 4"


IGNORED = "{azure.workload.identity/client-id: x, m365.workload.identity/lint-ignore: 'WI120: a; WI102: b'}"


def test_what_is_on_purpose_is_left_out() -> None:
    """GitHub would show it as an alert."""
    assert run(sarif(linted(account(IGNORED))))["results"] == []


def test_what_is_on_purpose_is_there_on_request_with_its_reason() -> None:
    """Each result then says whether it stands: if the list were missing, a reader would not know."""
    of_file = Ignore("WI102", "the cluster's default", FilePlace(DEFAULT_FILE), object="ServiceAccount shop/other")
    other = account("{azure.workload.identity/client-id: z}", name="other")
    found = run(sarif(linted(account(IGNORED) + other, ignores=[of_file]), suppressed=True))
    said = sorted(
        (each["ruleId"], [(one["kind"], one["justification"]) for one in each["suppressions"]])
        for each in found["results"]
    )
    assert said == [
        ("WI102", [("external", "the cluster's default")]),
        ("WI102", [("inSource", "b")]),
        ("WI120", []),
        ("WI120", [("inSource", "a")]),
    ]


def test_what_stands_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is too much for a log, what is on purpose is left out before it."""
    monkeypatch.setattr(module, "MOST_RESULTS", 2)
    other = account("{azure.workload.identity/client-id: z}", name="other")
    found = run(sarif(linted(account(IGNORED) + other), suppressed=True))
    assert [each["suppressions"] for each in found["results"]] == [[], []]
    (told,) = found["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"] == "2 more findings are left out: SARIF takes 2"


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("deploy/app.yaml", "deploy/app.yaml"),
        ("<stdin>", "%3Cstdin%3E"),
        ("{folder}/deploy/app.yaml", "deploy/app.yaml"),
        ("/elsewhere/app.yaml", "file:///elsewhere/app.yaml"),
    ],
)
def test_a_path_is_one_in_the_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, uri: str) -> None:
    """The working folder is its root."""
    monkeypatch.chdir(tmp_path)
    report = linted("a: [", name=file.replace("{folder}", str(tmp_path)))
    (result,) = run(sarif(report))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


@pytest.fixture(scope="module")
def validate(tmp_path_factory: pytest.TempPathFactory) -> Validate:
    """What the validator says about a log: the level and the rule."""
    folder = tmp_path_factory.mktemp("sarif")
    program = build.build("sarif") / PROGRAM
    program.chmod(0o755)

    def check(*logs: str) -> list[tuple[str, str]]:
        runs = [run(log) for log in logs]
        (folder / "log.sarif").write_text(json.dumps({**json.loads(logs[0]), "runs": runs}))
        result = folder / "result.sarif"
        command = [str(program), "validate", "log.sarif", "--rule-kind", "Sarif;Ghas", "--output", str(result)]
        environment = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
        command += ["--log", "ForceOverwrite"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert result.exists(), done.stdout + done.stderr
        found = json.loads(result.read_text("utf-8-sig"))["runs"][0].get("results", [])
        result.unlink()
        return sorted({(each.get("level", "warning"), each["ruleId"]) for each in found})

    return check


@pytest.mark.slow
def test_the_log_is_valid(validate: Validate) -> None:
    """With findings of every code, without any, of standard input and of a file as a whole."""
    report = linted(pod())
    every = tuple(
        replace(report.findings[0], message=replace(report.findings[0].message, kind=kind, values=VALUES))
        for kind in TABLE.values()
        if kind.severity in RANKS
    )
    whole = replace(report.findings[0], place=FilePlace("app.yaml", file="<stdin>"))
    logs = (replace(report, findings=every), linted(ACCOUNT), replace(report, findings=(whole,)))
    on_purpose = sarif(linted(account(IGNORED)), suppressed=True)
    # The address of the project is not known to the program, so the log does not name it.
    assert validate(seeded(), *map(sarif, logs), on_purpose) == [("warning", "SARIF2005")]


@pytest.mark.slow
def test_the_validator_would_see_a_mistake(validate: Validate) -> None:
    """Of the schema, and of GitHub's rules."""
    of_the_schema, of_github = json.loads(seeded()), json.loads(seeded())
    of_the_schema["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = "17"
    assert ("error", "JSON1001") in validate(json.dumps(of_the_schema))
    del of_github["runs"][0]["results"][0]["locations"]
    assert any(level == "error" and rule.startswith("GH") for level, rule in validate(json.dumps(of_github)))


def names(text: str) -> list[str]:
    """The values in a text of the table."""
    return [name for _, name, _, _ in string.Formatter().parse(text) if name]


VALUES = {name: name for kind in TABLE.values() for text in (kind.text, kind.fix, kind.edit) for name in names(text)}

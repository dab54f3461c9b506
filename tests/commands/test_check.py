"""What `check` makes of what it finds: pure, with kube-apiserver's own words as they were recorded."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

import webhook
from tests.checks.support import NOW, the_registration
from tests.commands.live import run
from webhook.checks import registration
from webhook.checks.explanations import explain
from webhook.checks.installation import Installation
from webhook.checks.refusals import Refusal, RefusalKind
from webhook.checks.replicas import Replica
from webhook.commands import check, fic, issuer, main, reports
from webhook.core.messages import Kind as Row
from webhook.core.messages import Place, Severity
from webhook.findings import finding

PAGE = Path(webhook.__file__).parent.parent / "docs" / "check.md"


def test_all_mistakes_of_wrong_usage_are_reported_at_once(tmp_path: Path) -> None:
    """Exit code 2, a line for each mistake."""
    done = run("check", "-n", "A b", "--service-account", "..", "--workload", "service/web", "--own-namespace", "_")
    assert done.code == 2
    assert len(done.err.splitlines()) == 4
    config = tmp_path / "config"
    config.write_text("{}")
    done = run("check", "--workload", "web", environ={"KUBECONFIG": str(config)})
    assert "expected KIND/NAME, KIND one of deployment" in done.err
    assert "give --kubeconfig PATH" in run("check").err
    assert str(config) in run("check", "--kubeconfig", str(config)).err


@pytest.mark.parametrize("command", [check, fic, issuer])
def test_the_help_says_which_cluster_it_is(command: Any) -> None:
    """It is found as kubectl finds it, and not as `serve` does."""
    parser = argparse.ArgumentParser(prog="x")
    command.add_arguments(parser)
    assert "$KUBECONFIG, else ~/.kube/config" in " ".join(parser.format_help().split())


def test_findings_are_shown_a_line_each() -> None:
    """With the code at the end and the fix below; whatever came from elsewhere cannot begin a line of its own."""
    many = tuple(f"pod-{number}" for number in range(12))

    def kind(severity: Severity, code: str = "", fix: str = "") -> Row:
        return Row(code, severity, "{text}", fix)

    shown = reports.text(
        [
            finding("a", kind(Severity.OK, "WI996"), text="fine"),
            finding("b", kind(Severity.SKIPPED, "WI997", "x"), text="unseen"),
            finding("c", kind(Severity.WARNING, "WI998", "y"), text="odd\nok    d  e"),
            finding("pods", kind(Severity.ERROR, "WI999", "f"), text="z", pods=many),
        ]
    )
    assert shown.splitlines() == [
        "ok    a     fine [WI996]",
        "skip  b     unseen [WI997]",
        "      fix: x",
        "warn  c     odd\\nok    d  e [WI998]",
        "      fix: y",
        "FAIL  pods  z [WI999]",
        f"      pods: {', '.join(many[:10])} and 2 more",
        "      fix: f",
        "",
        "Something is wrong. Not looked at: b.",
    ]


def test_all_is_well_is_said_of_what_was_looked_at_only() -> None:
    """What was skipped is listed, by what could not be read."""
    well = finding("call", Row("WI996", Severity.OK, "fine"))
    skipped = finding("pods", Row("WI997", Severity.SKIPPED, "{resource} unseen"), resource="pods in shop")
    assert reports.text([well]).endswith("\nAll is well.\n")
    assert reports.text([well, skipped]).endswith(
        "\nNothing is wrong with what was looked at. Not looked at: pods in shop.\n"
    )
    assert json.loads(reports.document([well, skipped]))["skipped"] == ["pods in shop"]


def test_findings_are_shown_as_json_with_all_that_is_known_of_them() -> None:
    """Status, code, place, text, fix and every pod."""
    kind = Row("WI999", Severity.WARNING, '{object}: annotation {annotation} is "{value}"', "set {annotation}")
    place = Place("ServiceAccount shop/web", "x/client-id")
    shown = json.loads(reports.document([finding("account", kind, place, pods=("web-1",), value="v")], restart=[]))
    assert shown == {
        "status": "warn",
        "skipped": [],
        "restart": [],
        "findings": [
            {
                "status": "warn",
                "code": "WI999",
                "about": "account",
                "place": {"object": "ServiceAccount shop/web", "annotation": "x/client-id", "field": ""},
                "detail": 'ServiceAccount shop/web: annotation x/client-id is "v"',
                "fix": "set x/client-id",
                "pods": ["web-1"],
            }
        ],
    }


def test_the_page_shows_findings_as_they_are_printed() -> None:
    """The two lines of the example, for an installation as the chart makes it."""
    found = the_registration(service=("m365-workload-identity-system", "m365-workload-identity"))
    name = "m365-workload-identity-7d4-"
    trouble, account = "ImagePullBackOff of m365wi:0.1", "m365-workload-identity"
    replicas = tuple(Replica(f"{name}{end}", account, trouble, show="describe pod") for end in ("x2x", "9kd"))
    installation = Installation("m365-workload-identity-system/m365-workload-identity", True, True, 0, replicas)
    refusal = Refusal(RefusalKind.NO_ENDPOINTS, "labelled.m365.workload.identity", "")
    failed = explain(refusal, found, installation, namespace="shop", account="default", now=NOW)
    first, second, fix = reports.text([registration.present(found), failed]).splitlines()[:3]
    page = PAGE.read_text(encoding="utf-8").splitlines()
    assert first in page
    assert page[page.index(second) + 1] == fix


def test_flags_for_entra_go_with_the_flag_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    """They would have no effect, and somebody would take the answer for one about Entra."""
    assert main(["check", "--auth", "device-code", "--tenant", "contoso.com", "--debug"], "m365wi") == 2
    told = [line for line in capsys.readouterr().err.splitlines() if "[WI517]" in line]
    assert told == [
        f"m365wi check: {flag} goes with `check --entra` [WI517]" for flag in ("--auth", "--tenant", "--debug")
    ]

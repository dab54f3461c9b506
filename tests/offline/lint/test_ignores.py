"""What is on purpose: by annotation and by file, with a reason, and reported when it suppresses nothing."""

from pathlib import Path

import pytest

from tests.offline.lint.support import ACCOUNT, USUAL, account, lines, linted, marked, pod
from webhook.offline.lint.ignores import Ignore, of_file
from webhook.offline.lint.linting import Report

CLIENT = "azure.workload.identity/client-id"
IGNORE = "m365.workload.identity/lint-ignore"
OWN = "{name: app, env: [{name: @WI210@M365_CLOUD, value: dod}]}"


def said(path: Path, text: str) -> list[Ignore]:
    """What an ignore file with this text says; nothing is wrong with it."""
    file = path / "ignore.yaml"
    file.write_text(text)
    ignores, problems = of_file(str(file))
    assert problems == []
    return ignores


def reasons(report: Report) -> list[tuple[str, str]]:
    """Of what was suppressed."""
    return [(each.message.code, each.reason) for each in report.suppressed]


def test_an_annotation_says_what_is_on_purpose() -> None:
    """On the pod; the other finding stays."""
    text = ACCOUNT + pod(
        annotations=f'{{{IGNORE}: "WI210: the cloud of the partner", m365.workload.identity/clod: @WI106@x}}',
        container=OWN,
    )
    plain, expected = marked(text)
    report = linted(plain)
    assert lines(report) == [each for each in expected if "WI106" in each]
    assert reasons(report) == [("WI210", "the cloud of the partner")]


def test_an_annotation_is_for_its_own_object() -> None:
    """That of the ServiceAccount does not speak for the pod, nor the other way round."""
    plain, _ = marked(account(f"{{{CLIENT}: x, {IGNORE}: @WI491@'WI210: no'}}") + pod(container=OWN))
    report = linted(plain)
    assert [each.message.code for each in report.findings] == ["WI102", "WI120", "WI491"]
    assert reasons(report) == []
    valid = USUAL[:-1] + f", {IGNORE}: @WI491@'WI210: no'}}"
    plain, expected = marked(account(valid) + pod(container=OWN))
    assert lines(linted(plain)) == expected
    several = account(f"{{{CLIENT}: x, {IGNORE}: 'WI120: soon;WI102: the webhook has one'}}")
    assert reasons(linted(several)) == [("WI102", "the webhook has one"), ("WI120", "soon")]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("WI210", "WI490"),
        ("WI210:", "WI490"),
        ("WI210: ", "WI490"),
        ("", "WI490"),
        ("everything", "WI490"),
        ("WI999: x", "WI493"),
        ("wi210: x", "WI493"),
    ],
)
def test_a_reason_and_a_code_that_exists_are_required(value: str, code: str) -> None:
    """Otherwise nothing is suppressed, and the annotation is an error at its place."""
    plain, expected = marked(ACCOUNT + pod(annotations=f"{{{IGNORE}: @{code}@'{value}'}}", container=OWN))
    report = linted(plain)
    assert lines(report) == expected
    assert report.suppressed == ()


def test_what_is_ignored_in_vain_is_reported() -> None:
    """At its annotation; and it cannot be ignored itself."""
    plain, expected = marked(
        ACCOUNT + pod(annotations=f"{{{IGNORE}: @WI491@'WI219: removed in June; WI491: be silent'}}")
    )
    report = linted(plain)
    assert lines(report) == expected * 2


def test_a_file_says_it_for_paths_and_objects(tmp_path: Path) -> None:
    """`*` stands for anything in both."""
    plain, _ = marked(ACCOUNT + pod(container=OWN))
    for entry in (
        "{code: WI210, reason: r}",
        "{code: WI210, reason: r, path: 'deploy/*'}",
        "{code: WI210, reason: r, path: './deploy/*.yaml', object: 'Pod shop/app'}",
        "{code: WI210, reason: r, object: 'Pod */app'}",
    ):
        ignores = said(tmp_path, f"ignore: [{entry}]")
        report = linted(plain, name="deploy/prod/app.yaml", ignores=ignores)
        assert report.findings == (), entry
        assert reasons(report) == [("WI210", "r")]
    for entry in (
        "{code: WI211, reason: r}",
        "{code: WI210, reason: r, path: 'charts/*'}",
        "{code: WI210, reason: r, object: 'Deployment shop/app'}",
    ):
        report = linted(plain, name="deploy/app.yaml", ignores=said(tmp_path, f"ignore:\n  - {entry}\n"))
        assert [each.message.code for each in report.findings] == ["WI491", "WI210"], entry
        assert report.findings[0].place.object.endswith("ignore.yaml:2:5")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "ignore.yaml: expected a list"),
        ("[]", "ignore.yaml: expected a list"),
        ("ignore: {}", "ignore.yaml: expected a list"),
        ("ignore: []\nmore: 1", "ignore.yaml: expected a list"),
        ("ignore:\n  - x", "ignore.yaml:2:5: expected an entry"),
        ("ignore:\n  - {code: WI210}", "ignore.yaml:2:5: reason missing"),
        ("ignore:\n  - {reason: x}", "ignore.yaml:2:5: code missing"),
        ("ignore:\n  - {code: WI210, reason: ' '}", "ignore.yaml:2:5: expected text"),
        ("ignore:\n  - {code: WI210, reason: 1}", "ignore.yaml:2:5: expected text"),
        ("ignore:\n  - {code: WI210, reason: x, paths: y}", "ignore.yaml:2:5: unknown key paths"),
        ("ignore:\n  - {code: WI999, reason: x}", "ignore.yaml:2:5: no message has the code WI999"),
        ("ignore: [", "ignore.yaml:2:1: the text is not YAML"),
    ],
)
def test_a_mistake_in_the_file_has_its_place(tmp_path: Path, text: str, wrong: str) -> None:
    """Nothing of the file counts then."""
    (tmp_path / "ignore.yaml").write_text(text)
    ignores, problems = of_file(str(tmp_path / "ignore.yaml"))
    assert ignores == []
    assert str(problems[0]).startswith(f"{tmp_path}/{wrong}"), problems


def test_what_cannot_be_read_is_not_ignored(tmp_path: Path) -> None:
    """A file that nobody can read may have anything in it."""
    ignores = said(tmp_path, "ignore: [{code: WI408, reason: x}]")
    report = linted("kind: [\n", ignores=ignores)
    assert [each.message.code for each in report.findings] == ["WI491", "WI408"]

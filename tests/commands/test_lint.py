"""The command `lint`: flags, exit codes, what goes where."""

import io
import json
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.offline.lint.support import ACCOUNT, SEEDED, account, pod
from webhook.commands import main
from webhook.core.mutation import UnsoundPatch
from webhook.offline.lint import pods

WARNED = ACCOUNT + pod(annotations="{m365.workload.identity/clod: x}")
REFUSED = account("{azure.workload.identity/client-id: x, azure.workload.identity/tenant-id: contoso.com}")


class Ran(NamedTuple):
    code: int
    out: str
    err: str


class Lint:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *flags: str, stdin: str = "") -> Ran:
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main(["lint", *flags], "m365wi")
        return Ran(code, *self._capfd.readouterr())


@pytest.fixture
def lint(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Lint:
    """Runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Lint(monkeypatch, capfd)


@pytest.mark.parametrize(
    ("text", "fail_on", "code"),
    [
        (ACCOUNT, "warning", 0),
        (pod(), "warning", 0),
        (WARNED, "error", 0),
        (WARNED, "warning", 1),
        (REFUSED, "error", 1),
        (REFUSED, "warning", 1),
        ("a: [", "error", 1),
    ],
    ids=["clean", "note", "warning", "warning counts", "error", "error counts as well", "unreadable"],
)
def test_the_exit_code_is_that_of_the_most_severe_finding(lint: Lint, text: str, fail_on: str, code: int) -> None:
    """In every format, and a note never counts."""
    for form in ("text", "json", "sarif", "junit", "github"):
        ran = lint("-f", "-", "--fail-on", fail_on, "-o", form, stdin=text)
        assert ran.code == code, (form, ran)
        assert ran.out


def test_files_folders_and_standard_input_are_read_together(lint: Lint) -> None:
    """With and without the flag, in one run, so that they see each other; the log of the job has the sum."""
    ran = lint("-f", str(SEEDED), "-", "-o", "json", "--stdin-name", "charts/shop", stdin=WARNED)
    found = json.loads(ran.out)
    assert found["summary"]["files"] == 2
    assert {each["file"] for each in found["findings"]} == {(SEEDED / "app.yaml").as_posix(), "charts/shop"}
    assert ran.err == ""
    ran = lint(str(SEEDED), "-o", "sarif")
    assert ran.err == "12 findings (3 errors, 9 warnings) in 15 objects; 1 file looked at\n"


def test_every_wrong_flag_is_listed_at_once(lint: Lint) -> None:
    """With exit code 2."""
    ran = lint("-o", "xml", "--fail-on", "note", "-n", "A", "--scope", "all", "--ignore-file", "missing.yaml")
    assert (ran.code, ran.out) == (2, "")
    told = ran.err.splitlines()
    assert [line.split("[")[-1] for line in told] == ["WI502]", "WI501]", "WI501]", "WI501]", "WI501]", "WI401]"]
    assert all(line.startswith("m365wi lint: ") for line in told)


@pytest.mark.parametrize("flags", [["missing.yaml"], ["-f", "-", "-f", "-"], ["-"], ["."]])
def test_nothing_to_lint_is_wrong_usage(lint: Lint, flags: list[str]) -> None:
    """Else a misspelt path passes for a clean result."""
    ran = lint(*flags)
    assert (ran.code, ran.out) == (2, "")


def test_the_ignore_file_of_the_folder_is_read(lint: Lint, tmp_path: Path) -> None:
    """If it exists; the flag names another one."""
    (tmp_path / ".m365wi-lint.yaml").write_text("ignore: [{code: WI106, reason: the next version reads it}]\n")
    assert "1 on purpose" in lint("-", stdin=WARNED).out
    (tmp_path / "other.yaml").write_text("ignore: []\n")
    assert lint("-", "--ignore-file", "other.yaml", "--fail-on", "warning", stdin=WARNED).code == 1
    (tmp_path / ".m365wi-lint.yaml").write_text("ignore: [{code: WI106}]\n")
    ran = lint("-", stdin=WARNED)
    assert ran.code == 2
    assert ran.err.startswith("m365wi lint: .m365wi-lint.yaml:1:10: reason missing (ignore: [{code: WI210, ")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "WI213",
            ["WI213, warning", "never be renewed: OBJECT", "The kubelet does not update", "Fix: mount the whole"],
        ),
        ("wi101", ["Fix: kubectl annotate COMMAND", "In a manifest: add ANNOTATION"]),
        ("WIC101", ["WIC101, "]),
    ],
)
def test_a_code_is_explained(lint: Lint, code: str, words: list[str]) -> None:
    """From the table, in any case, and no file is read."""
    ran = lint("--explain", code)
    assert (ran.code, ran.err) == (0, "")
    assert all(word in ran.out for word in words), ran.out


def test_what_is_on_purpose_is_in_sarif_on_request(lint: Lint) -> None:
    """Only there: the other formats have it already, or take none of it."""
    ran = lint("-", "-o", "sarif", "--with-suppressed", stdin=WARNED)
    assert [result["suppressions"] for result in json.loads(ran.out)["runs"][0]["results"]] == [[]]
    wrong = lint("-", "--with-suppressed", stdin=WARNED)
    assert (wrong.code, "--with-suppressed goes with `lint -o sarif`" in wrong.err) == (2, True)


def test_a_code_that_does_not_exist_is_wrong_usage(lint: Lint) -> None:
    """With those like it."""
    ran = lint("--explain", "WI2133")
    assert (ran.code, ran.out) == (2, "")
    assert "such as WI" in ran.err


def test_a_bug_of_the_webhook_is_exit_code_3(lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of that, nothing can be said about the manifests."""

    def unsound(*_: object) -> None:
        raise UnsoundPatch("twice")

    monkeypatch.setattr(pods, "decide", unsound)
    ran = lint("-", stdin=ACCOUNT + pod())
    assert (ran.code, ran.out) == (3, "")
    assert "twice" in ran.err


def test_the_tenant_of_the_webhook_is_taken_into_account(lint: Lint) -> None:
    """As is its helper image: the chart sets one."""
    text = account("{azure.workload.identity/client-id: 11111111-1111-4111-8111-111111111111}")
    assert lint("-", "--fail-on", "warning", stdin=text).code == 1
    assert lint("-", "--fail-on", "warning", "--tenant-id", "contoso.com", stdin=text).code == 0

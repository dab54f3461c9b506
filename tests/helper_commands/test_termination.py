"""Why a container ended, where the kubelet looks for it, and that `m365wi check` reads it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from m365_identity import SettingsError
from m365_identity.__main__ import main
from m365_identity._commands import termination
from m365_identity.settings import settings
from tests.helper_commands.processes import Commands, Pod
from webhook.checks import sign_ins

pytestmark = pytest.mark.slow


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kubelet's file, and this process is the first of a container."""
    log = tmp_path / "termination-log"
    log.touch()
    monkeypatch.setattr(termination, "LOG", log)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    return log


def said(message: str) -> sign_ins.Failure:
    """What `check` makes of a container's message."""
    ended = {"exitCode": 1, "reason": "Error", "message": message}
    status = {"initContainerStatuses": [{"name": "m365-preflight", "state": {"terminated": ended}}]}
    found = sign_ins.failure({"metadata": {"name": "web"}, "status": status})
    assert found is not None
    return found


def test_preflight_says_why_it_ended_in_one_line(pod: Pod, log: Path) -> None:
    """Its code, what it means, and the command; the causes and the attempts before are in the log."""
    assert main(["preflight", "--patience", "0"], pod.environ) == 1
    (line,) = log.read_text().splitlines()
    assert line.startswith("AADSTS70025 (invalid_client, HTTP 401): ")
    assert " [WIH307] Fix: az ad app federated-credential create --id " in line
    found = said(line)
    assert (found.code, found.fix) == ("WIH307", line.partition(" Fix: ")[2])
    assert found.reason == line.partition(" [WIH307]")[0]


def test_without_the_file_check_reads_the_end_of_the_log(commands: Commands) -> None:
    """As the kubelet takes it then: the same code, reason and fix, after several attempts."""
    done = commands.run("preflight", "--patience", "4")
    found = said(done.err[-2048:])
    assert found.code == "WIH307"
    assert found.reason.startswith("AADSTS70025 (invalid_client, HTTP 401), after ")
    assert found.fix.startswith("az ad app federated-credential create --id ")


def test_settings_that_are_missing_are_said_together(log: Path) -> None:
    """Each with its code."""
    for command in (["preflight"], ["exec", "--", "true"], ["serve"]):
        log.write_bytes(b"")
        assert main(command, {}) == 2
        found = said(log.read_text())
        assert found.code in ("WIH101", "WIH006")
        assert "no tenant id: " in found.reason or "IDENTITY_ENDPOINT" in found.reason


def test_an_unreachable_entra_is_said(pod: Pod, log: Path) -> None:
    """As the library's summary."""
    assert main(["preflight", "--patience", "0", "--authority", "https://127.0.0.1:1"], pod.environ) == 1
    assert said(log.read_text()).code.startswith("WIH4")


def test_success_says_nothing(pod: Pod, log: Path) -> None:
    """The kubelet would show it."""
    pod.federate()
    assert main(["preflight"], pod.environ) == 0
    assert log.read_bytes() == b""


def test_a_command_that_somebody_runs_beside_it_says_nothing(
    pod: Pod, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By kubectl exec: the container goes on to run."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    assert main(["preflight", "--patience", "0"], pod.environ) == 1
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert main(["whoami", "--patience", "0"], pod.environ) == 1
    assert log.read_bytes() == b""


@pytest.mark.parametrize("place", ["missing", "folder", "device"])
def test_a_file_that_cannot_be_written_is_left(
    pod: Pod, place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A developer's machine has no such file."""
    paths = {"missing": tmp_path / "nowhere", "folder": tmp_path, "device": Path("/dev/full")}
    monkeypatch.setattr(termination, "LOG", paths[place])
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert main(["preflight", "--patience", "0"], pod.environ) == 1
    assert not (tmp_path / "nowhere").exists()


def test_the_line_is_bounded_and_plain(log: Path) -> None:
    """The kubelet takes the end of a file that is too long; control characters come from elsewhere."""
    with pytest.raises(SettingsError) as caught:
        settings(environ={"M365_TENANT_ID": "\x1b[31m\n" + "ä" * 9000, "M365_CLIENT_ID": "x", "M365_CLOUD": "y"})
    termination.explain(caught.value)
    assert 0 < len(log.read_bytes()) <= 3000
    assert log.read_text(encoding="ascii").isprintable()

"""The command `python -m tools.release`: what it says if it cannot make a release."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from testbed.chart import helm
from tools.release import __main__ as command
from tools.release import commands, source
from tools.release.errors import ReleaseError

pytestmark = pytest.mark.slow  # git runs


@pytest.fixture(autouse=True)
def _helm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helm is not built for these tests."""
    monkeypatch.setattr(helm, "binary", lambda: Path("helm"))


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What it says, with exit status 1 and without a traceback."""
    assert command.main([*arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_it_says_why_a_tree_is_not_a_release(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And leaves the last release as it is."""

    def refuse(**_: object) -> source.Source:
        raise ReleaseError("commit 123 does not have the tag v0.1.0")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(command, "require", lambda *_: None)
    monkeypatch.setattr(source, "examine", refuse)
    (tmp_path / "release").mkdir()
    (tmp_path / "release/last").write_text("last")
    assert refusal(capsys, "--out", str(tmp_path / "release")) == "commit 123 does not have the tag v0.1.0\n"
    assert [path.name for path in tmp_path.rglob("*")] == ["release", "last"]


def test_it_needs_root(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """buildah does."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(command, "require", lambda *_: None)
    assert refusal(capsys) == "buildah needs root here: sudo make release\n"


def test_it_says_which_programs_to_install(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once."""
    monkeypatch.setattr(shutil, "which", lambda name: name if name in commands.OF_DEBIAN else None)
    assert refusal(capsys) == "missing: git, buildah. apt-get install git buildah\n"
    monkeypatch.setattr(shutil, "which", lambda name: None if name in commands.OF_DEBIAN else name)
    assert refusal(capsys).startswith("missing: apt-get, dpkg-deb. A release is made on Debian")


def test_a_program_that_fails_says_why() -> None:
    """With the end of what it printed."""
    with pytest.raises(ReleaseError, match=r"exit status 3, ending with\nwrong$"):
        commands.run(["sh", "-c", "echo wrong >&2; exit 3"])

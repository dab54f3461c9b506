"""From which trees a release is made, and which files are in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tools import version
from tools.release import source
from tools.release.errors import ReleaseError

pytestmark = pytest.mark.slow

VERSION = version.source()
DATE = "2026-01-02T03:04:05+00:00"
EPOCH = 1767323045


def git(folder: Path, *arguments: str) -> str:
    """Runs git without the user's configuration."""
    names = {
        f"GIT_{who}_{what}": f"{what}@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    dates = {"GIT_AUTHOR_DATE": DATE, "GIT_COMMITTER_DATE": DATE}
    lonely = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=os.environ | names | dates | lonely,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one commit, which has the tag of the version."""
    folder = tmp_path / "tree"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner/text").write_text("text")
    (folder / "program").write_text("#!/bin/sh\n")
    (folder / "program").chmod(0o700)
    (folder / ".gitignore").write_text("ignored\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    git(folder, "tag", f"v{VERSION}")
    return folder


def test_a_clean_tree_with_its_tag_is_a_release(tree: Path) -> None:
    """The age of everything is the time of the commit."""
    found = source.examine(snapshot=False, root=tree)
    commit = git(tree, "rev-parse", "HEAD").strip()
    assert found == source.Source(VERSION, commit, EPOCH, dirty=False, tagged=True)


def test_a_tree_with_changes_is_not_a_release(tree: Path) -> None:
    """A new file counts, too, and the refusal names it."""
    (tree / "new").write_text("new")
    with pytest.raises(ReleaseError) as refused:
        source.examine(snapshot=False, root=tree)
    assert "?? new" in str(refused.value)
    assert source.examine(snapshot=True, root=tree).dirty


def test_a_commit_without_the_tag_of_its_version_is_not_a_release(tree: Path) -> None:
    """A tag of another version, or of another commit, is not enough."""
    git(tree, "tag", "v9.9.9")
    git(tree, "commit", "--quiet", "--allow-empty", "--message", "second")
    with pytest.raises(ReleaseError) as refused:
        source.examine(snapshot=False, root=tree)
    assert f"does not have the tag v{VERSION}" in str(refused.value)
    assert not source.examine(snapshot=True, root=tree).tagged


def test_a_folder_without_git_is_not_a_release(tmp_path: Path) -> None:
    """Such as the unpacked archive of a repository."""
    with pytest.raises(ReleaseError) as refused:
        source.examine(snapshot=True, root=tmp_path)
    assert "a release is made from a git repository" in str(refused.value)


def test_versions_that_differ_are_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal says what `tools.version` says."""
    monkeypatch.setattr(version, "differences", lambda: ["Dockerfile: version 0.0.1, expected 0.1.0"])
    with pytest.raises(ReleaseError) as refused:
        source.examine(snapshot=True, root=tree)
    assert "Dockerfile: version 0.0.1" in str(refused.value)


def test_an_export_has_the_files_of_the_commit_and_the_same_modes_everywhere(tree: Path, tmp_path: Path) -> None:
    """Neither what git ignores, nor the umask of who made the clone."""
    (tree / "ignored").write_text("ignored")
    (tree / "inner/text").chmod(0o600)
    (tree / "inner").chmod(0o700)
    out = tmp_path / "out"
    out.mkdir(mode=0o700)
    source.export(source.examine(snapshot=False, root=tree), out, root=tree)
    modes = {path.relative_to(out).as_posix(): path.stat().st_mode & 0o777 for path in out.rglob("*")}
    assert modes == {".gitignore": 0o644, "inner": 0o755, "inner/text": 0o644, "program": 0o755}
    assert (out / "inner/text").read_text() == "text"


def test_a_snapshot_has_the_changes_of_the_tree(tree: Path, tmp_path: Path) -> None:
    """Changed, new and removed files, so that one sees what one has."""
    (tree / "inner/text").write_text("changed")
    (tree / "new").write_text("new")
    (tree / "program").unlink()
    out = tmp_path / "out"
    out.mkdir()
    source.export(source.examine(snapshot=True, root=tree), out, root=tree)
    content = {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*") if path.is_file()}
    assert content == {".gitignore": "ignored\n", "inner/text": "changed", "new": "new"}

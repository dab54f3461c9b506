"""What `python -m bench` measures without the reference: the commit before, and the parts of a review."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench import before, parts
from bench.generator import BenchError

pytestmark = pytest.mark.slow


def git(root: Path, *arguments: str) -> str:
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    done = subprocess.run(["git", "-C", root, *author, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of two commits, with a .venv."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text(".venv\n", encoding="utf-8")
    (tmp_path / ".venv").mkdir()
    for text in ("one", "two"):
        (tmp_path / "file").write_text(text, encoding="utf-8")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "--quiet", "-m", text)
    return tmp_path


def test_the_commit_before_is_the_last_one_if_something_is_not_committed(root: Path) -> None:
    """Then that is what has changed."""
    assert before.commit_before(root) == "HEAD~1"
    (root / "file").write_text("three", encoding="utf-8")
    assert before.commit_before(root) == "HEAD"


def test_a_checkout_has_the_commit_and_our_packages_and_leaves_nothing_behind(root: Path) -> None:
    """git would go on to list a folder that was only deleted."""
    with before.checkout("HEAD~1", root=root) as tree:
        assert (tree / "file").read_text(encoding="utf-8") == "one"
        assert (tree / ".venv").resolve() == root / ".venv"
    assert not tree.exists()
    assert len(git(root, "worktree", "list").splitlines()) == 1


def test_a_commit_that_is_not_there_is_told(root: Path) -> None:
    """With what git says."""
    with pytest.raises(BenchError, match=r"git worktree: .*nonsense"), before.checkout("nonsense", root=root):
        pass


def test_every_part_of_a_review_takes_time_and_together_they_are_all_of_it() -> None:
    """In the order in which a review passes them."""
    found = parts.measure(turns=2, calls=2)
    assert [part.name for part in found] == [
        "TLS and sockets",
        "HTTP and metrics",
        "parsing and checking the review",
        "decision",
        "answer",
        "log line",
        parts.REST,
    ]
    assert all(part.microseconds > 0 for part in found[:-1])
    *lines, last = parts.table(found)
    assert len(lines) == 2 + len(found)
    assert last.startswith(f"| together | {sum(part.microseconds for part in found):.1f} |")

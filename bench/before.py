"""This checkout against the commit before it, in the same run (`bench.compare` measures)."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import compare
from bench.endpoint import Plan, Say
from bench.generator import BenchError

__all__ = ["checkout", "commit_before", "lines"]

ROOT = Path(__file__).parent.parent


def lines(plan: Plan, say: Say, *, commit: str = "", root: Path = ROOT) -> list[str]:
    """A table of `root` against `commit`, "" for the one before it. Raises BenchError, WrongAnswer or BuildError."""
    commit = commit or commit_before(root)
    with checkout(commit, root=root) as before:
        name = _git(root, "log", "-1", "--format=%h (%s)", commit)
        say(f"this checkout against {name}")
        points = compare.measure({"before": before, "after": root}, rounds=plan.rounds, seconds=plan.seconds)
    errors = sum(point.errors for seen in points.values() for point in seen)
    if errors:
        raise BenchError(f"{errors} requests failed")
    return [f"Before: {name}. After: this checkout.", "", *compare.table(points)]


def commit_before(root: Path = ROOT) -> str:
    """The commit that was changed last: HEAD if there are changes that are not committed, else the one before HEAD."""
    return "HEAD" if _git(root, "status", "--porcelain", "--untracked-files=no") else "HEAD~1"


@contextlib.contextmanager
def checkout(commit: str, *, root: Path = ROOT) -> Iterator[Path]:
    """`commit` in a temporary folder, with the packages of `root`. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="m365wi-before-") as folder:
        tree = Path(folder) / "tree"
        _git(root, "worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            (tree / ".venv").symlink_to((root / ".venv").resolve())
            yield tree
        finally:
            _git(root, "worktree", "remove", "--force", str(tree))


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()

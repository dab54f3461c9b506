"""The source and manifests of the release before this one, from git: its replicas run together with ours in an upgrade.

It is the newest tag `v…` below this commit, or, without a tag, the commit that added `SINCE`: on the image's Python,
older commits do not trust the bare certificates of the test cluster (testbed/cluster/pki.py). If git has neither, as
in a shallow clone, this commit is used instead, and a line says so.
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from testbed.cluster.build import to_stderr
from testbed.cluster.processes import ClusterError

__all__ = ["CHECKOUT", "extract", "text"]

CHECKOUT = Path(__file__).parents[2]
SINCE = "tests/cluster/test_kube.py"


def extract(folder: Path) -> None:
    """Writes its source into `folder`. Raises ClusterError."""
    content = git("archive", "--format=tar", commit())
    subprocess.run(["tar", "--extract", "--directory", folder], input=content, check=True)


def text(path: str) -> str:
    """The text of one of its files. Raises ClusterError."""
    return git("show", f"{commit()}:{path}").decode()


@cache
def commit() -> str:
    """Its commit. Raises ClusterError without git."""
    head = git("rev-parse", "HEAD").decode().strip()
    tags = git("tag", "--list", "v*", "--merged", "HEAD", "--no-contains", "HEAD", "--sort=-version:refname")
    brought = git("log", "--diff-filter=A", "--format=%H", "--", SINCE)
    found = tags.decode().split()[:1] or brought.decode().split()[-1:] or [head]
    if found == [head]:
        to_stderr(
            "image: git knows no commit before this one, which stands in for the last release (git fetch --unshallow)"
        )
    return found[0]


def git(*arguments: str) -> bytes:
    """What git prints. Raises ClusterError if it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, check=False)
    except FileNotFoundError:
        raise ClusterError("git is missing; it has the release before this one") from None
    if done.returncode:
        raise ClusterError(f"git {' '.join(arguments)}: {done.stderr.decode().strip()}")
    return done.stdout

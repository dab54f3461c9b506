"""The release before this one, whose replicas this one meets in an upgrade: its source and its manifests, out of git.

That is the newest tag `v…` below this commit; before there is one, the commit that brought `SINCE`: on the image's
Python, older ones do not trust the bare certificates of the test cluster (testbed/cluster/pki.py). Where git has
neither, as in a shallow clone, this commit stands in for it, and that is said.
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
    """A file of it. Raises ClusterError."""
    return git("show", f"{commit()}:{path}").decode()


@cache
def commit() -> str:
    """Which one it is. Raises ClusterError without git."""
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
    """What git prints. Raises ClusterError when it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, check=False)
    except FileNotFoundError:
        raise ClusterError("git is missing, which knows the release before this one") from None
    if done.returncode:
        raise ClusterError(f"git {' '.join(arguments)}: {done.stderr.decode().strip()}")
    return done.stdout

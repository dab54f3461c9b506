"""A release of this tree as `make release` makes it, for the tests of what is in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tools import version
from tools.release import source

__all__ = ["commit", "make"]

DATE = "2026-01-02T03:04:05+00:00"
SOMEBODY = {
    "GIT_AUTHOR_NAME": "somebody",
    "GIT_AUTHOR_EMAIL": "somebody@example.com",
    "GIT_AUTHOR_DATE": DATE,
    "GIT_COMMITTER_NAME": "somebody",
    "GIT_COMMITTER_EMAIL": "somebody@example.com",
    "GIT_COMMITTER_DATE": DATE,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def commit(folder: Path) -> None:
    """Makes an empty folder a repository with this tree, in one commit with the tag of the version."""
    here = source.examine(snapshot=True)
    source.export(replace(here, dirty=True), folder)
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "release"],
        ["tag", f"v{version.source()}"],
    ):
        subprocess.run(["git", *command], cwd=folder, env=os.environ | SOMEBODY, check=True)


def make(repository: Path, folder: Path, *, umask: int, variables: Mapping[str, str]) -> Path:
    """A release of that repository, from a clone of it in `folder`; where the release is."""
    environment = os.environ | variables
    subprocess.run(["git", "clone", "--quiet", repository, folder], env=environment, umask=umask, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "tools.release"],
        cwd=folder,
        env=environment,
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{done.stdout}\n{done.stderr}", pytrace=False)
    assert done.stdout.startswith(f"Release {version.source()} of commit ")
    return folder / "dist/release"

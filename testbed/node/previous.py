"""The release before this one, from git: its source, its manifests, its chart and its commands.

It is the newest tag `v…` below this commit, or the commit that RELEASING.md names, whichever is the later release:
tags may be missing in a clone, commits are not. Its image is built from its source, as its own `make release` does.
A clone without that commit is an error: an upgrade that was not tested must not pass for one that works.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from testbed.cluster.processes import ClusterError

__all__ = ["CHECKOUT", "PAGE", "Released", "extract", "release", "text"]

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "RELEASING.md"
_ROW = re.compile(r"^\| (?:before )?(\d+\.\d+\.\d+) \| `([0-9a-f]{40})` \|$", re.MULTILINE)
_TAG = re.compile(r"v(\d+\.\d+\.\d+)")  # not v1.0.0-rc.1: a candidate is not installed for long


@dataclass(frozen=True, order=True)
class Released:
    """A release: its version as numbers, and its commit."""

    version: tuple[int, ...]
    commit: str


def extract(folder: Path) -> None:
    """Writes its source into `folder`. Raises ClusterError."""
    content = git("archive", "--format=tar", release().commit)
    subprocess.run(["tar", "--extract", "--directory", folder], input=content, check=True)


def text(path: str) -> str:
    """The text of one of its files. Raises ClusterError."""
    return git("show", f"{release().commit}:{path}").decode()


@cache
def release(checkout: Path = CHECKOUT) -> Released:
    """The release before the commit of `checkout`. Raises ClusterError if the clone does not have it."""
    head = git("rev-parse", "HEAD", checkout=checkout).decode().strip()
    known = [each for each in (*tagged(checkout), *listed(checkout)) if each.commit != head]
    if not known:
        raise ClusterError(f"{PAGE.name} names no release before {head}")
    newest = max(known)
    try:
        git("cat-file", "-e", f"{newest.commit}^{{commit}}", checkout=checkout)
    except ClusterError:
        name = ".".join(map(str, newest.version))
        raise ClusterError(
            f"the upgrade is tested from commit {newest.commit} (release {name}), which this clone does not have.\n"
            "  To fix it: git fetch --unshallow --tags (in a workflow: actions/checkout with fetch-depth: 0)."
        ) from None
    return newest


def tagged(checkout: Path) -> list[Released]:
    """The releases whose tags are below this commit."""
    names = git("tag", "--list", "v*", "--merged", "HEAD", "--no-contains", "HEAD", checkout=checkout).decode().split()
    versions = {name: found[1] for name in names if (found := _TAG.fullmatch(name))}
    return [
        Released(numbers(version), git("rev-parse", f"{name}^{{commit}}", checkout=checkout).decode().strip())
        for name, version in versions.items()
    ]


def listed(checkout: Path) -> list[Released]:
    """The releases that RELEASING.md names. A commit `before` one is older than all of them."""
    page = (checkout / PAGE.name).read_text(encoding="utf-8")
    return [
        Released((0,) if found[0].startswith("| before") else numbers(found[1]), found[2])
        for found in _ROW.finditer(page)
    ]


def numbers(version: str) -> tuple[int, ...]:
    """A version such as 0.10.2, in an order in which it comes after 0.9."""
    return tuple(map(int, version.split(".")))


def git(*arguments: str, checkout: Path = CHECKOUT) -> bytes:
    """What git prints. Raises ClusterError if it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, check=False)
    except FileNotFoundError:
        raise ClusterError("git is missing; it has the release before this one") from None
    if done.returncode:
        raise ClusterError(f"git {' '.join(arguments)}: {done.stderr.decode().strip()}")
    return done.stdout

"""The source of a release: exactly the files of one commit, in a folder of its own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tools import version
from tools.release.commands import run
from tools.release.errors import ReleaseError

__all__ = ["ROOT", "Source", "examine", "export", "moment"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Source:
    """What is released."""

    version: str
    commit: str
    epoch: int  # the time of the commit, in seconds since 1970: the age of every file in every artefact
    dirty: bool  # with changes that are not committed; only a snapshot may be
    tagged: bool  # by `v` and the version


def moment(source: Source) -> str:
    """The time of the commit, as OCI writes it."""
    return datetime.fromtimestamp(source.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def examine(*, snapshot: bool, root: Path = ROOT) -> Source:
    """What would be released. Raises ReleaseError, unless it is a snapshot, if the tree is dirty or has no tag."""
    if wrong := version.differences():
        raise ReleaseError("\n".join([*wrong, "write one version everywhere: python -m tools.version VERSION"]))
    own = version.source()
    commit = _git(root, "rev-parse", "HEAD").strip()
    changed = _git(root, "status", "--porcelain").splitlines()
    tagged = f"v{own}" in _git(root, "tag", "--points-at", "HEAD").split()
    if changed and not snapshot:
        raise ReleaseError(
            "\n".join(
                [
                    "the tree has changes that are not committed:",
                    *changed[:10],
                    "commit them, or make a snapshot, which is never published: make release SNAPSHOT=1",
                ]
            )
        )
    if not tagged and not snapshot:
        raise ReleaseError(
            f"commit {commit[:12]} does not have the tag v{own}: git tag -s v{own}, or make a snapshot, which is never "
            "published: make release SNAPSHOT=1"
        )
    epoch = int(_git(root, "show", "--no-patch", "--format=%ct", "HEAD"))
    return Source(own, commit, epoch, dirty=bool(changed), tagged=tagged)


def export(source: Source, folder: Path, *, root: Path = ROOT) -> None:
    """Writes the files of the commit, or of the tree if it is dirty, into `folder`, with the same modes everywhere."""
    listed = ["--cached", "--others", "--exclude-standard"] if source.dirty else ["--cached"]
    names = [name for name in _git(root, "ls-files", "-z", *listed).split("\0") if name]
    for name in names:
        origin, target = root / name, folder / name
        if not origin.is_file():
            continue  # removed, and not committed
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin, target)
        target.chmod(0o755 if origin.stat().st_mode & 0o100 else 0o644)
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)


def _git(root: Path, *arguments: str) -> str:
    if not shutil.which("git"):
        raise ReleaseError("missing: git. apt-get install git")
    try:
        return run(["git", *arguments], cwd=root)
    except ReleaseError as error:
        raise ReleaseError(f"a release is made from a git repository: {error}") from None

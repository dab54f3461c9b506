"""Whether the kubelet can renew a file, by the kernel's table of mounts and the symlinks: pure but for those.

The kubelet writes a projected volume as a folder of its own with a time for its name (`..2026_01_31_…`), a symlink
`..data` to it, and a symlink for each file, `azure-identity-token` to `..data/azure-identity-token`. To renew, it
writes a new folder and swaps `..data`. A mount with subPath is made of one of the folders, or of the file in it: it
keeps what it was made of.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

__all__ = ["MountPoint", "Renewal", "mount_of", "mounts", "renewal"]

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
_MOST_LINKS: Final = 40  # as the kernel

Readlink = Callable[[PurePosixPath], PurePosixPath | None]
"""The target of a symlink; None if the path is not a symlink."""


@dataclass(frozen=True)
class MountPoint:
    """A line of mountinfo: `root` is which part of its file system is mounted at `point`."""

    point: PurePosixPath
    root: PurePosixPath


@dataclass(frozen=True)
class Renewal:
    """sub_path: the mount that keeps the kubelet's changes away. by_kubelet: whether its symlinks are there."""

    sub_path: MountPoint | None
    by_kubelet: bool


def mounts(mountinfo: str) -> list[MountPoint]:
    """The lines of /proc/self/mountinfo, in order; those that make no sense are left out."""
    lines = (line.split(" ") for line in mountinfo.splitlines())
    return [MountPoint(_path(fields[4]), _path(fields[3])) for fields in lines if len(fields) > 5]


def mount_of(path: PurePosixPath, known: list[MountPoint]) -> MountPoint | None:
    """The mount that an absolute path without symlinks is in: the deepest, the last one of several."""
    return max(
        (mount for mount in reversed(known) if path.is_relative_to(mount.point)),
        key=lambda mount: len(mount.point.parts),
        default=None,
    )


def renewal(path: PurePosixPath, known: list[MountPoint], readlink: Readlink) -> Renewal:
    """How the file at `path` is renewed, following the symlinks from it."""
    current = _resolved(path.parent, readlink) / path.name
    for _ in range(_MOST_LINKS):
        mount = mount_of(current, known)
        if mount and (mount.point == current or any(part.startswith("..") for part in mount.root.parts)):
            return Renewal(mount, by_kubelet=False)
        target = readlink(current)
        if target is None:
            break
        if target.parts[:1] == ("..data",):
            return Renewal(None, by_kubelet=True)
        current = _resolved((current.parent / target).parent, readlink) / target.name
    return Renewal(None, by_kubelet=False)


def _resolved(folder: PurePosixPath, readlink: Readlink) -> PurePosixPath:
    """A folder without symlinks and "..": /var/run is a symlink in many images, and the table has /run."""
    done = PurePosixPath("/")
    waiting = list(reversed(folder.parts[1:]))
    links = 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            done = done.parent
            continue
        target = readlink(done / part)
        if target is None or links == _MOST_LINKS:
            done /= part
            continue
        links += 1
        done = PurePosixPath("/") if target.is_absolute() else done
        waiting += reversed(target.parts[1:] if target.is_absolute() else target.parts)
    return done


def _path(text: str) -> PurePosixPath:
    return PurePosixPath(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), text))

"""The base whose files the image gets: a Debian with Python, for the platform of the image. Nothing in it is run.

It is mounted at /base, so that it can be for another kind of processor than that of the machine that builds. Paths here
are as in the image; every symbolic link is followed as if /base were the root.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

BASE = Path("/base")


def within(root: Path, path: Path) -> Path:
    """Where `path` is in `root`."""
    return root / path.relative_to("/")


def exists(path: Path) -> bool:
    """Whether the base has a file of this name."""
    return within(BASE, real(path)).exists()


def real(path: Path) -> Path:
    """The file that a path means, without symbolic links. Paths of nothing are allowed."""
    place = Path("/")
    parts = [*path.parts[1:]]
    for _ in range(1000):
        if not parts:
            return place
        place /= parts.pop(0)
        if within(BASE, place).is_symlink():
            aim = Path(os.path.normpath(place.parent / within(BASE, place).readlink()))
            place, parts = Path("/"), [*aim.parts[1:], *parts]
    raise OSError(f"{path}: the base has a circle of symbolic links")


def copy(path: Path, root: Path) -> None:
    """Copies `path` to the same name in `root`, with every symbolic link on the way to it."""
    place = Path("/")
    for part in path.parts[1:]:
        place /= part
        origin, target = within(BASE, place), within(root, place)
        if origin.is_symlink():
            aim = origin.readlink()
            if not target.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(aim)
            copy(Path(os.path.normpath(place.parent / aim / path.relative_to(place))), root)
            return
        if origin.is_dir():
            target.mkdir(exist_ok=True)
        elif not target.exists():
            shutil.copy2(origin, target)


def copy_tree(folder: Path, root: Path, *, leave_out: Iterable[str], base: Path = BASE) -> None:
    """Copies a folder to the same name, without names that match `leave_out`, at any depth."""

    def ignore(_: str, names: list[str]) -> set[str]:
        return {name for name in names if any(fnmatch(name, pattern) for pattern in leave_out)}

    shutil.copytree(within(base, folder), within(root, folder), symlinks=True, ignore=ignore, dirs_exist_ok=True)


def files(root: Path) -> Iterator[Path]:
    """Every file in `root`, as it will be named in the image."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield Path("/") / path.relative_to(root)

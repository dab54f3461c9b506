"""Paths of a pod as the kubelet understands them, so that two spellings of one place compare equal."""

import posixpath
from collections.abc import Container, Mapping
from typing import Any


def within(path: str, directory: str) -> bool:
    """Whether `path` is `directory` or inside it. Nothing is inside ""."""
    return bool(directory) and (path == directory or path.startswith(directory.rstrip("/") + "/"))


def mount_path(mount: Mapping[str, Any]) -> str:
    """The path of a mount, so that two spellings of one directory compare equal; "" if the mount has no path."""
    path = mount.get("mountPath")
    return plain(path) if isinstance(path, str) and path else ""


def of_linux(path: str) -> str:
    """A Windows path in Linux spelling, for comparison.

    Windows pods get their identity, too, and the kubelet puts a path without a drive on C: `C:/var/run` is `/var/run`.
    A foreign mount there must keep its place.
    """
    if path[:1] in ("/", ""):
        return path
    spelled = path.replace("\\", "/").lower().removeprefix("c:")
    return plain(spelled) if spelled.startswith("/") else spelled


def plain(path: str) -> str:
    """The absolute path that the kubelet makes of `path`; a Windows path stays as it is."""
    if path[0] == "/" and path[-1] != "/" and "//" not in path and "/." not in path:
        return path  # as nearly every path is written
    if ":" in path or "\\" in path:
        return path
    return "/" + posixpath.normpath(path).lstrip("/")


def free(name: str, taken: Container[str]) -> str:
    """`name`, or with the first number that makes it free."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate

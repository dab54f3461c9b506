"""What matters of a container for its token: the variable that names it, the mounts, and what else takes a path."""

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from webhook.core.mount_paths import mount_path, of_linux, plain, within
from webhook.core.names import MAXIMUM_PATH, MOUNT_PATH, TOKEN_FILE, TOKEN_FILE_VARIABLE
from webhook.core.references import known_values, refers

OUR_FILE = posixpath.join(MOUNT_PATH, TOKEN_FILE)


class ContainerView(NamedTuple):
    """What matters of a container.

    file: the value of AZURE_FEDERATED_TOKEN_FILE, with what it refers to: None if it is not set, "" if only the kubelet
    knows it; the last entry counts. entries: all of them. ours: whether it names our own file. mounts: each with its
    path. taken: more paths at which nothing can be mounted: those of devices, and those of mounts with a Windows path,
    in Linux spelling.
    """

    name: Any
    file: str | None
    ours: bool
    entries: Sequence[Mapping[str, Any]]
    mounts: Sequence[tuple[str, Mapping[str, Any]]]
    taken: Sequence[str]

    def occupies(self, directory: str) -> bool:
        """Whether there is something on `directory` or inside it."""
        inside = directory.rstrip("/") + "/"
        for path, _ in self.mounts:
            if path == directory or path.startswith(inside):
                return True
        return any(within(path, directory) for path in self.taken) if self.taken else False


def view(container: Mapping[str, Any]) -> ContainerView:
    """The container, read once."""
    file = None
    env = container.get("env")
    entries = [entry for entry in env if entry.get("name") == TOKEN_FILE_VARIABLE] if env else []
    for entry in entries:
        value = entry.get("value")
        file = value if isinstance(value, str) and "valueFrom" not in entry else ""
    if refers(file):
        file = known_values(env or ()).get(TOKEN_FILE_VARIABLE) or ""
    if file and len(file) > MAXIMUM_PATH:  # no system opens it
        file = ""
    mounts = []
    taken: list[str] = []
    for mount in container.get("volumeMounts") or ():
        path = mount_path(mount)
        mounts.append((path, mount))
        if path[:1] != "/":
            taken.append(of_linux(path))
    if "volumeDevices" in container:
        taken += _devices(container["volumeDevices"])
    ours = _is_ours(file) if file else False
    return ContainerView(container.get("name"), file, ours, entries, mounts, taken)


def _is_ours(file: str) -> bool:
    return file == OUR_FILE or of_linux(plain(file)) == OUR_FILE


def _devices(entries: Any) -> list[str]:
    """The paths of a container's devices. Entries of any other shape are ignored, since nothing has validated them."""
    if not isinstance(entries, list):
        return []
    paths = [entry.get("devicePath") for entry in entries if isinstance(entry, dict)]
    return [plain(path) for path in paths if isinstance(path, str) and 0 < len(path) <= MAXIMUM_PATH]


def is_part(mount: Mapping[str, Any]) -> bool:
    """Whether a mount is of a part of its volume, which the kubelet never renews."""
    return bool(mount.get("subPath") or mount.get("subPathExpr"))

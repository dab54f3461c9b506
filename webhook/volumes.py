"""Where a container finds its token: which volume, mounted where.

Which file a container reads, first match:

    1  it sets AZURE_FEDERATED_TOKEN_FILE            that file; no mount is added, unless it names our own file
                                                     and nothing is mounted there: then the token goes there
    2  it mounts a projected token of our audience   that file, whoever wrote the volume
    3  the pod has a volume with such a token        that volume, mounted at our path
    4  otherwise                                     our own volume, at our path

So Azure's webhook may run before or after ours, and a volume written by hand from a guide is used as it is. Somebody
else's volume of our name, or mount on our path, stays; our token then goes to the other name and the other path.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webhook.identity import Identity
from webhook.names import MOUNT_PATH, OTHER_MOUNT_PATH, OTHER_VOLUME, TOKEN_FILE, TOKEN_FILE_VARIABLE, VOLUME

OUR_FILE = posixpath.join(MOUNT_PATH, TOKEN_FILE)


@dataclass(frozen=True)
class TokenVolume:
    """A volume with a projected ServiceAccount token of the right audience. file: the token's path inside it."""

    name: str
    file: str


@dataclass(frozen=True)
class Mount:
    """A mount that a container is to get."""

    volume: str
    path: str


@dataclass(frozen=True)
class Access:
    """How one container reads its token.

    file: the path, "" when only the cluster can resolve it. mount: what is to be added for that, or None.
    """

    file: str
    mount: Mount | None = None


@dataclass(frozen=True)
class Placement:
    """How every container reads its token. volume: the name of the volume to add, or "". Warnings are one line each."""

    accesses: tuple[Access, ...]
    volume: str
    warnings: tuple[str, ...]


def place(spec: Mapping[str, Any], containers: Sequence[Mapping[str, Any]], identity: Identity) -> Placement:
    """Where each of `containers`, all of the pod `spec`, finds its token. The module's docstring has the rule."""
    volumes = spec.get("volumes") or ()
    present = [found for volume in volumes for found in _tokens(volume, identity.audience)]
    names = {volume.get("name") for volume in volumes}
    warnings: list[str] = []

    settled: list[Access | None] = []
    for container in containers:
        settled.append(_own_file(container, warnings) or _mounted_file(container, present))

    homeless = [container for container, access in zip(containers, settled, strict=True) if access is None]
    # A container that names our own path needs a file of our own name there; any other is content with any file name.
    bound = [container for container in homeless if _named_file(container) == OUR_FILE]
    reusable = next((volume for volume in present if not bound or volume.file == TOKEN_FILE), None)
    at_home = VOLUME not in names and not any(_occupied(container, MOUNT_PATH) for container in homeless)
    if reusable:
        volume, directory = reusable, MOUNT_PATH
    else:
        volume = TokenVolume(VOLUME if at_home else _free(OTHER_VOLUME, lambda name: name in names), TOKEN_FILE)
        directory = MOUNT_PATH if at_home else OTHER_MOUNT_PATH
    accesses = []
    for container, access in zip(containers, settled, strict=True):
        if access is None:
            access = _new_access(container, volume, directory, bound=_named_file(container) == OUR_FILE)
            if access.mount and access.mount.path != MOUNT_PATH:
                warnings.append(_moved(container, access, names))
        accesses.append(access)
    return Placement(tuple(accesses), volume.name if homeless and not reusable else "", tuple(warnings))


def volume_entry(name: str, identity: Identity) -> dict[str, Any]:
    """The volume to add. It writes out what kube-apiserver would default, so that a second look sees the same."""
    token = {
        "audience": identity.audience,
        "expirationSeconds": identity.token_expiration,
        "path": TOKEN_FILE,
    }
    return {"name": name, "projected": {"defaultMode": 0o644, "sources": [{"serviceAccountToken": token}]}}


def mount_entry(mount: Mount) -> dict[str, Any]:
    """The mount to add to a container."""
    return {"name": mount.volume, "mountPath": mount.path, "readOnly": True}


def _tokens(volume: Mapping[str, Any], audience: str) -> Iterator[TokenVolume]:
    for source in (volume.get("projected") or {}).get("sources") or ():
        token = source.get("serviceAccountToken")
        if isinstance(token, dict) and token.get("audience") == audience and isinstance(token.get("path"), str):
            yield TokenVolume(str(volume.get("name")), token["path"])


def _named_file(container: Mapping[str, Any]) -> str | None:
    """The value of AZURE_FEDERATED_TOKEN_FILE: None when not set, "" when not plain. The last entry counts."""
    found = None
    for entry in container.get("env") or ():
        if entry.get("name") == TOKEN_FILE_VARIABLE:
            value = entry.get("value")
            found = "" if "valueFrom" in entry or not isinstance(value, str) else value
    return found


def _own_file(container: Mapping[str, Any], warnings: list[str]) -> Access | None:
    """Rule 1."""
    file = _named_file(container)
    if file is None:
        return None
    if file == "" or "$(" in file:
        return Access("")
    inside = [mount for mount in container.get("volumeMounts") or () if _within(file, _path(mount))]
    if not inside:
        if file == OUR_FILE:
            return None
        warnings.append(
            f"container {container.get('name')}: {TOKEN_FILE_VARIABLE} names a file in no volume, so no token was added"
        )
    elif any(mount.get("subPath") or mount.get("subPathExpr") for mount in inside):
        warnings.append(
            f"container {container.get('name')}: the token is mounted with subPath and will never be renewed"
        )
    return Access(file)


def _mounted_file(container: Mapping[str, Any], present: Sequence[TokenVolume]) -> Access | None:
    """Rule 2. A mount with subPath is passed over: the kubelet never renews the token there."""
    for mount in container.get("volumeMounts") or ():
        if mount.get("subPath") or mount.get("subPathExpr"):
            continue
        for volume in present:
            if mount.get("name") == volume.name and _path(mount):
                return Access(posixpath.join(str(mount["mountPath"]), volume.file))
    return None


def _new_access(container: Mapping[str, Any], volume: TokenVolume, directory: str, *, bound: bool) -> Access:
    """Rules 3 and 4."""
    if bound:
        directory = MOUNT_PATH
    elif _occupied(container, directory):
        directory = _free(OTHER_MOUNT_PATH, lambda path: _occupied(container, path))
    return Access(posixpath.join(directory, volume.file), Mount(volume.name, directory))


def _moved(container: Mapping[str, Any], access: Access, names: set[Any]) -> str:
    taken = f"volume {VOLUME}" if VOLUME in names and not _occupied(container, MOUNT_PATH) else MOUNT_PATH
    return f"container {container.get('name')}: {taken} is not ours; the token is in {posixpath.dirname(access.file)}"


def _occupied(container: Mapping[str, Any], directory: str) -> bool:
    """Whether the container has a mount on `directory` or inside it."""
    return any(_within(_path(mount), directory) for mount in container.get("volumeMounts") or ())


def _within(path: str, directory: str) -> bool:
    return bool(directory) and (path == directory or path.startswith(directory.rstrip("/") + "/"))


def _path(mount: Mapping[str, Any]) -> str:
    """Where a mount is, spelled so that two spellings of one directory compare equal."""
    path = mount.get("mountPath")
    return posixpath.normpath(path) if isinstance(path, str) and path else ""


def _free(name: str, taken: Any) -> str:
    """`name`, or with the first number that makes it free."""
    candidate, number = name, 1
    while taken(candidate):
        number += 1
        candidate = f"{name}-{number}"
    return candidate

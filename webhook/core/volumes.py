"""Where a container finds its token: which volume, mounted where.

Which file a container reads, first match:

    1  it sets AZURE_FEDERATED_TOKEN_FILE            that file; no mount is added, unless it names our own file
                                                     and nothing is mounted there: then the token goes there
    2  it mounts a projected token of our audience   that file, even if somebody else wrote the volume
    3  the pod has a volume with just such a token   that volume, at our path (a webhook's own: where it put it)
    4  otherwise                                     our own volume, at our path

So Azure's webhook may run before or after ours, and a volume written by hand from a guide is used as it is. Somebody
else's volume of our name, or mount on our path, stays; our token then goes to the other name and the other path.
"""

import posixpath
from collections.abc import Container, Mapping, Sequence
from typing import Any, Final, NamedTuple

from webhook.core.identity import Identity
from webhook.core.messages import Kind, Message, Place, message
from webhook.core.messages.pods import (
    TOKEN_FILE_EMPTY,
    TOKEN_FILE_IN_NO_VOLUME,
    TOKEN_FILE_IN_SUB_PATH,
    TOKEN_MOVED,
    TOKEN_OF_OTHER_AUDIENCE,
)
from webhook.core.mount_paths import mount_path, of_linux, plain, within
from webhook.core.names import MOUNT_PATH, OTHER_MOUNT_PATH, OTHER_VOLUME, TOKEN_FILE, TOKEN_FILE_VARIABLE, VOLUME
from webhook.core.text import shown

OUR_FILE = posixpath.join(MOUNT_PATH, TOKEN_FILE)
_AZURES_VOLUME = "azure-workload-identity-reserved-"
_DEPTH = MOUNT_PATH.count("/") + 1  # of both our directories, as parts between slashes


class TokenVolume(NamedTuple):
    """A volume with a projected ServiceAccount token of the right audience. file: the token's path inside it."""

    name: str
    file: str


class Mount(NamedTuple):
    """A mount that a container is to get."""

    volume: str
    path: str


class Access(NamedTuple):
    """How one container reads its token.

    file: the path, "" if only the cluster can resolve it. mount: what is to be added for that, or None.
    """

    file: str
    mount: Mount | None = None


class Placement(NamedTuple):
    """How every container reads its token. volume: the name of the volume to add, or ""."""

    accesses: tuple[Access, ...]
    volume: str
    warnings: tuple[Message, ...]


class _Home(NamedTuple):
    """The token of the containers that have none yet.

    directory: where it is mounted, unless that is taken in a container. usual: where it would be if nothing were taken
    in any container. added: whether the volume is new.
    """

    volume: TokenVolume
    directory: str
    usual: str
    added: bool


# Where the token is in nearly every pod: nothing is in its way in any container.
_USUAL_HOME: Final = _Home(TokenVolume(VOLUME, TOKEN_FILE), MOUNT_PATH, usual=MOUNT_PATH, added=True)
_USUAL_ACCESS: Final = Access(OUR_FILE, Mount(VOLUME, MOUNT_PATH))


def place_tokens(spec: Mapping[str, Any], containers: Sequence[Mapping[str, Any]], identity: Identity) -> Placement:
    """Where each of `containers`, all of the pod `spec`, finds its token. The module's docstring has the rule."""
    volumes = {str(volume.get("name")): volume for volume in spec.get("volumes") or ()}
    files = {name: file for name, volume in volumes.items() if (file := _token_file(volume, identity.audience))}
    warnings: list[Message] = []
    audiences: dict[str, frozenset[str]] = {}
    seen = [_seen(container) for container in containers]
    present: list[Access | None] = []
    without: list[_Seen] = []
    for each in seen:
        access = _own_file(each, volumes, audiences, identity, warnings) if each.file is not None else None
        if access is None and files:
            access = _mounted_file(each, files)
        if access is None:
            without.append(each)
        present.append(access)
    home = _home(spec, volumes, files, without, identity)
    accesses = [access or _new_access(each, home, warnings) for each, access in zip(seen, present, strict=True)]
    return Placement(tuple(accesses), home.volume.name if without and home.added else "", tuple(warnings))


def container_place(name: object) -> Place:
    """A container as the place of a message."""
    return Place(f"container {shown(name)}")


def _home(
    spec: Mapping[str, Any],
    volumes: Mapping[str, Mapping[str, Any]],
    files: Mapping[str, str],
    without: Sequence["_Seen"],
    identity: Identity,
) -> _Home:
    """Rules 3 and 4, for the containers `without` a token. files: the token of each volume that has one."""
    # A container that names our own file needs one of that name there; any other is content with any name.
    needs_our_name = bool(files) and any(each.ours for each in without)
    for name, file in files.items():
        if _holds_nothing_else(volumes[name], identity.audience) and (file == TOKEN_FILE or not needs_our_name):
            directory = _mount_directory(spec, name)
            return _Home(TokenVolume(name, file), directory, usual=directory, added=False)
    if VOLUME not in volumes:
        for each in without:
            if each.occupies(MOUNT_PATH):
                break
        else:
            return _USUAL_HOME
    volume = TokenVolume(_free(OTHER_VOLUME, volumes), TOKEN_FILE)
    return _Home(volume, OTHER_MOUNT_PATH, usual=MOUNT_PATH, added=True)


def volume_entry(name: str, identity: Identity) -> dict[str, Any]:
    """The volume to add. It has kube-apiserver's defaults written out, so that a second call sees the same."""
    token = {
        "audience": identity.audience,
        "expirationSeconds": identity.token_expiration,
        "path": TOKEN_FILE,
    }
    return {"name": name, "projected": {"defaultMode": 0o644, "sources": [{"serviceAccountToken": token}]}}


def mount_entry(mount: Mount) -> dict[str, Any]:
    """The mount to add to a container."""
    return {"name": mount.volume, "mountPath": mount.path, "readOnly": True}


def _sources(volume: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The sources of a projected volume; an empty list for any other volume."""
    projected = volume.get("projected")
    return (projected.get("sources") or []) if projected else []


def _token_file(volume: Mapping[str, Any], audience: str) -> str:
    """The path, inside the volume, of its first token of that audience; "" if it does not have one."""
    for source in _sources(volume):
        token = source.get("serviceAccountToken")
        if isinstance(token, dict) and token.get("audience") == audience and isinstance(token.get("path"), str):
            return str(token["path"])
    return ""


def _audiences(volume: Mapping[str, Any] | None) -> frozenset[str]:
    """The audiences of all tokens in the volume."""
    tokens = (source.get("serviceAccountToken") for source in _sources(volume or {}))
    audiences = (token.get("audience") for token in tokens if isinstance(token, dict))
    return frozenset(audience for audience in audiences if isinstance(audience, str))


def _holds_nothing_else(volume: Mapping[str, Any], audience: str) -> bool:
    """Whether another container may mount the volume: it holds nothing but tokens of this audience, and no secrets."""
    tokens = [source.get("serviceAccountToken") for source in _sources(volume)]
    return all(isinstance(token, dict) and token.get("audience") == audience for token in tokens)


class _Seen(NamedTuple):
    """What matters of a container.

    file: the value of AZURE_FEDERATED_TOKEN_FILE: None if it is not set, "" if it is not plain text; the last entry
    counts. entries: all of them. ours: whether it names our own file. mounts: each with its path. taken: more paths at
    which nothing can be mounted: those of devices, and those of mounts with a Windows path, in Linux spelling.
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


def _seen(container: Mapping[str, Any]) -> _Seen:
    file = None
    env = container.get("env")
    entries = [entry for entry in env if entry.get("name") == TOKEN_FILE_VARIABLE] if env else []
    for entry in entries:
        value = entry.get("value")
        file = value if isinstance(value, str) and "valueFrom" not in entry and "$(" not in value else ""
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
    return _Seen(container.get("name"), file, ours, entries, mounts, taken)


def _is_ours(file: str) -> bool:
    return file == OUR_FILE or of_linux(plain(file)) == OUR_FILE


def _devices(entries: Any) -> list[str]:
    """The paths of a container's devices. Entries of any other shape are ignored, since nothing has validated them."""
    if not isinstance(entries, list):
        return []
    paths = [entry.get("devicePath") for entry in entries if isinstance(entry, dict)]
    return [plain(path) for path in paths if isinstance(path, str) and path]


def _own_file(
    container: _Seen,
    volumes: Mapping[str, Mapping[str, Any]],
    known: dict[str, frozenset[str]],
    identity: Identity,
    warnings: list[Message],
) -> Access | None:
    """Rule 1. known: the audiences of the volumes, kept because many containers may mount one."""
    if container.file is None:
        return None
    if container.file == "":
        if all("valueFrom" not in entry and not entry.get("value") for entry in container.entries):
            warnings.append(_warning(TOKEN_FILE_EMPTY, container, variable=TOKEN_FILE_VARIABLE))
        return Access("")
    file = of_linux(plain(container.file))
    inside = [(path, mount) for path, mount in container.mounts if within(file, of_linux(path))]
    if inside:
        _, innermost = max(inside, key=lambda each: len(each[0]))
        name = str(innermost.get("name"))
        audiences = known.get(name)
        if audiences is None:
            audiences = known[name] = _audiences(volumes.get(name))
        if _is_part(innermost):
            warnings.append(_warning(TOKEN_FILE_IN_SUB_PATH, container))
        elif audiences and identity.audience not in audiences:
            warnings.append(_warning(TOKEN_OF_OTHER_AUDIENCE, container, audience=identity.audience))
    elif container.ours and not any(within(OUR_FILE, path) for path in container.taken):
        return None
    else:
        warnings.append(_warning(TOKEN_FILE_IN_NO_VOLUME, container, variable=TOKEN_FILE_VARIABLE))
    return Access(container.file)


def _warning(kind: Kind, container: _Seen, **values: str) -> Message:
    return message(kind, container_place(container.name), **values)


def _mounted_file(container: _Seen, files: Mapping[str, str]) -> Access | None:
    """Rule 2. A mount with subPath does not count: the kubelet never renews the token there."""
    if files:
        for path, mount in container.mounts:
            file = files.get(str(mount.get("name")))
            if file and path and not _is_part(mount):
                return Access(posixpath.join(path, file))
    return None


def _mount_directory(spec: Mapping[str, Any], volume: str) -> str:
    """Where a shared token is mounted: at our path, or, if a webhook wrote the volume, where it is mounted already.

    Azure's webhook moves every mount of its own volume to its own path when it is called again. Our variable with
    another path would then name a missing file. A path that a person chose may hide files in another container's image.
    """
    if not volume.startswith((_AZURES_VOLUME, OTHER_VOLUME)):
        return MOUNT_PATH
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            for mount in container.get("volumeMounts") or ():
                if mount.get("name") == volume and mount_path(mount) and not _is_part(mount):
                    return mount_path(mount)
    return MOUNT_PATH


def _is_part(mount: Mapping[str, Any]) -> bool:
    return bool(mount.get("subPath") or mount.get("subPathExpr"))


def _new_access(container: _Seen, home: _Home, warnings: list[Message]) -> Access:
    """Rules 3 and 4."""
    if container.ours:
        return Access(str(container.file), Mount(home.volume.name, MOUNT_PATH))
    if home is _USUAL_HOME:
        return _USUAL_ACCESS
    directory = home.directory
    if container.occupies(directory):
        shared = directory not in (MOUNT_PATH, OTHER_MOUNT_PATH)
        directory = MOUNT_PATH if shared and not container.occupies(MOUNT_PATH) else _free_directory(container)
    if directory != home.usual:
        taken = home.usual if container.occupies(home.usual) else f"volume {VOLUME}"
        warnings.append(_warning(TOKEN_MOVED, container, path=directory, taken=taken))
    return Access(posixpath.join(directory, home.volume.file), Mount(home.volume.name, directory))


def _free_directory(container: _Seen) -> str:
    """Our other path, or one like it that is free."""
    paths = {path for path, _ in container.mounts} | set(container.taken)
    # A mount inside one of our mounts would need a directory in a volume that is read-only.
    paths |= {"/".join(path.split("/", _DEPTH)[:_DEPTH]) for path in paths}
    return _free(OTHER_MOUNT_PATH, paths)


def _free(name: str, taken: Container[str]) -> str:
    """`name`, or with the first number that makes it free."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate

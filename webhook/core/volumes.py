"""Where a container finds its token: which volume, mounted where.

Which file a container reads, first match:

    1  it sets AZURE_FEDERATED_TOKEN_FILE            that file; no mount is added, unless it names our own file
                                                     and nothing is mounted there: then the token goes there
    2  it mounts a projected token of our audience   that file, even if somebody else wrote the volume
    3  the pod has a volume with just such a token   that volume, at our path (a webhook's own: where it put it)
    4  otherwise                                     our own volume, at our path

So Azure's webhook may run before or after ours, and a volume written by hand from a guide is used as it is. Somebody
else's volume of our name, or mount on our path, stays; our token then goes to the other name and the other path.

If the file of rule 1 is a token for another audience, or the pod's annotation says that Azure's webhook will name such
a file (identity bindings), Microsoft 365 gets a token of its own beside it, by rule 2 or at the other path.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from webhook.core.container_view import OUR_FILE, ContainerView, is_part, view
from webhook.core.families import ANSIBLE, ARM, AZURE, M365, POWER_PLATFORM
from webhook.core.identity import Identity
from webhook.core.messages import Kind, Message, Place, message
from webhook.core.messages.pods import (
    OTHER_FILE_IN_NO_VOLUME,
    TOKEN_BESIDE,
    TOKEN_FILE_EMPTY,
    TOKEN_FILE_IN_NO_VOLUME,
    TOKEN_FILE_IN_SUB_PATH,
    TOKEN_FILE_LEFT,
    TOKEN_FILE_NOT_THERE,
    TOKEN_LIVES_TOO_LONG,
    TOKEN_MOVED,
    TOKEN_OF_OTHER_AUDIENCE,
)
from webhook.core.mount_paths import free, mount_path, of_linux, plain, within
from webhook.core.names import (
    API_SERVER_PATH,
    MAXIMUM_EXPIRATION,
    MOUNT_PATH,
    OTHER_MOUNT_PATH,
    OTHER_VOLUME,
    TOKEN_FILE,
    TOKEN_FILE_VARIABLE,
    VOLUME,
)
from webhook.core.own_containers import HELPER_NAMES
from webhook.core.text import shown
from webhook.core.token_volumes import (
    TokenVolume,
    audiences,
    holds_nothing_else,
    holds_tokens_only,
    is_of_a_webhook,
    is_rewritten,
    lifetime,
    token_file,
)

_DEPTH = MOUNT_PATH.count("/") + 1  # of both our directories, as parts between slashes


class Mount(NamedTuple):
    """A mount that a container is to get."""

    volume: str
    path: str


class Access(NamedTuple):
    """How one container reads its token.

    file: what AZURE_FEDERATED_TOKEN_FILE names, "" if only the cluster can resolve it or another webhook will set it.
    mount: what is to be added, or None. beside: the token for Microsoft 365, if `file` is for another audience.
    """

    file: str
    mount: Mount | None = None
    beside: str = ""


class Placement(NamedTuple):
    """How every container reads its token. volumes: the names of those to add."""

    accesses: tuple[Access, ...]
    volumes: tuple[str, ...]
    warnings: tuple[Message, ...]


class _Foreign(NamedTuple):
    """A container whose AZURE_FEDERATED_TOKEN_FILE is, or will be, for another audience. file: "" if it is not set."""

    file: str


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
    files = {name: file for name, volume in volumes.items() if (file := token_file(volume, identity.audience))}
    warnings: list[Message] = []
    known: dict[str, Mapping[str, str]] = {}
    seen = [view(container) for container in containers]
    present: list[Access | _Foreign | None] = []
    without: list[ContainerView] = []
    for each in seen:
        access: Access | _Foreign | None = None
        if each.file is not None or identity.binding:
            access = _own_file(each, volumes, known, identity, warnings)
        if access is None and files and not each.ours:
            access = _mounted_file(each, files)
        if access is None:
            without.append(each)
        present.append(access)
    home = _home(spec, volumes, files, without, identity)
    added = {home.volume.name} if without and home.added else set()
    accesses = []
    for each, access in zip(seen, present, strict=True):
        if access is None:
            access = _new_access(each, home, warnings)
        elif isinstance(access, _Foreign):
            access = _beside(each, access, spec, volumes, files, added, identity, warnings)
        accesses.append(access)
    if files:
        warnings += _long_lives(files, volumes, identity.audience)
    return Placement(tuple(accesses), tuple(sorted(added)), tuple(warnings))


def _long_lives(files: Mapping[str, str], volumes: Mapping[str, Mapping[str, Any]], audience: str) -> list[Message]:
    """A warning for each volume whose token Entra does not take, because it lives longer than a day."""
    return [
        message(TOKEN_LIVES_TOO_LONG, volume=shown(name), seconds=seconds, limit=MAXIMUM_EXPIRATION)
        for name in files
        if (seconds := lifetime(volumes[name], audience)) > MAXIMUM_EXPIRATION
    ]


def _home(
    spec: Mapping[str, Any],
    volumes: Mapping[str, Mapping[str, Any]],
    files: Mapping[str, str],
    without: Sequence[ContainerView],
    identity: Identity,
) -> _Home:
    """Rules 3 and 4, for the containers `without` a token. files: the token of each volume that has one."""
    # A container that names our own file needs one of that name there; any other is content with any name.
    needs_our_name = bool(files) and any(each.ours for each in without)
    for name, file in files.items():
        if holds_nothing_else(volumes[name], identity.audience) and (file == TOKEN_FILE or not needs_our_name):
            directory = _mount_directory(spec, name)
            return _Home(TokenVolume(name, file), directory, usual=directory, added=False)
    if VOLUME not in volumes:
        for each in without:
            if each.occupies(MOUNT_PATH):
                break
        else:
            return _USUAL_HOME
    volume = TokenVolume(free(OTHER_VOLUME, volumes), TOKEN_FILE)
    return _Home(volume, OTHER_MOUNT_PATH, usual=MOUNT_PATH, added=True)


def mount_entry(mount: Mount) -> dict[str, Any]:
    """The mount to add to a container."""
    return {"name": mount.volume, "mountPath": mount.path, "readOnly": True}


def _own_file(
    container: ContainerView,
    volumes: Mapping[str, Mapping[str, Any]],
    known: dict[str, Mapping[str, str]],
    identity: Identity,
    warnings: list[Message],
) -> Access | _Foreign | None:
    """Rule 1. known: the audiences of the volumes' tokens, kept because many containers may mount one."""
    if container.file is None:
        return _Foreign("") if identity.binding else None
    if container.file == "":
        if all("valueFrom" not in entry and not entry.get("value") for entry in container.entries):
            warnings.append(_warning(TOKEN_FILE_EMPTY, container, variable=TOKEN_FILE_VARIABLE))
        return Access("")
    file = of_linux(plain(container.file))
    inside = [(path, mount) for path, mount in container.mounts if within(file, of_linux(path))]
    if inside:
        path, innermost = max(inside, key=lambda each: len(each[0]))
        name = str(innermost.get("name"))
        tokens = known.get(name)
        if tokens is None:
            tokens = known[name] = audiences(volumes.get(name))
        if is_part(innermost):
            warnings.append(_warning(TOKEN_FILE_IN_SUB_PATH, container))
        part = posixpath.relpath(file, of_linux(path))
        if tokens and part not in tokens and not is_part(innermost) and holds_tokens_only(volumes[name]):
            ours = (each for each, audience in tokens.items() if audience == identity.audience)
            right = posixpath.join(path, next(ours, next(iter(tokens))))
            warnings.append(_warning(TOKEN_FILE_NOT_THERE, container, variable=TOKEN_FILE_VARIABLE, right=right))
        if tokens and _is_foreign(tokens, part, innermost, identity.audience):
            return _Foreign(container.file)
    elif container.ours and not any(within(OUR_FILE, path) for path in container.taken):
        return None
    elif within(file, API_SERVER_PATH):
        return _Foreign(container.file)  # kube-apiserver mounts it before it calls; manifests do not have it
    else:
        warnings.append(_warning(TOKEN_FILE_IN_NO_VOLUME, container, variable=TOKEN_FILE_VARIABLE))
    return Access(container.file)


def lost_files(container: Mapping[str, Any], access: Access, files: Sequence[tuple[str, str]]) -> Iterator[Message]:
    """A warning for each of `files`, by variable and path, that is in no volume of the container."""
    mounts = [mount_path(mount) for mount in container.get("volumeMounts") or ()]
    mounts += [access.mount.path] if access.mount else []
    for variable, path in files:
        if not any(within(of_linux(plain(path)), of_linux(each)) for each in mounts):
            yield message(OTHER_FILE_IN_NO_VOLUME, Place.of_container(container.get("name")), variable=variable)


def _is_foreign(tokens: Mapping[str, str], file: str, mount: Mapping[str, Any], audience: str) -> bool:
    """Whether `file`, of a mount of a volume with these tokens, is for another audience.

    A file that is not one of the tokens may be anything; it is foreign if not one of them is ours.
    """
    part = mount.get("subPath")
    inside = posixpath.normpath(posixpath.join(part, file)) if isinstance(part, str) and part else file
    found = tokens.get(inside)
    return found != audience if found is not None else audience not in tokens.values()


def _beside(
    container: ContainerView,
    foreign: _Foreign,
    spec: Mapping[str, Any],
    volumes: Mapping[str, Mapping[str, Any]],
    files: Mapping[str, str],
    added: set[str],
    identity: Identity,
    warnings: list[Message],
) -> Access:
    """The token for Microsoft 365 of a container whose other token is for another audience. added: volumes; grows."""
    if not container.file and not any(each.kind is TOKEN_FILE_LEFT for each in warnings):
        warnings.append(_warning(TOKEN_FILE_LEFT, container, variable=TOKEN_FILE_VARIABLE))
    reads = {M365, ARM, POWER_PLATFORM} & set(identity.families) or container.name in HELPER_NAMES
    if foreign.file and not identity.binding and (not reads or {AZURE, ANSIBLE} & set(identity.families)):
        kind = TOKEN_BESIDE if reads else TOKEN_OF_OTHER_AUDIENCE
        warnings.append(_warning(kind, container, audience=identity.audience))
    if not reads:
        return Access(foreign.file)
    mounted = _mounted_file(container, files)
    if mounted:
        return Access(foreign.file, beside=mounted.file)
    # Azure's webhook moves each mount of a volume that has its own name, so such a volume does not do.
    usable = (name for name in files if not is_rewritten(name) and holds_nothing_else(volumes[name], identity.audience))
    name = next(usable, "")
    if not name:
        name = next((each for each in added if each != VOLUME), "") or free(OTHER_VOLUME, volumes)
        added.add(name)
    directory = _mount_directory(spec, name) if name in files and is_of_a_webhook(name) else OTHER_MOUNT_PATH
    if container.occupies(directory):
        directory = _free_directory(container)
    return Access(foreign.file, Mount(name, directory), posixpath.join(directory, files.get(name, TOKEN_FILE)))


def _warning(kind: Kind, container: ContainerView, **values: str) -> Message:
    return message(kind, Place.of_container(container.name), **values)


def _mounted_file(container: ContainerView, files: Mapping[str, str]) -> Access | None:
    """Rule 2. A mount with subPath does not count: the kubelet never renews the token there."""
    if files:
        for path, mount in container.mounts:
            file = files.get(str(mount.get("name")))
            if file and path and not is_part(mount):
                return Access(posixpath.join(path, file))
    return None


def _mount_directory(spec: Mapping[str, Any], volume: str) -> str:
    """Where a shared token is mounted: at our path, or, if a webhook wrote the volume, where it is mounted already.

    Azure's webhook moves every mount of its own volume to its own path when it is called again. Our variable with
    another path would then name a missing file. A path that a person chose may hide files in another container's image.
    """
    if not is_of_a_webhook(volume):
        return MOUNT_PATH
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            for mount in container.get("volumeMounts") or ():
                if mount.get("name") == volume and mount_path(mount) and not is_part(mount):
                    return mount_path(mount)
    return MOUNT_PATH


def _new_access(container: ContainerView, home: _Home, warnings: list[Message]) -> Access:
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


def _free_directory(container: ContainerView) -> str:
    """Our other path, or one like it that is free."""
    paths = {path for path, _ in container.mounts} | set(container.taken)
    # A mount inside one of our mounts would need a directory in a volume that is read-only.
    paths |= {"/".join(path.split("/", _DEPTH)[:_DEPTH]) for path in paths}
    return free(OTHER_MOUNT_PATH, paths)

"""The authorities that a helper container trusts: those of the pod's own container, else those of the settings.

Behind a proxy that reads TLS, or with a login host of one's own, the public authorities are not enough. The first of
the pod's own containers that sets one of the variables lends them, each with the mount that holds its file:

    the file is in a volume                                      the variable, and that mount, read-only
    it is in a volume that an init container fills (emptyDir)    the same, and the helper stands behind that container
    a container fills that volume which starts later             left out, and the user is warned
    it is in no volume, so in the container's own image          left out, and the user is warned
    there are more than 16 folders, or a path is too long        left out, and the user is warned
    its volume is mounted on a folder that the helper needs      left out, and the user is warned
    its path is known to the kubelet only                        left out, and the user is warned

If no container sets one, the first that has a volume where systems keep their authorities, as /etc/ssl/certs, lends
that mount, and the helper trusts what is there as well (`system_authorities`).
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from webhook.core.messages import Message, Place, message
from webhook.core.messages.pods import AUTHORITIES_NOT_SHARED
from webhook.core.mount_paths import free, within
from webhook.core.names import MAXIMUM_PATH
from webhook.core.own_containers import HELPER_NAMES, is_set
from webhook.core.references import escaped, known_values, refers
from webhook.core.system_authorities import system_authorities

AUTHORITIES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
VOLUME: Final = "m365-authorities"
MOUNT_PATH: Final = "/var/run/secrets/m365/authorities"

_FOLDERS: Final = "SSL_CERT_DIR"
_MOST_FOLDERS: Final = 16  # each is looked for among all mounts of its container
_OF_THE_IMAGE: Final = (
    "/opt/m365wi",
    "/usr/bin",
    "/usr/lib",
    "/usr/local/lib",
    "/lib",
    "/lib64",
    "/bin",
    "/proc",
    "/dev",
)


class Authorities(NamedTuple):
    """What a helper container gets for them. volumes: new ones of the pod. after: the container that fills a volume."""

    env: tuple[Mapping[str, Any], ...] = ()
    mounts: tuple[Mapping[str, Any], ...] = ()
    volumes: tuple[Mapping[str, Any], ...] = ()
    after: str = ""
    warnings: tuple[Message, ...] = ()


def helper_authorities(
    spec: Mapping[str, Any], own: Sequence[Mapping[str, Any]], settings: Mapping[str, str], config_map: str
) -> Authorities:
    """The authorities of a helper container. own: the pod's own containers.

    settings: variables of the webhook's; config_map: NAME/KEY of the settings, of a ConfigMap in the pod's namespace.
    """
    for container in own:
        variables = {entry.get("name"): entry for entry in container.get("env") or ()}
        found = {name: variables[name] for name in AUTHORITIES if name in variables}
        if any(map(is_set, found.values())):
            return _taken(spec, container, found)
    usual = Authorities(tuple({"name": name, "value": settings[name]} for name in AUTHORITIES if name in settings))
    if config_map:
        usual = _of_config_map(spec, config_map)
    of_system = next(filter(None, map(system_authorities, own)), None)
    return _of_system(spec, of_system, usual) if of_system else usual


def _of_system(
    spec: Mapping[str, Any], found: Sequence[tuple[str, Mapping[str, Any]]], usual: Authorities
) -> Authorities:
    """The authorities of the settings, and those of the mounts `found`, each with its folder."""
    mounts, folders, after = list(usual.mounts), [], ""
    for folder, mount in found:
        shared = _shared(spec, mount)
        if not isinstance(shared, str) and not _hides_the_helper(mount["mountPath"]):
            mounts.append(shared.mount)
            folders.append(folder)
            after = max(after, shared.filler, key=lambda each: _position(spec, each))
    if not folders or any(each["name"] == _FOLDERS for each in usual.env):
        return usual
    entry = {"name": _FOLDERS, "value": ":".join(dict.fromkeys(folders))}
    return usual._replace(env=(*usual.env, entry), mounts=tuple(mounts), after=after)


def _of_config_map(spec: Mapping[str, Any], config_map: str) -> Authorities:
    name, _, key = config_map.partition("/")
    volume = free(VOLUME, {each.get("name") for each in spec.get("volumes") or ()})
    return Authorities(
        env=({"name": "SSL_CERT_FILE", "value": f"{MOUNT_PATH}/{key}"},),
        mounts=({"name": volume, "mountPath": MOUNT_PATH, "readOnly": True},),
        volumes=({"name": volume, "configMap": {"defaultMode": 0o644, "name": name}},),
    )


def _taken(
    spec: Mapping[str, Any], container: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]
) -> Authorities:
    env, warnings = [], []
    mounts: dict[Any, Mapping[str, Any]] = {}
    after = ""
    place = Place.of_container(container.get("name"))
    values = known_values(container["env"]) if any(refers(each.get("value")) for each in found.values()) else {}
    for name, entry in found.items():
        value = entry.get("value")
        if not is_set(entry):
            continue
        value = values.get(name) if refers(value) else value
        if "valueFrom" in entry or not isinstance(value, str) or len(value) > MAXIMUM_PATH:
            warnings.append(message(AUTHORITIES_NOT_SHARED, place, variable=name, problem="is not a plain path"))
            continue
        paths = [path for path in (value.split(":") if name == _FOLDERS else [value]) if path]
        if len(paths) > _MOST_FOLDERS:
            problem = f"names more than {_MOST_FOLDERS} folders"
            warnings.append(message(AUTHORITIES_NOT_SHARED, place, variable=name, problem=problem))
            continue
        around = [_around(spec, container, path) for path in paths]
        held = [each for each in around if not isinstance(each, str)]
        inside = [each for each in held if not _hides_the_helper(each.mount["mountPath"])]
        if not inside:
            others = (each for each in around if isinstance(each, str))
            problem = "is in a volume on the helper's own folders" if held else next(others, _NOWHERE)
            warnings.append(message(AUTHORITIES_NOT_SHARED, place, variable=name, problem=problem))
            continue
        env.append({"name": name, "value": escaped(value) if name in values else value})
        mounts |= {each.mount["mountPath"]: each.mount for each in inside}
        after = max(after, *(each.filler for each in inside), key=lambda each: _position(spec, each))
    return Authorities(tuple(env), tuple(mounts.values()), after=after, warnings=tuple(warnings))


class _Shared(NamedTuple):
    """A mount for another container. filler: the init container that fills its volume, or ""."""

    mount: Mapping[str, Any]
    filler: str = ""


_NOWHERE: Final = "names a file in no volume"


def _around(spec: Mapping[str, Any], container: Mapping[str, Any], path: str) -> _Shared | str:
    """The mount of `container` that holds `path`; or why another container cannot have it, as the end of a sentence."""
    path = posixpath.normpath(path)
    around = []
    for mount in container.get("volumeMounts") or ():
        directory = mount.get("mountPath")
        if isinstance(directory, str) and directory.startswith("/"):
            directory = posixpath.normpath(directory)
            if within(path, directory):
                around.append((len(directory), mount))
    if not around:
        return _NOWHERE
    _, mount = max(around, key=lambda each: each[0])
    return _shared(spec, mount)


def _shared(spec: Mapping[str, Any], mount: Mapping[str, Any]) -> _Shared | str:
    """A container's mount for another one; or why that cannot have it."""
    volume = next((each for each in spec.get("volumes") or () if each.get("name") == mount.get("name")), None)
    if volume is None:
        return _NOWHERE
    if mount.get("subPathExpr"):
        return "is mounted with subPathExpr"
    filler = ""
    if "emptyDir" in volume:
        filler = next(_fillers(spec, str(volume["name"])), "")
        if not filler:
            return "is in an emptyDir that no init container fills"
    kept = {key: mount[key] for key in ("name", "mountPath", "subPath") if mount.get(key)}
    return _Shared({**kept, "readOnly": True}, filler)


def _hides_the_helper(directory: str) -> bool:
    """Whether a mount there hides a part of the image that the helper runs from."""
    directory = posixpath.normpath(directory)
    return any(within(each, directory) for each in _OF_THE_IMAGE)


def _fillers(spec: Mapping[str, Any], volume: str) -> Iterator[str]:
    """The init containers that may write into the volume, the last one first."""
    for container in reversed(spec.get("initContainers") or ()):
        for mount in container.get("volumeMounts") or ():
            if mount.get("name") == volume and not mount.get("readOnly") and container.get("name") not in HELPER_NAMES:
                yield str(container.get("name"))


def _position(spec: Mapping[str, Any], name: str) -> int:
    """Where the init container stands; -1 for none."""
    names = [each.get("name") for each in spec.get("initContainers") or ()]
    return names.index(name) if name in names else -1

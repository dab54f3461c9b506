"""What a pod will have when it runs, as far as signing in goes: the variables and the token file of each container."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from webhook.core.families import FAMILIES, VARIABLES
from webhook.core.mutation import CONTAINER_LISTS
from webhook.core.names import (
    IDENTITY_ENDPOINT_VARIABLE,
    IDENTITY_HEADER_VARIABLE,
    OIDC_TOKEN_FILE_VARIABLE,
    TOKEN_FILE_VARIABLE,
)
from webhook.core.own_containers import HELPER_NAMES, is_native_sidecar
from webhook.core.text import shown

_SECRETS: Final = frozenset(name for family in FAMILIES.values() for name in family.secrets)
_OURS: Final = frozenset({*VARIABLES, TOKEN_FILE_VARIABLE, IDENTITY_ENDPOINT_VARIABLE, IDENTITY_HEADER_VARIABLE})
_FILES: Final = (TOKEN_FILE_VARIABLE, OIDC_TOKEN_FILE_VARIABLE)
HELPER: Final = "helper container"
_LONGEST: Final = 300  # characters of a value


class Variable(NamedTuple):
    """A variable of a container. is_new: the webhook adds it."""

    name: str
    value: str
    is_new: bool


class TokenFile(NamedTuple):
    """A file that a variable names. details: what is in it; "" if no volume has it."""

    variable: str
    path: str
    details: str


class Container(NamedTuple):
    """What a container of the pod will have. others: how many of its own variables are not about signing in."""

    name: str
    role: str
    is_new: bool
    variables: tuple[Variable, ...]
    others: int
    files: tuple[TokenFile, ...]


def containers(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Container, ...]:
    """Those of a pod. before, after: the pod without and with the additions."""
    known = {
        (kind, each.get("name")): _names(each) for kind in CONTAINER_LISTS for each in before["spec"].get(kind) or ()
    }
    volumes = {volume.get("name"): volume for volume in after["spec"].get("volumes") or ()}
    found = []
    for kind in CONTAINER_LISTS:
        for each in after["spec"].get(kind) or ():
            own = known.get((kind, each.get("name")))
            found.append(_container(kind, each, own, volumes))
    return tuple(found)


def _container(
    kind: str, container: Mapping[str, Any], own: frozenset[str] | None, volumes: Mapping[Any, Mapping[str, Any]]
) -> Container:
    entries = [entry for entry in container.get("env") or () if isinstance(entry, dict)]
    shown_here = [entry for entry in entries if entry.get("name") in _OURS | _SECRETS]
    return Container(
        shown(container.get("name")),
        _role(kind, container),
        own is None,
        tuple(
            Variable(shown(entry.get("name")), _value(entry), entry.get("name") not in (own or ()))
            for entry in shown_here
        ),
        len(entries) - len(shown_here),
        tuple(_files(entries, container, volumes)),
    )


def _names(container: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(str(entry.get("name")) for entry in container.get("env") or () if isinstance(entry, dict))


def _role(kind: str, container: Mapping[str, Any]) -> str:
    if container.get("name") in HELPER_NAMES:
        return HELPER
    if kind == "initContainers":
        return "sidecar" if is_native_sidecar(container) else "init container"
    return "container"


def _value(entry: Mapping[str, Any]) -> str:
    """The value, or where it comes from. A secret is not repeated."""
    if entry.get("name") in _SECRETS and "valueFrom" not in entry:
        return "(a secret, not shown)"
    source = entry.get("valueFrom")
    if not isinstance(source, dict):
        return shown(entry.get("value") or "", _LONGEST)
    if isinstance(field := source.get("fieldRef"), dict):
        return shown(f"the pod's {field.get('fieldPath')}", _LONGEST)
    return shown(f"from {', '.join(map(str, source))}", _LONGEST)


def _files(
    entries: list[dict[str, Any]], container: Mapping[str, Any], volumes: Mapping[Any, Mapping[str, Any]]
) -> Iterator[TokenFile]:
    values = {entry.get("name"): entry.get("value") for entry in entries}
    for variable in _FILES:
        path = values.get(variable)
        if isinstance(path, str) and path:
            yield TokenFile(variable, shown(path, _LONGEST), _details(path, container, volumes))


def _details(path: str, container: Mapping[str, Any], volumes: Mapping[Any, Mapping[str, Any]]) -> str:
    """What the file at `path` is, from the mount with the longest path above it."""
    mounts = [
        mount
        for mount in container.get("volumeMounts") or ()
        if isinstance(mount.get("mountPath"), str) and _is_within(path, mount["mountPath"])
    ]
    if not mounts:
        return ""
    mount = max(mounts, key=lambda each: len(each["mountPath"]))
    volume = volumes.get(mount.get("name")) or {}
    inside = posixpath.relpath(posixpath.normpath(path), posixpath.normpath(mount["mountPath"]))
    for source in (volume.get("projected") or {}).get("sources") or ():
        token = source.get("serviceAccountToken")
        if isinstance(token, dict) and token.get("path") == inside:
            audience = shown(token.get("audience") or "the API server", _LONGEST)
            seconds = token.get("expirationSeconds", 3600)
            return (
                f"a token for {audience}, renewed by the kubelet, {shown(seconds)} s, in volume {shown(volume['name'])}"
            )
    return f"whatever volume {shown(mount.get('name'))} has there"


def _is_within(path: str, folder: str) -> bool:
    folder = posixpath.normpath(folder)
    return posixpath.normpath(path).startswith(folder if folder == "/" else f"{folder}/")

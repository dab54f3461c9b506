"""Where in the files a message of the webhook stands. The message names the container, annotation or volume."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from webhook.core.container_view import is_part
from webhook.core.messages import Message, Place
from webhook.core.messages.pods import (
    METRICS_PORT_TAKEN,
    TOKEN_BESIDE,
    TOKEN_FILE_IN_SUB_PATH,
    TOKEN_LIVES_TOO_LONG,
    TOKEN_MOVED,
    TOKEN_OF_OTHER_AUDIENCE,
)
from webhook.core.mount_paths import mount_path, of_linux, plain, within
from webhook.core.mutation import CONTAINER_LISTS
from webhook.core.names import TOKEN_FILE_VARIABLE, VOLUME
from webhook.documents.files import FilePlace
from webhook.offline.lint.objects import Object

_Steps = tuple[str | int, ...]
_OF_THE_TOKEN_FILE: Final = {TOKEN_BESIDE, TOKEN_OF_OTHER_AUDIENCE}


class PodPlaces:
    """The places in one pod template, which is at `steps` of an object."""

    def __init__(self, found: Object, steps: tuple[str, ...]) -> None:
        self._object = found
        self._steps = steps
        spec = found.values(*steps, "spec")
        self._volumes: Sequence[Any] = _list(spec, "volumes")
        self._containers: dict[str, tuple[_Steps, Mapping[str, Any]]] = {}
        for kind in CONTAINER_LISTS:
            for index, container in enumerate(_list(spec, kind)):
                title = Place.of_container(container.get("name")).object
                self._containers.setdefault(title, ((kind, index), container))

    def of(self, message: Message) -> FilePlace:
        """Where `message` stands."""
        steps, container = self._containers.get(message.place.object, ((), {}))
        annotation = message.place.annotation
        if steps:
            return self._in_spec(*self._in_container(message, steps, container))
        if annotation and annotation in self._object.values(*self._steps, "metadata", "annotations"):
            return self._object.place(*self._steps, "metadata", "annotations", annotation)
        if message.kind is TOKEN_LIVES_TOO_LONG:
            return self.volume(message.values["volume"])
        for steps, container in self._containers.values():
            entry = _variable(container, message.values.get("variable", ""))
            if entry:
                return self._in_spec(*steps, *entry)
        return self._object.place(*self._steps, "metadata") if self._steps else self._object.head()

    def volume(self, name: str) -> FilePlace:
        """Where a volume says how long its token lives; its name if it does not."""
        for index, volume in enumerate(self._volumes):
            if volume.get("name") == name:
                for number, source in enumerate(_list(volume.get("projected") or {}, "sources")):
                    token = source.get("serviceAccountToken")
                    if isinstance(token, dict) and "expirationSeconds" in token:
                        inner = ("projected", "sources", number, "serviceAccountToken", "expirationSeconds")
                        return self._in_spec("volumes", index, *inner)
                return self._in_spec("volumes", index, "name")
        return self._in_spec("containers")

    def _in_spec(self, *steps: str | int) -> FilePlace:
        return self._object.place(*self._steps, "spec", *steps)

    def _in_container(self, message: Message, steps: _Steps, container: Mapping[str, Any]) -> _Steps:
        inner: _Steps = ()
        if message.kind is TOKEN_FILE_IN_SUB_PATH:
            inner = _part_with_the_token(container)
        elif message.kind is TOKEN_MOVED:
            taken = message.values["taken"]
            volumes = [index for index, each in enumerate(self._volumes) if each.get("name") == VOLUME]
            if taken == f"volume {VOLUME}" and volumes:
                return ("volumes", volumes[0], "name")
            inner = _mount_at(container, taken)
        elif message.kind is METRICS_PORT_TAKEN:
            inner = _port(container, message.values["port"])
        elif message.kind in _OF_THE_TOKEN_FILE:
            inner = _variable(container, TOKEN_FILE_VARIABLE)
        else:
            names = message.values.get("variable") or message.values.get("variables", "")
            inner = _variable(container, names.partition(",")[0])
        return (*steps, *(inner or (("name",) if "name" in container else ())))


def _list(values: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = values.get(key)
    return value if isinstance(value, list) else ()


def _variable(container: Mapping[str, Any], name: str) -> _Steps:
    """The way to the last entry of a variable, which counts."""
    found = [index for index, each in enumerate(_list(container, "env")) if name and each.get("name") == name]
    return ("env", found[-1], "name") if found else ()


def _port(container: Mapping[str, Any], number: str) -> _Steps:
    for index, port in enumerate(_list(container, "ports")):
        if isinstance(port, dict) and str(port.get("containerPort")) == number:
            return ("ports", index, "containerPort")
    return ()


def _part_with_the_token(container: Mapping[str, Any]) -> _Steps:
    """The way to the mount with subPath that has the file of AZURE_FEDERATED_TOKEN_FILE."""
    files = [each.get("value") for each in _list(container, "env") if each.get("name") == TOKEN_FILE_VARIABLE]
    file = of_linux(plain(str(files[-1]))) if files and files[-1] else ""
    for index, mount in enumerate(_list(container, "volumeMounts")):
        if is_part(mount) and within(file, of_linux(mount_path(mount))):
            return ("volumeMounts", index, "subPath" if mount.get("subPath") else "subPathExpr")
    return ()


def _mount_at(container: Mapping[str, Any], directory: str) -> _Steps:
    for index, mount in enumerate(_list(container, "volumeMounts")):
        if within(of_linux(mount_path(mount)), directory):
            return ("volumeMounts", index, "mountPath")
    for index, device in enumerate(_list(container, "volumeDevices")):
        path = device.get("devicePath") if isinstance(device, dict) else None
        if isinstance(path, str) and path and within(plain(path), directory):
            return ("volumeDevices", index, "devicePath")
    return ()

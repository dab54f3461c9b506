"""Whether an object has the shape of a Pod, as far as the decision looks at it.

kube-apiserver has checked a pod long before it calls; this is for everybody else who can reach the endpoint, and for
files.
"""

from collections.abc import Mapping
from types import NoneType
from typing import Any, NamedTuple

from webhook.core.messages import Kind, Message, Place, message
from webhook.core.messages import reviews as kinds
from webhook.core.names import (
    MAXIMUM_ANNOTATIONS,
    MAXIMUM_CONTAINERS,
    MAXIMUM_MOUNTS,
    MAXIMUM_NAME,
    MAXIMUM_PATH,
    MAXIMUM_VARIABLES,
    MAXIMUM_VOLUMES,
)

_Step = str | int

_MOST = (
    ("volumes", MAXIMUM_VOLUMES, kinds.TOO_MANY_TOGETHER),
    ("containers", MAXIMUM_CONTAINERS, kinds.TOO_MANY),
    ("initContainers", MAXIMUM_CONTAINERS, kinds.TOO_MANY),
)

# Of each container: the member that is text, and how many all containers may have together.
_IN_CONTAINERS = {"env": ("name", MAXIMUM_VARIABLES), "volumeMounts": ("mountPath", MAXIMUM_MOUNTS)}


class ShapeProblem(NamedTuple):
    """What is wrong with a pod. steps: the way to the field, from the pod. limit: of a length or a number, or 0."""

    kind: Kind
    steps: tuple[_Step, ...] = ()
    limit: int = 0

    def message(self, *, path: str, place: str = "") -> Message:
        """The problem as a message. place: where that is, as in `Place.object`. path: of the pod, "" if it is all."""
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.steps)
        where = Place(place, field=f"{path}{steps}".removeprefix("."))
        return message(self.kind, where, limit=self.limit) if self.limit else message(self.kind, where)

    def below(self, *steps: _Step) -> "ShapeProblem":
        """The same problem, seen from further above."""
        return self._replace(steps=(*steps, *self.steps))


def shape_problem(pod: Any) -> ShapeProblem | None:
    """The first problem that keeps `pod` from being read as a Pod, or None."""
    if not isinstance(pod, dict):
        return ShapeProblem(kinds.FIELD_MISSING)
    metadata = pod.get("metadata")
    problem = _metadata_problem(metadata) if metadata is not None else None
    if problem:
        return problem.below("metadata")
    problem = _spec_problem(pod.get("spec"))
    return problem.below("spec") if problem else None


def _metadata_problem(metadata: Any) -> ShapeProblem | None:
    if not isinstance(metadata, dict):
        return ShapeProblem(kinds.NOT_AN_OBJECT)
    for key in ("name", "generateName"):
        value = metadata.get(key)
        if value is not None and not _is_text(value, MAXIMUM_NAME):
            return _text_problem(value, MAXIMUM_NAME).below(key)
    for key in ("labels", "annotations"):
        values = metadata.get(key)
        if values is None:
            continue
        if not isinstance(values, dict):
            return ShapeProblem(kinds.NOT_STRINGS, (key,))
        for value in values.values():
            if not isinstance(value, str):
                return ShapeProblem(kinds.NOT_STRINGS, (key,))
    annotations = metadata.get("annotations")
    if annotations and sum(map(len, annotations)) + sum(map(len, annotations.values())) > MAXIMUM_ANNOTATIONS:
        return ShapeProblem(kinds.TOO_LONG, ("annotations",), MAXIMUM_ANNOTATIONS)
    return None


def _spec_problem(spec: Any) -> ShapeProblem | None:
    if not isinstance(spec, dict):
        return ShapeProblem(kinds.NOT_AN_OBJECT)
    for key in ("serviceAccountName", "serviceAccount"):
        value = spec.get(key)
        if value is not None and not _is_text(value, MAXIMUM_NAME):
            return _text_problem(value, MAXIMUM_NAME).below(key)
    if not isinstance(spec.get("os"), (dict, NoneType)):
        return ShapeProblem(kinds.NOT_AN_OBJECT, ("os",))
    if not isinstance(spec.get("containers"), list):
        return ShapeProblem(kinds.NOT_A_LIST, ("containers",))
    for key, most, kind in _MOST:
        entries = spec.get(key)
        if entries is None:
            continue
        if isinstance(entries, list) and len(entries) > most:  # before any of them is looked at
            return ShapeProblem(kind, (key,), most)
        problem = _list_problem(entries, "name")
        if problem:
            return problem.below(key)
    return _containers_problem(spec) or _volumes_problem(spec)


def _containers_problem(spec: Mapping[str, Any]) -> ShapeProblem | None:
    numbers = dict.fromkeys(_IN_CONTAINERS, 0)
    for key in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(key) or ()):
            for name, (text, most) in _IN_CONTAINERS.items():
                entries = container.get(name)
                if entries is None:
                    continue
                if isinstance(entries, list):
                    numbers[name] += len(entries)
                    if numbers[name] > most:
                        return ShapeProblem(kinds.TOO_MANY_TOGETHER, (key, index, name), most)
                problem = _list_problem(entries, text)
                if problem:
                    return problem.below(key, index, name)
    return None


def _volumes_problem(spec: Mapping[str, Any]) -> ShapeProblem | None:
    volumes = spec.get("volumes") or ()
    number = len(volumes)
    for index, volume in enumerate(volumes):
        projected = volume.get("projected")
        problem = _projection_problem(projected) if projected is not None else None
        if problem:
            return problem.below("volumes", index, "projected")
        number += len(projected.get("sources") or ()) if projected else 0
        if number > MAXIMUM_VOLUMES:
            return ShapeProblem(kinds.TOO_MANY_TOGETHER, ("volumes",), MAXIMUM_VOLUMES)
    return None


def _projection_problem(projected: Any) -> ShapeProblem | None:
    if not isinstance(projected, dict):
        return ShapeProblem(kinds.NOT_AN_OBJECT)
    sources = projected.get("sources")
    if isinstance(sources, list) and len(sources) > MAXIMUM_VOLUMES:
        return ShapeProblem(kinds.TOO_MANY_TOGETHER, ("sources",), MAXIMUM_VOLUMES)
    problem = _list_problem(sources)
    if problem:
        return problem.below("sources")
    for number, source in enumerate(sources or ()):
        token = source.get("serviceAccountToken")
        path = token.get("path") if isinstance(token, dict) else None
        if isinstance(path, str) and len(path) > MAXIMUM_PATH:
            return ShapeProblem(kinds.TOO_LONG, ("sources", number, "serviceAccountToken", "path"), MAXIMUM_PATH)
    return None


def _list_problem(entries: Any, text: str = "") -> ShapeProblem | None:
    """What keeps `entries` from being a list of objects whose member `text` is a string, if it is there at all."""
    if entries is None:
        return None
    if not isinstance(entries, list):
        return ShapeProblem(kinds.NOT_A_LIST)
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            return ShapeProblem(kinds.NOT_AN_OBJECT, (index,))
        value = entry.get(text)
        # As _is_text says, without the call: a pod has dozens of entries.
        if value is not None and not (isinstance(value, str) and len(value) <= MAXIMUM_PATH):
            return _text_problem(value, MAXIMUM_PATH).below(index, text)
    return None


def _is_text(value: Any, limit: int) -> bool:
    return isinstance(value, str) and len(value) <= limit


def _text_problem(value: Any, limit: int) -> ShapeProblem:
    """What is wrong with a value that should be text of at most `limit` characters."""
    return ShapeProblem(kinds.TOO_LONG, limit=limit) if isinstance(value, str) else ShapeProblem(kinds.NOT_A_STRING)

"""Whether an object has the shape of a Pod, as far as the decision looks at it.

kube-apiserver has checked a pod long before it calls; this is for everybody else who can reach the endpoint, and for
files.
"""

from collections.abc import Mapping
from types import NoneType
from typing import Any, NamedTuple

from webhook.core.messages import Kind, Message, Place, message
from webhook.core.messages import reviews as kinds
from webhook.core.names import MAXIMUM_CONTAINERS, MAXIMUM_NAME, MAXIMUM_PATH

_Step = str | int


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
        problem = _text_problem(metadata.get(key), MAXIMUM_NAME)
        if problem:
            return problem.below(key)
    for key in ("labels", "annotations"):
        values = metadata.get(key)
        if values is not None and not (isinstance(values, dict) and all(isinstance(v, str) for v in values.values())):
            return ShapeProblem(kinds.NOT_STRINGS, (key,))
    return None


def _spec_problem(spec: Any) -> ShapeProblem | None:
    if not isinstance(spec, dict):
        return ShapeProblem(kinds.NOT_AN_OBJECT)
    for key in ("serviceAccountName", "serviceAccount"):
        problem = _text_problem(spec.get(key), MAXIMUM_NAME)
        if problem:
            return problem.below(key)
    if not isinstance(spec.get("os"), (dict, NoneType)):
        return ShapeProblem(kinds.NOT_AN_OBJECT, ("os",))
    if not isinstance(spec.get("containers"), list):
        return ShapeProblem(kinds.NOT_A_LIST, ("containers",))
    for key in ("volumes", "containers", "initContainers"):
        problem = _list_problem(spec.get(key), "name")
        if problem:
            return problem.below(key)
    return _containers_problem(spec) or _volumes_problem(spec)


def _containers_problem(spec: Mapping[str, Any]) -> ShapeProblem | None:
    for key in ("containers", "initContainers"):
        containers = spec.get(key) or ()
        if len(containers) > MAXIMUM_CONTAINERS:
            return ShapeProblem(kinds.TOO_MANY, (key,), MAXIMUM_CONTAINERS)
        for index, container in enumerate(containers):
            for name, text in (("env", "name"), ("volumeMounts", "mountPath")):
                problem = _list_problem(container.get(name), text)
                if problem:
                    return problem.below(key, index, name)
    return None


def _volumes_problem(spec: Mapping[str, Any]) -> ShapeProblem | None:
    for index, volume in enumerate(spec.get("volumes") or ()):
        projected = volume.get("projected")
        problem = _projection_problem(projected) if projected is not None else None
        if problem:
            return problem.below("volumes", index, "projected")
    return None


def _projection_problem(projected: Any) -> ShapeProblem | None:
    if not isinstance(projected, dict):
        return ShapeProblem(kinds.NOT_AN_OBJECT)
    sources = projected.get("sources")
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
        if value is not None:
            problem = _text_problem(value, MAXIMUM_PATH)
            if problem:
                return problem.below(index, text)
    return None


def _text_problem(value: Any, limit: int) -> ShapeProblem | None:
    if not isinstance(value, (str, NoneType)):
        return ShapeProblem(kinds.NOT_A_STRING)
    return ShapeProblem(kinds.TOO_LONG, limit=limit) if value and len(value) > limit else None

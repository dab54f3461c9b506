"""The JSON Patch that gives a pod its identity: operations that only add, checked before anybody sees them.

Nothing of the user's is replaced, reordered or dropped, whether this version knows it or not: the pod is never
decoded into types, and no operation but `add` is ever built.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypedDict

from webhook.identity import Identity
from webhook.variables import missing
from webhook.volumes import mount_entry, place, volume_entry

KINDS = ("initContainers", "containers")


class Operation(TypedDict):
    """One operation of a JSON Patch (RFC 6902)."""

    op: Literal["add"]
    path: str
    value: Any


class UnsoundPatch(Exception):
    """Our patch would have made a pod that kube-apiserver refuses: our bug, answered as an internal error."""


class Mutation(NamedTuple):
    """What is added to a pod. containers: the names of those that get something."""

    operations: tuple[Operation, ...]
    containers: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Place:
    kind: str
    index: int
    container: Mapping[str, Any]

    @property
    def path(self) -> str:
        return f"/spec/{self.kind}/{self.index}"


def receiving(spec: Mapping[str, Any], skip: Collection[str]) -> list[_Place]:
    """The containers that are not skipped, init containers first. Ephemeral ones never come with a new pod."""
    left_out = frozenset(skip)
    return [
        _Place(kind, index, container)
        for kind in KINDS
        for index, container in enumerate(spec.get(kind) or ())
        if container.get("name") not in left_out
    ]


def mutate(pod: Mapping[str, Any], identity: Identity, skip: Collection[str]) -> Mutation:
    """What `pod` lacks of `identity`, in all containers but those named in `skip`. Raises UnsoundPatch."""
    spec = pod["spec"]
    places = receiving(spec, skip)
    placement = place(spec, [each.container for each in places], identity)
    operations: list[Operation] = []
    changed: list[str] = []
    warnings = list(placement.warnings)
    for each, access in zip(places, placement.accesses, strict=True):
        lacking = missing(identity, each.container, access.file)
        entries = [{"name": variable.name, "value": variable.value} for variable in lacking.variables]
        before = len(operations)
        operations += _prepended(each.path + "/env", each.container.get("env"), entries)
        if access.mount:
            mounts = each.container.get("volumeMounts")
            operations += _appended(each.path + "/volumeMounts", mounts, mount_entry(access.mount))
        name = str(each.container.get("name"))
        if len(operations) > before:
            changed.append(name)
        if lacking.different:
            warnings.append(f"container {name} sets {', '.join(lacking.different)} to something else, and that stays")
    if placement.volume:
        operations += _appended("/spec/volumes", spec.get("volumes"), volume_entry(placement.volume, identity))
    if operations:
        _check(pod, operations)
    return Mutation(tuple(operations), tuple(changed), tuple(warnings))


def apply(document: Mapping[str, Any], operations: Sequence[Operation]) -> dict[str, Any]:
    """`document` with `operations` applied, as RFC 6902 has it; the parts they do not touch are shared, not copied.

    Only what this module builds is understood: `add`, to a member or to a list on which no later path depends, without
    escapes in the path.
    """
    result: dict[str, Any] = dict(document)
    copies: dict[str, Any] = {"": result}
    for operation in operations:
        parent, _, last = operation["path"].rpartition("/")
        target = copies.get(parent)
        if target is None:
            target = _copied(parent, copies)
        if not isinstance(target, list):
            target[last] = operation["value"]
        elif last == "-":
            target.append(operation["value"])
        else:
            target.insert(int(last), operation["value"])
    return result


def _copied(path: str, copies: dict[str, Any]) -> Any:
    """The list or object at `path`, ours to change: it and all above it are copied, once, and kept in `copies`."""
    if path not in copies:
        parent, _, step = path.rpartition("/")
        above = _copied(parent, copies)
        key = int(step) if isinstance(above, list) else step
        copies[path] = above[key] = above[key].copy()
    return copies[path]


def _prepended(path: str, existing: list[Any] | None, entries: list[dict[str, Any]]) -> Iterator[Operation]:
    """Before the user's own, so that their $(VAR) references find ours."""
    if not entries:
        return
    if existing is None:
        yield {"op": "add", "path": path, "value": entries}
        return
    for index, entry in enumerate(entries):
        yield {"op": "add", "path": f"{path}/{index}", "value": entry}


def _appended(path: str, existing: list[Any] | None, entry: dict[str, Any]) -> Iterator[Operation]:
    if existing is None:
        yield {"op": "add", "path": path, "value": [entry]}
    else:
        yield {"op": "add", "path": path + "/-", "value": entry}


def _check(pod: Mapping[str, Any], operations: Sequence[Operation]) -> None:
    """A patch that applies but makes an invalid pod is refused whatever the failurePolicy: so it must never be sent.

    What the user's own pod repeats is the user's; only what got repeated by our additions counts.
    """
    before, after = pod["spec"], apply(pod, operations)["spec"]
    _check_unique("volume", _names(before.get("volumes")), _names(after.get("volumes")))
    for kind in KINDS:
        for old, new in zip(before.get(kind) or (), after.get(kind) or (), strict=True):
            if new is old:
                continue
            _check_unique("variable", _names(old.get("env")), _names(new.get("env")))
            _check_unique("mount path", _paths(old.get("volumeMounts")), _paths(new.get("volumeMounts")))


def _check_unique(what: str, before: list[Any], after: list[Any]) -> None:
    if len(set(after)) == len(after):
        return
    # What was added is at one end and the old in its order, so the counts alone tell.
    old, new = Counter(before), Counter(after)
    for value, count in new.items():
        if count > 1 and count > old[value]:
            raise UnsoundPatch(f"{what} {value!r} would be there {count} times")


def _names(entries: list[Any] | None) -> list[Any]:
    return [entry.get("name") for entry in entries or ()]


def _paths(entries: list[Any] | None) -> list[Any]:
    return [entry.get("mountPath") for entry in entries or ()]

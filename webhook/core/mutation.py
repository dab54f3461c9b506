"""The JSON Patch that gives a pod its identity: operations that only add, checked before they are sent.

Nothing of the user's is replaced, reordered or dropped, whether this version knows it or not: the pod is never
decoded into types, and every operation is an `add`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, TypedDict

from webhook.core.endpoint_proxies import behind_proxy
from webhook.core.helper_containers import NOTHING, Surroundings, missing_helpers, surroundings
from webhook.core.identity import Identity
from webhook.core.messages import Message, Place, message
from webhook.core.messages.pods import ENDPOINT_BEHIND_PROXY, SECRET_LEFT_OVER, VARIABLES_KEPT
from webhook.core.names import IDENTITY_ENDPOINT_VARIABLE, MAXIMUM_ADDED
from webhook.core.token_volumes import volume_entry
from webhook.core.variables import EnvVar, helper_variables, is_usual, missing
from webhook.core.volumes import Access, lost_files, mount_entry, place_tokens

CONTAINER_LISTS = ("initContainers", "containers")


_variable_name: Final = itemgetter(0)


class Operation(TypedDict):
    """One operation of a JSON Patch (RFC 6902)."""

    op: Literal["add"]
    path: str
    value: Any


class UnsoundPatch(Exception):
    """The patch would make a pod that kube-apiserver refuses: a bug of the webhook, answered as an internal error."""


class TooMuchAdded(Exception):
    """The additions are more than an object can have. size: their characters. containers: how many would get them."""

    def __init__(self, size: int, containers: int) -> None:
        super().__init__(size, containers)
        self.size = size
        self.containers = containers


class Mutation(NamedTuple):
    """What is added to a pod. containers: the names of those to which something is added."""

    operations: tuple[Operation, ...]
    containers: tuple[str, ...]
    warnings: tuple[Message, ...]


class Target(NamedTuple):
    """A container that is to have the identity. path: of it in the pod."""

    path: str
    container: Mapping[str, Any]


def containers_to_inject(spec: Mapping[str, Any], skip: Collection[str]) -> list[Target]:
    """The containers that are not skipped, init containers first. Ephemeral ones never come with a new pod."""
    return [
        Target(f"/spec/{kind}/{index}", container)
        for kind in CONTAINER_LISTS
        for index, container in enumerate(spec.get(kind) or ())
        if not skip or container.get("name") not in skip
    ]


def mutate(pod: Mapping[str, Any], identity: Identity, skip: Collection[str]) -> Mutation:
    """What `pod` is missing of `identity`, in all containers but those in `skip`. Raises UnsoundPatch, TooMuchAdded."""
    spec = pod["spec"]
    targets = containers_to_inject(spec, skip)
    helpers = missing_helpers(pod, identity, skip)
    around = surroundings(pod, identity, skip) if helpers else NOTHING
    containers = [*({**each, "volumeMounts": around.mounts} for each in helpers), *(each for _, each in targets)]
    placement = place_tokens(spec, containers, identity)
    accesses = placement.accesses
    _check_size(containers, accesses, identity, len(helpers) * around.size)
    operations: list[Operation] = []
    changed: list[str] = []
    warnings = [*placement.warnings, *around.warnings]
    for (path, container), access in zip(targets, accesses[len(helpers) :], strict=True):
        variables, different, left_over, files = missing(identity, container, access.file, access.beside)
        if identity.helpers:
            variables += _for_the_endpoint(variables, container, warnings)
        name = str(container.get("name"))
        if variables or access.mount:
            operations += _container_operations(path, container, variables, access)
            changed.append(name)
        if different:
            place = Place.of_container(name)
            warnings.append(message(VARIABLES_KEPT, place, variables=", ".join(different)))
        if left_over:
            warnings.append(message(SECRET_LEFT_OVER, Place.of_container(name), variables=", ".join(left_over)))
        if files:
            warnings += lost_files(container, access, files)
    if placement.volumes:
        volumes = spec.get("volumes")
        _check_unique("volume", "name", volumes, placement.volumes)
        for volume in placement.volumes:
            entry = volume_entry(volume, identity)
            operations.append(_appended("/spec/volumes", volumes, entry))
            volumes = volumes or [entry]  # there is a list now
    if helpers:  # last, because from here on the paths of init containers are others
        volumes = [] if placement.volumes else spec.get("volumes")
        operations += _helper_operations(spec, helpers, accesses, identity, around, volumes)
        changed += [helper["name"] for helper in helpers]
    return Mutation(tuple(operations), tuple(changed), tuple(warnings))


def _container_operations(
    path: str, container: Mapping[str, Any], variables: tuple[EnvVar, ...], access: Access
) -> list[Operation]:
    """What the container at `path` gets: variables before its own, its mount after its own."""
    operations: list[Operation] = []
    if variables:
        own = container.get("env")
        _check_unique("variable", "name", own, tuple(map(_variable_name, variables)))
        usual = is_usual(access.file) and is_usual(access.beside)
        build = _variables if usual else _variables.__wrapped__
        operations += build(path + "/env", variables, alone=own is None)
    if access.mount:
        mounts = container.get("volumeMounts")
        _check_unique("mount path", "mountPath", mounts, (access.mount.path,))
        operations.append(_appended(path + "/volumeMounts", mounts, mount_entry(access.mount)))
    return operations


def _helper_operations(
    spec: Mapping[str, Any],
    helpers: Sequence[dict[str, Any]],
    accesses: Sequence[Access],
    identity: Identity,
    around: Surroundings,
    volumes: list[Any] | None,
) -> Iterator[Operation]:
    """The helper containers, each with its variables and its mounts, and their volumes.

    accesses: theirs come first. volumes: the list as far as it matters whether there is one.
    """
    _check_unique("volume", "name", spec.get("volumes"), tuple(volume["name"] for volume in around.volumes))
    for volume in around.volumes:
        yield _appended("/spec/volumes", volumes, volume)
        volumes = []
    own = spec.get("initContainers")
    names = tuple(helper["name"] for helper in helpers)
    _check_unique("container", "name", [*(own or ()), *spec["containers"]], names)
    entries = [_helper(*each, identity, around) for each in zip(helpers, accesses, strict=False)]
    yield from _prepended("/spec/initContainers", entries, alone=own is None, place=around.place)


def _for_the_endpoint(
    variables: tuple[EnvVar, ...], container: Mapping[str, Any], warnings: list[Message]
) -> tuple[EnvVar, ...]:
    """What keeps requests for the token endpoint away from a proxy, for a container that gets its variables."""
    if not any(variable.name == IDENTITY_ENDPOINT_VARIABLE for variable in variables):
        return ()
    found = behind_proxy(container)
    if found.proxy:
        place = Place.of_container(container.get("name"))
        warnings.append(message(ENDPOINT_BEHIND_PROXY, place, variable=found.proxy))
    return found.added


def _helper(helper: dict[str, Any], access: Access, identity: Identity, around: Surroundings) -> dict[str, Any]:
    """A helper container as it is sent."""
    variables = helper_variables(identity, access.file, access.beside)
    names = {variable.name for variable in variables}
    environment: list[Mapping[str, Any]] = [variable.entry() for variable in variables]
    environment += [entry for entry in around.env if entry["name"] not in names]
    mounts = [*around.mounts, *([mount_entry(access.mount)] if access.mount else ())]
    sources = {"envFrom": list(around.env_from)} if around.env_from else {}
    return {**helper, "env": environment, **sources, "volumeMounts": mounts}


# Characters, more than all names and values have that do not depend on a path: six domains of 253 are the most of it.
_MOST_WITHOUT_PATHS = 3000


def _check_size(
    containers: Sequence[Mapping[str, Any]], accesses: Sequence[Access], identity: Identity, more: int
) -> None:
    """Raises TooMuchAdded before anything is built: a long path is repeated for each container."""
    # Four times, in three variables and the mount. This is enough for nearly every pod; only large ones are counted.
    bound = more
    for file, mount, beside in accesses:
        bound += _MOST_WITHOUT_PATHS + 4 * (len(file) + len(beside)) + (len(mount.volume) if mount else 0)
    if bound <= MAXIMUM_ADDED:
        return
    size = more
    for container, (file, mount, beside) in zip(containers, accesses, strict=True):
        size += sum(len(name) + len(value) for name, value, _ in missing(identity, container, file, beside).variables)
        size += len(mount.volume) + len(mount.path) if mount else 0
    if size > MAXIMUM_ADDED:
        raise TooMuchAdded(size, len(containers))


def apply(document: Mapping[str, Any], operations: Sequence[Operation]) -> dict[str, Any]:
    """`document` with `operations` applied, as RFC 6902 says; the parts that they do not touch are shared, not copied.

    Only what this module builds is understood: `add`, to a member or to a list on which no later path depends, without
    escapes in the path.
    """
    result: dict[str, Any] = dict(document)
    copies: dict[str, Any] = {"": result}
    parent, target = "", copies[""]
    for operation in operations:
        above, _, last = operation["path"].rpartition("/")
        if above != parent:  # most operations follow another on the same list
            parent, target = above, copies.get(above)
            if target is None:
                target = _copied(above, copies)
        if isinstance(target, dict):
            target[last] = operation["value"]
        elif last == "-":
            target.append(operation["value"])
        else:
            target.insert(int(last), operation["value"])
    return result


def _copied(path: str, copies: dict[str, Any]) -> Any:
    """The list or object at `path` to be changed: it and all above it are copied, once, and kept in `copies`."""
    parent, _, step = path.rpartition("/")
    above = copies.get(parent)
    if above is None:
        above = _copied(parent, copies)
    key = step if isinstance(above, dict) else int(step)
    copies[path] = above[key] = copied = above[key].copy()
    return copied


# Most containers need all the variables of an identity. Without this cache the guide's pod takes 5 us more of 38, and
# one with forty containers 200 us more of 520.
@lru_cache(maxsize=256)
def _variables(path: str, variables: tuple[EnvVar, ...], *, alone: bool) -> tuple[Operation, ...]:
    """Before the user's own, so that their $(VAR) references find ours."""
    return _prepended(path, [variable.entry() for variable in variables], alone=alone)


def _prepended(path: str, entries: list[dict[str, Any]], *, alone: bool, place: int = 0) -> tuple[Operation, ...]:
    """At the front of the list at `path`, or behind its first `place`; `alone` if the list does not exist yet."""
    if alone:
        return ({"op": "add", "path": path, "value": entries},) if entries else ()
    return tuple({"op": "add", "path": f"{path}/{index}", "value": entry} for index, entry in enumerate(entries, place))


def _appended(path: str, existing: list[Any] | None, entry: Mapping[str, Any]) -> Operation:
    if existing is None:
        return {"op": "add", "path": path, "value": [entry]}
    return {"op": "add", "path": path + "/-", "value": entry}


def _check_unique(what: str, key: str, existing: Sequence[Mapping[str, Any]] | None, added: Sequence[str]) -> None:
    """Raises UnsoundPatch if two entries of a list would have the same `key`. added: of the entries that are new.

    A patch that makes an invalid pod is refused whatever the failurePolicy, so it must never be sent. Duplicates that
    the pod already had are ignored; only duplicates caused by our additions are errors.
    """
    values = [entry.get(key) for entry in existing] if existing else []
    taken = set(values)
    if taken.isdisjoint(added) and len(set(added)) == len(added):
        return
    for value in added:
        values.append(value)
        if value in taken:
            raise UnsoundPatch(f"{what} {value!r} would be there {values.count(value)} times")
        taken.add(value)

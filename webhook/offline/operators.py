"""Objects whose pods an operator makes: they are decided in the cluster, and this says so.

A kind that is not known here is one if the object holds a pod template, names a ServiceAccount of the files, or has the
label or a setting of pods anywhere in it.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from webhook.core.messages import Message, manifests, message
from webhook.core.names import USE_LABEL
from webhook.core.workload_kinds import OPERATOR_KINDS, is_built_in, workload_kind
from webhook.documents.files import Manifest

_LABELS: Final = ("metadata", "labels")
_OF_PODS: Final = {"podTemplate", "podTemplateSpec", "podMetadata", "podLabels"}
_ACCOUNT: Final = {"serviceAccountName", "serviceAccount"}


def note(manifest: Manifest, accounts: Collection[str]) -> Message | None:
    """What to say of the pods of an operator's object; None if it has none. accounts: of the files, by name."""
    if is_built_in(manifest.group) or workload_kind(manifest.group, manifest.kind):
        return None
    if (manifest.group, manifest.kind) in OPERATOR_KINDS:
        return message(manifests.OPERATORS_PODS)
    for steps, value in inner_values(manifest.value):
        key = steps[-1]
        if key in _OF_PODS or key == USE_LABEL or _is_pod_spec(value) or (key in _ACCOUNT and value in accounts):
            return message(manifests.PERHAPS_PODS)
    return None


def hints(manifest: Manifest) -> Iterator[Message]:
    """A warning if the label is on the object alone, and the place of its pods' labels is another."""
    if not _has_label(manifest.value, _LABELS):
        return
    spec = manifest.value.get("spec")
    if isinstance(spec, dict) and "workloadRef" in spec:
        return  # a Rollout whose pods are those of a Deployment
    places = OPERATOR_KINDS.get((manifest.group, manifest.kind)) or tuple(
        (*steps, *_LABELS) for steps in templates(manifest.value)
    )
    reached = any(steps[-1] == USE_LABEL and steps[:-1] != _LABELS for steps, _ in inner_values(manifest.value))
    if places and _LABELS not in places and not reached:
        place = manifest.place(*_LABELS, USE_LABEL)
        wanted = " and ".join(".".join(steps) for steps in places)
        yield message(manifests.LABEL_ON_WORKLOAD, place, label=USE_LABEL, wanted=wanted)


def templates(value: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The place of each pod template in an object, as far as no list is on the way."""
    for steps, inner in inner_values(value):
        named = tuple(step for step in steps if isinstance(step, str))
        if named == steps and len(steps) > 1 and steps[-1] == "spec" and _is_pod_spec(inner):
            yield named[:-1]


def _is_pod_spec(value: Any) -> bool:
    containers = value.get("containers") if isinstance(value, dict) else None
    return isinstance(containers, list) and any(isinstance(each, dict) and "name" in each for each in containers)


def _has_label(value: Any, steps: tuple[str, ...]) -> bool:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return isinstance(value, dict) and USE_LABEL in value


def inner_values(value: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value in `value`, with the way to it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*steps, key), inner
        yield from inner_values(inner, (*steps, key))

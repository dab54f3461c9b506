"""Labels and annotations in a file. kube-apiserver accepts only text, and reads null as empty text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from webhook.core.messages import Message, Place, manifests, message

if TYPE_CHECKING:
    from webhook.documents.files import Manifest

_GROUPS: Final = ("labels", "annotations")
_TYPES: Final[Mapping[type, str]] = {bool: "boolean", int: "number", float: "number", list: "list"}


def with_texts(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """`metadata` with "" for each null in labels and annotations."""
    result = dict(metadata)
    for group in _GROUPS:
        if isinstance(result.get(group), dict):
            result[group] = texts(result[group])
    return result


def texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with "" for each null."""
    return {key: "" if value is None else value for key, value in values.items()}


def problems(manifest: Manifest, *steps: str) -> Iterator[Message]:
    """The labels and annotations of the metadata at `steps` that are not text: most often, the quotes are missing."""
    metadata: Any = manifest.value
    for step in steps:
        metadata = metadata.get(step) if isinstance(metadata, dict) else None
    for group in _GROUPS:
        values = metadata.get(group) if isinstance(metadata, dict) else None
        for key, value in values.items() if isinstance(values, dict) else ():
            if value is not None and not isinstance(value, str):
                yield problem(manifest.place(*steps, group, key), group.removesuffix("s"), key, value)


def problem(place: Place, what: str, key: str, value: object) -> Message:
    """What is wrong with a label or annotation whose value is not text. what: `label` or `annotation`."""
    written = str(value).lower() if isinstance(value, bool) else value
    kind = manifests.NOT_IN_QUOTES if isinstance(value, bool | int | float) else manifests.NOT_TEXT
    return message(kind, place, what=what, key=key, type=_TYPES.get(type(value), "object"), value=written)

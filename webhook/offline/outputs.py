"""The result as YAML, JSON, JSON Patch or diff."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jsonpatch

from webhook.core.messages import Message, Place, manifests, message
from webhook.core.mutation import Operation, UnsoundPatch, apply
from webhook.documents import blocks
from webhook.documents.files import SourceFile, items
from webhook.offline.diffs import Edit, apply_edits, unified
from webhook.offline.splice import NoPlace, splice
from webhook.offline.workloads import Result, below

_MARKED: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*(---|%)")


@dataclass(frozen=True)
class Output:
    """What is printed, and warnings about it."""

    text: str
    warnings: tuple[Message, ...] = ()


def as_yaml(sources: Sequence[SourceFile], results: Sequence[Result]) -> Output:
    """Each document as it was, with the additions; JSON becomes YAML."""
    warnings: list[Message] = []
    text = ""
    for source in sources:
        piece = apply_edits(source.text, _edits(source, results, warnings))
        marked = _MARKED.match(piece.replace("\r\n", "\n"))
        if text and not (marked and marked[1] == "---"):
            text += "...\n" if marked else "---\n"
        text += piece
    return Output(text, tuple(warnings))


def as_json(sources: Sequence[SourceFile], results: Sequence[Result]) -> Output:
    """The object, or one List of all objects; the items of a List among them become items of that one."""
    documents = [value for source in sources for value in _patched(source, results) if value is not None]
    if len(documents) == 1:
        return Output(_json(documents[0]))
    every = [item for document in documents for item in _flat(document)]
    return Output(_json({"apiVersion": "v1", "kind": "List", "items": every}))


def as_patch(sources: Sequence[SourceFile], results: Sequence[Result]) -> Output:
    """The JSON Patch of the only object with pods. If there are several, a line of JSON each, even without a change."""
    found = [result for result in results if result.has_template]
    if len(found) == 1:
        return Output(_json(found[0].operations))
    lines = [
        {
            "kind": result.manifest.kind,
            "namespace": result.namespace,
            "name": result.manifest.name,
            "patch": result.operations,
        }
        for result in found
    ]
    return Output("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def as_diff(sources: Sequence[SourceFile], results: Sequence[Result]) -> Output:
    """What `-o yaml` would change in each file, as a unified diff; JSON is compared as YAML."""
    warnings: list[Message] = []
    text = "".join(unified(each.name, each.text, _edits(each, results, warnings)) for each in sources)
    return Output(text, tuple(warnings))


FORMATS: Final[Mapping[str, Callable[[Sequence[SourceFile], Sequence[Result]], Output]]] = {
    "yaml": as_yaml,
    "json": as_json,
    "patch": as_patch,
    "diff": as_diff,
}


def _patched(source: SourceFile, results: Sequence[Result]) -> list[Any]:
    """The values of a file's documents after all their patches; without a patch, the document's own value.

    All unchanged parts are the original's own objects: `splice` finds their place in the text by identity. Raises
    UnsoundPatch if jsonpatch reads the same patch differently.
    """
    values = []
    for index, document in enumerate(source.documents):
        operations = [
            below("".join(f"/{step}" for step in result.manifest.steps), operation)
            for result in results
            if result.manifest.source is source and result.manifest.document == index
            for operation in result.operations
        ]
        value = apply(document.value, operations) if operations else document.value
        if operations and json.dumps(value) != json.dumps(_by_jsonpatch(document.value, operations)):
            raise UnsoundPatch(f"{source.name}: jsonpatch reads the patch differently")
        values.append(value)
    return values


def _by_jsonpatch(value: Any, operations: Sequence[Operation]) -> Any:
    """As kube-apiserver gets it, through JSON: two YAML aliases of one thing become two things."""
    return jsonpatch.apply_patch(json.loads(json.dumps(value)), operations, in_place=True)


def _edits(source: SourceFile, results: Sequence[Result], warnings: list[Message]) -> list[Edit]:
    values = _patched(source, results)
    try:
        return splice(source.text, source.documents, values)
    except NoPlace:
        warnings.append(message(manifests.WRITTEN_ANEW, Place(source.name)))
        return [Edit(0, len(source.text), blocks.stream(values))]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _flat(value: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    held = items(value)
    if held is None:
        yield value
    else:
        for item in held:
            yield from _flat(item)

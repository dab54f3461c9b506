"""The result as YAML, JSON, JSON Patch or diff."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jsonpatch

from webhook.core.mutation import Operation, UnsoundPatch, apply
from webhook.documents import blocks
from webhook.documents.files import Source, items
from webhook.offline.diffs import Edit, edited, unified
from webhook.offline.splice import NoPlace, splice
from webhook.offline.workloads import Result, moved

_MARKED: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*(---|%)")


@dataclass(frozen=True)
class Output:
    """What is printed, and what to say of it beside."""

    text: str
    warnings: tuple[str, ...] = ()


def as_yaml(sources: Sequence[Source], results: Sequence[Result]) -> Output:
    """Every document as it came, with the additions in it; JSON becomes YAML."""
    warnings: list[str] = []
    text = ""
    for source in sources:
        piece = edited(source.text, _edits(source, results, warnings))
        marked = _MARKED.match(piece.replace("\r\n", "\n"))
        if text and not (marked and marked[1] == "---"):
            text += "...\n" if marked else "---\n"
        text += piece
    return Output(text, tuple(warnings))


def as_json(sources: Sequence[Source], results: Sequence[Result]) -> Output:
    """The object, or a List of all of them; what a List among them holds is held by the one printed."""
    documents = [value for source in sources for value in _patched(source, results) if value is not None]
    if len(documents) == 1:
        return Output(_json(documents[0]))
    every = [item for document in documents for item in _flat(document)]
    return Output(_json({"apiVersion": "v1", "kind": "List", "items": every}))


def as_patch(sources: Sequence[Source], results: Sequence[Result]) -> Output:
    """The JSON Patch of the one object that holds a pod; of several, a line of JSON each, those unchanged included."""
    found = [result for result in results if result.has_pods]
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


def as_diff(sources: Sequence[Source], results: Sequence[Result]) -> Output:
    """What `-o yaml` would change in each file, as a unified diff; JSON is compared as YAML."""
    warnings: list[str] = []
    text = "".join(unified(each.name, each.text, _edits(each, results, warnings)) for each in sources)
    return Output(text, tuple(warnings))


FORMATS: Final[Mapping[str, Callable[[Sequence[Source], Sequence[Result]], Output]]] = {
    "yaml": as_yaml,
    "json": as_json,
    "patch": as_patch,
    "diff": as_diff,
}


def _patched(source: Source, results: Sequence[Result]) -> list[Any]:
    """The values of a source's documents after all their patches; an unchanged one is the document's own value.

    What is printed shares all that was not touched with the original, by which its place in the text is found; and it
    is what jsonpatch makes of the same patch. Raises UnsoundPatch when it is not.
    """
    values = []
    for index, document in enumerate(source.documents):
        operations = [
            moved(operation, "".join(f"/{step}" for step in result.manifest.steps))
            for result in results
            if result.manifest.source is source and result.manifest.document == index
            for operation in result.operations
        ]
        value = apply(document.value, operations) if operations else document.value
        if operations and json.dumps(value) != json.dumps(_by_jsonpatch(document.value, operations)):
            raise UnsoundPatch(f"{source.name}: the patch means something else to jsonpatch than to us")
        values.append(value)
    return values


def _by_jsonpatch(value: Any, operations: Sequence[Operation]) -> Any:
    """By way of JSON, as kube-apiserver gets it: there, what two YAML aliases share is two things."""
    return jsonpatch.apply_patch(json.loads(json.dumps(value)), operations, in_place=True)


def _edits(source: Source, results: Sequence[Result], warnings: list[str]) -> list[Edit]:
    values = _patched(source, results)
    try:
        return splice(source.text, source.documents, values)
    except NoPlace:
        warnings.append(f"{source.name}: written anew, without its comments: no place was found for the additions")
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

"""Files, folders and standard input: the objects in them, and everything that is wrong with them at once.

A text that starts with { is tried as JSON first, one value after the other, as kubectl tries it; anything else is YAML.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from webhook.documents import blocks
from webhook.documents.nodes import Document, NoYAML, parse
from webhook.documents.scalars import number

STANDARD_INPUT: Final = "-"
_SUFFIXES: Final = (".yaml", ".yml", ".json")
_JSON_VALUE: Final = re.compile(r"[^ \t\r\n]")


@dataclass(frozen=True)
class Source:
    """A file that was read.

    text: YAML, without a byte order mark, each line ended. json: whether that was made of JSON, so that no place in it
    is one in the file. repeated: each key that stands twice in one object, and where.
    """

    name: str
    text: str
    documents: tuple[Document, ...]
    repeated: tuple[tuple[str, str], ...]
    json: bool = False


@dataclass(frozen=True)
class Manifest:
    """An object of Kubernetes: which document it stands in and, within a List, where. Both count from 0."""

    source: Source
    document: int
    steps: tuple[str | int, ...]
    value: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.value["kind"])

    @property
    def group(self) -> str:
        """The group of its apiVersion: "" for the core."""
        return str(self.value["apiVersion"]).rpartition("/")[0]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its metadata, as far as it is an object."""
        metadata = self.value.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def name(self) -> str:
        """Its name, or its generateName followed by an asterisk."""
        return str(self.metadata.get("name") or f"{self.metadata.get('generateName') or ''}*")

    def namespace(self, default: str) -> str:
        """Its namespace, or `default`."""
        return str(self.metadata.get("namespace") or default)

    def place(self, *steps: str | int) -> str:
        """Where a part of it stands: FILE:LINE:COLUMN, or only FILE for JSON."""
        node = self.source.documents[self.document].find((*self.steps, *steps))
        return (
            f"{self.source.name}:{node.line + 1}:{node.column + 1}"
            if node and not self.source.json
            else self.source.name
        )


@dataclass(frozen=True)
class Reading:
    """What was read. problems and warnings have a line each; with a problem, the rest is worth nothing."""

    sources: tuple[Source, ...]
    manifests: tuple[Manifest, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def read(paths: Sequence[str], stdin: BinaryIO) -> Reading:
    """The objects in files and in folders (their *.yaml, *.yml and *.json, not those below); "-" is `stdin`."""
    problems: list[str] = []
    sources: list[Source] = []
    warnings: list[str] = []
    manifests: list[Manifest] = []
    for name, data in _files(paths, stdin, problems):
        source = _source(name, data, problems)
        if source is None:
            continue
        sources.append(source)
        warnings += [
            f'{place}: warning: "{key}" is there twice: the last one counts, as for kubectl'
            for place, key in source.repeated
        ]
        for index, document in enumerate(source.documents):
            manifests += _manifests(source, index, (), document.value, problems)
    if paths and not problems and not any(document.value for source in sources for document in source.documents):
        problems.append(f"{', '.join(paths)}: there is no object in it")
    return Reading(tuple(sources), tuple(manifests), tuple(problems), tuple(warnings))


def items(value: Mapping[str, Any]) -> list[Any] | None:
    """What a list of objects holds, None for any other object. A PodList's pods need not say that they are pods."""
    kind, held = str(value["kind"]), value.get("items")
    if not kind.endswith("List") or not isinstance(held, list):
        return None
    implied = {"apiVersion": value["apiVersion"], "kind": kind.removesuffix("List")}
    return [{**implied, **item} if implied["kind"] and isinstance(item, dict) else item for item in held]


def _files(paths: Sequence[str], stdin: BinaryIO, problems: list[str]) -> Iterator[tuple[str, bytes]]:
    if paths.count(STANDARD_INPUT) > 1:
        problems.append("-f -: standard input can be read only once")
        paths = [path for path in paths if path != STANDARD_INPUT]
    for path in paths:
        if path == STANDARD_INPUT:
            yield "<stdin>", stdin.read()
            continue
        try:
            files = [Path(path)]
            if files[0].is_dir():
                files = sorted(file for file in files[0].iterdir() if file.suffix in _SUFFIXES and file.is_file())
                if not files:
                    problems.append(f"{path}: there is no {', '.join(_SUFFIXES)} in it")
            for file in files:
                yield str(file), file.read_bytes()
        except (OSError, ValueError) as error:
            problems.append(f"{path}: {getattr(error, 'strerror', None) or error}")


def _source(name: str, data: bytes, problems: list[str]) -> Source | None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = ", but UTF-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else ""
        line = data.count(b"\n", 0, error.start) + 1
        problems.append(f"{name}:{line}: no UTF-8{hint}")
        return None
    problem = ""
    if text.lstrip().startswith("{"):
        try:
            return _json_source(name, text)
        except json.JSONDecodeError as error:
            problem = f"{name}:{error.lineno}:{error.colno}: no JSON: {error.msg}"
        except (RecursionError, NoYAML) as error:
            problem = f"{name}: no JSON that YAML could say: {error}"
    # kubectl, too, ends every line before it parses.
    if not text.endswith("\n"):
        text += "\n"
    try:
        documents = tuple(parse(text))
        repeated = tuple((f"{name}:{line}:{column}", key) for each in documents for key, line, column in each.repeated)
        return Source(name, text, documents, repeated)
    except NoYAML as error:
        if not problem or "{{" in str(error) or text.lstrip().startswith("{{"):
            problem = f"{name}:{error.line}:{error.column}: no YAML: {error}"
        problems.append(problem)
        return None


def _json_source(name: str, text: str) -> Source:
    repeated: list[tuple[str, str]] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                repeated.append((name, ascii(key)[1:-1]))
            found[key] = value
        return found

    def constant(word: str) -> None:
        raise json.JSONDecodeError(f"{word} is no value", text, text.find(word))

    decoder = json.JSONDecoder(
        object_pairs_hook=members, parse_constant=constant, parse_float=lambda digits: number(float(digits))
    )
    values = []
    position = 0
    while start := _JSON_VALUE.search(text, position):
        value, position = decoder.raw_decode(text, start.start())
        values.append(value)
    written = blocks.stream(values)
    return Source(name, written, tuple(parse(written)), tuple(repeated), json=True)


def _manifests(
    source: Source, document: int, steps: tuple[str | int, ...], value: Any, problems: list[str]
) -> Iterator[Manifest]:
    if value is None and not steps:
        return  # an empty document
    manifest = Manifest(source, document, steps, value if isinstance(value, dict) else {})
    missing = [key for key in ("apiVersion", "kind") if not isinstance(manifest.value.get(key), str)]
    if missing:
        expected = f"{' and '.join(missing)} missing" if isinstance(value, dict) else "expected apiVersion and kind"
        problems.append(f"{manifest.place()}: no object of Kubernetes: {expected}")
        return
    held = items(manifest.value)
    if held is None:
        yield manifest
    else:
        for index, item in enumerate(held):
            yield from _manifests(source, document, (*steps, "items", index), item, problems)

"""Files, folders and standard input: the objects in them, and all that is wrong with them at once.

As for kubectl, a text that starts with { is tried as JSON first, one value after the other. Any other text is YAML.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final

from webhook.core.messages import Message, Place, manifests, message
from webhook.documents import blocks
from webhook.documents.json_places import json_documents
from webhook.documents.nodes import MOST_DOCUMENTS, NotYaml, YamlDocument, YamlNode, YamlScalar, parse
from webhook.documents.scalars import number

STANDARD_INPUT: Final = "-"
_SUFFIXES: Final = (".yaml", ".yml", ".json")
_JSON_VALUE: Final = re.compile(r"[^ \t\r\n]")


@dataclass(frozen=True)
class SourceFile:
    """A file that was read.

    text: YAML without a byte order mark; each line ends with a line break. json: the text that it was made of, if the
    file is JSON. repeated: each key that an object has twice, after its place.
    """

    name: str
    text: str
    documents: tuple[YamlDocument, ...]
    repeated: tuple[tuple[Place, str], ...]
    json: str = ""

    @property
    def written(self) -> str:
        """The text as it is in the file."""
        return self.json or self.text

    @cached_property
    def places(self) -> Sequence[YamlDocument]:
        """The documents with the places in the file."""
        return json_documents(self.json) if self.json else self.documents


@dataclass(frozen=True, eq=False)
class FilePlace(Place):
    """A place in a file, equal to a Place that reads the same.

    line, column: from 1, or 0 for the file as a whole. end: line and column behind what stands there, if known.
    """

    file: str = ""
    line: int = 0
    column: int = 0
    end: tuple[int, int] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self._read() == (other.object, other.annotation, other.field)

    def __hash__(self) -> int:
        return hash(self._read())

    def _read(self) -> tuple[str, str, str]:
        return self.object, self.annotation, self.field


@dataclass(frozen=True)
class Manifest:
    """A Kubernetes object: its document and, within a List, the path to it. Documents count from 0."""

    source: SourceFile
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
        """Its metadata; empty if that is not an object."""
        metadata = self.value.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def name(self) -> str:
        """Its name, or its generateName followed by an asterisk."""
        return str(self.metadata.get("name") or f"{self.metadata.get('generateName') or ''}*")

    def namespace(self, default: str) -> str:
        """Its namespace, or `default`."""
        return str(self.metadata.get("namespace") or default)

    def place(self, *steps: str | int) -> FilePlace:
        """The place of one of its parts: FILE:LINE:COLUMN."""
        _, node = self.source.places[self.document].find_entry((*self.steps, *steps))
        return self._at(node)

    def key_place(self, *steps: str | int) -> FilePlace:
        """The place of the key of one of its parts, or, if that is a single value, of the value."""
        key, node = self.source.places[self.document].find_entry((*self.steps, *steps))
        single = isinstance(node, YamlScalar) and node.end > node.start
        return self._at(node if key is None or single else key)

    def _at(self, node: YamlNode | None) -> FilePlace:
        name = self.source.name
        if node is None:
            return FilePlace(name, file=name)
        found = _place(name, node.line + 1, node.column + 1)
        if not isinstance(node, YamlScalar):
            return found
        breaks = self.source.written.count("\n", node.start, node.end)
        begins = self.source.written.rfind("\n", 0, node.end) + 1
        return replace(found, end=(found.line + breaks, node.end - begins + 1))


@dataclass(frozen=True)
class ManifestFiles:
    """What was read. If there are problems, the rest is incomplete and not to be used."""

    sources: tuple[SourceFile, ...]
    manifests: tuple[Manifest, ...]
    problems: tuple[Message, ...]
    warnings: tuple[Message, ...]


class BadFile(Exception):
    """A file that cannot be read, or whose text is not what it should be."""

    def __init__(self, problem: Message) -> None:
        self.problem = problem
        super().__init__(str(problem))


def read_manifests(paths: Sequence[str], stdin: BinaryIO | None = None) -> ManifestFiles:
    """The objects in files and folders: a folder's *.yaml, *.yml and *.json, not those of its folders.

    "-" is standard input if `stdin` is given.
    """
    problems: list[Message] = []
    return _read(_files(paths, stdin, problems), problems, ", ".join(paths))


def manifests_in(name: str, data: bytes) -> ManifestFiles:
    """The objects in a text that came some other way. name: what its places begin with."""
    return _read([(name, data)], [], name)


def _read(files: Iterable[tuple[str, bytes]], problems: list[Message], names: str) -> ManifestFiles:
    """problems: grows while `files` is read. names: of all that was asked for."""
    sources: list[SourceFile] = []
    found: list[Manifest] = []
    for name, data in files:
        try:
            source = source_of(name, data)
        except BadFile as error:
            problems.append(error.problem)
            continue
        sources.append(source)
        for index in range(len(source.documents)):
            found += objects(source, index, problems)
    if names and not problems and not any(document.value for source in sources for document in source.documents):
        problems.append(message(manifests.NO_OBJECT, Place(names)))
    warnings = [message(manifests.KEY_REPEATED, place, key=key) for source in sources for place, key in source.repeated]
    return ManifestFiles(tuple(sources), tuple(found), tuple(problems), tuple(warnings))


def source_of(name: str, data: bytes) -> SourceFile:
    """The file with this content. Raises BadFile."""
    return _source(name, decode(name, data))


def objects(source: SourceFile, document: int, problems: list[Message]) -> Iterator[Manifest]:
    """The objects in one document of a file. problems: grows by what is wrong with them."""
    return _manifests(source, document, (), source.documents[document].value, problems)


def read_file(path: Path) -> bytes:
    """The content of a file. Raises BadFile."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise BadFile(_unreadable(path, error)) from None


_MARK: Final = 4  # characters among which UTF-16 and UTF-32 have a zero, if the text begins in ASCII
_MARK_OF_DOCUMENT: Final = re.compile(r"^(---[ \t]*\r?\n)\ufeff", re.MULTILINE)


def decode(name: str, data: bytes) -> str:
    """`data` as text, without byte order marks, the last line ended. Raises BadFile.

    UTF-8, or UTF-16 with its mark, which Windows PowerShell writes; kubectl reads both. Each document may have a mark.
    """
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        if is_utf16:
            raise BadFile(message(manifests.UTF16, FilePlace(name, file=name))) from None
        raise _not_utf8(name, data.count(b"\n", 0, error.start) + 1) from None
    if "\0" in text[:_MARK]:  # UTF-32, or UTF-16 without its mark
        raise _not_utf8(name, 1)
    text = _MARK_OF_DOCUMENT.sub(r"\1", text)  # kubectl, too, ends every line before it parses
    return text if text.endswith("\n") else text + "\n"


def _not_utf8(name: str, line: int) -> BadFile:
    return BadFile(message(manifests.NOT_UTF8, FilePlace(f"{name}:{line}", file=name, line=line)))


def parse_yaml(name: str, text: str) -> tuple[YamlDocument, ...]:
    """The documents of a YAML text. Raises BadFile."""
    try:
        return tuple(parse(text))
    except NotYaml as error:
        kind = manifests.TEMPLATE if error.template else manifests.NOT_YAML
        raise BadFile(message(kind, _place(name, error.line, error.column), reason=str(error))) from None


def items(value: Mapping[str, Any]) -> list[Any] | None:
    """The items of a list of objects, None for any other object. A PodList's items need not have a kind."""
    kind, held = str(value["kind"]), value.get("items")
    if not kind.endswith("List") or not isinstance(held, list):
        return None
    implied = {"apiVersion": value["apiVersion"], "kind": kind.removesuffix("List")}
    return [{**implied, **item} if implied["kind"] and isinstance(item, dict) else item for item in held]


def _files(paths: Sequence[str], stdin: BinaryIO | None, problems: list[Message]) -> Iterator[tuple[str, bytes]]:
    times = paths.count(STANDARD_INPUT)
    if stdin and times > 1:
        problems.append(message(manifests.STANDARD_INPUT_TWICE, times=times))
    for path in paths:
        if stdin and path == STANDARD_INPUT:
            if times == 1:
                yield "<stdin>", stdin.read()
            continue
        for file in _files_of(Path(path), problems):
            try:
                yield str(file), read_file(file)
            except BadFile as error:
                problems.append(error.problem)


def _files_of(path: Path, problems: list[Message]) -> list[Path]:
    """The file itself, or those of a folder in the order of their names."""
    try:
        if not path.is_dir():
            return [path]
        files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
    except (OSError, ValueError) as error:
        problems.append(_unreadable(path, error))
        return []
    if not files:
        problems.append(message(manifests.FOLDER_EMPTY, Place(str(path)), suffixes=", ".join(_SUFFIXES)))
    return files


def _source(name: str, text: str) -> SourceFile:
    problem: Message | None = None
    if text.lstrip().startswith("{"):
        try:
            return _json_source(name, text)
        except json.JSONDecodeError as error:
            problem = message(manifests.NOT_JSON, _place(name, error.lineno, error.colno), reason=error.msg)
        except (RecursionError, NotYaml) as error:
            problem = message(manifests.JSON_TOO_DEEP, FilePlace(name, file=name), reason=str(error))
    try:
        documents = parse_yaml(name, text)
    except BadFile as error:
        template = error.problem.kind is manifests.TEMPLATE or text.lstrip().startswith("{{")
        if problem is None or template:
            raise
        raise BadFile(problem) from None
    return SourceFile(name, text, documents, _repeated(name, documents))


def _repeated(name: str, documents: Sequence[YamlDocument]) -> tuple[tuple[Place, str], ...]:
    return tuple((_place(name, line, column), key) for each in documents for key, line, column in each.repeated)


def _json_source(name: str, text: str) -> SourceFile:
    repeated = False

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        found = dict(pairs)
        repeated = repeated or len(found) < len(pairs)
        return found

    def constant(word: str) -> None:
        raise json.JSONDecodeError(f"{word} is not a value of JSON", text, text.find(word))

    decoder = json.JSONDecoder(
        object_pairs_hook=members, parse_constant=constant, parse_float=lambda digits: number(float(digits))
    )
    values = []
    position = 0
    while start := _JSON_VALUE.search(text, position):
        value, position = decoder.raw_decode(text, start.start())
        values.append(value)
        if len(values) > MOST_DOCUMENTS:
            raise NotYaml(f"more than {MOST_DOCUMENTS} documents", 1, 1)
    written = blocks.stream(values)
    documents = tuple(parse(written))
    return SourceFile(name, written, documents, _repeated(name, json_documents(text) if repeated else ()), json=text)


def _manifests(
    source: SourceFile, document: int, steps: tuple[str | int, ...], value: Any, problems: list[Message]
) -> Iterator[Manifest]:
    if value is None and not steps:
        return  # an empty document
    manifest = Manifest(source, document, steps, value if isinstance(value, dict) else {})
    missing = [key for key in ("apiVersion", "kind") if not isinstance(manifest.value.get(key), str)]
    if not isinstance(value, dict):
        problems.append(message(manifests.NOT_AN_OBJECT, manifest.place()))
        return
    if missing:
        problems.append(message(manifests.KIND_MISSING, manifest.place(), missing=" and ".join(missing)))
        return
    held = items(manifest.value)
    if held is None:
        yield manifest
    else:
        for index, item in enumerate(held):
            yield from _manifests(source, document, (*steps, "items", index), item, problems)


def _place(name: str, line: int, column: int) -> FilePlace:
    return FilePlace(f"{name}:{line}:{column}", file=name, line=line, column=column)


def _unreadable(path: Path, error: OSError | ValueError) -> Message:
    reason = getattr(error, "strerror", None) or str(error)
    return message(manifests.FILE_UNREADABLE, Place(str(path)), reason=reason)

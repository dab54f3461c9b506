"""YAML: the values that kubectl would read from a text, and the position of each.

The parser is libyaml. kubectl's parser is a translation of it, so both accept the same texts. Only its events are used;
what they mean follows kubectl's library. If a key is repeated, the last one counts. If a merge (`<<`) and a key differ,
the one that stands last counts.
"""

import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from webhook.documents.scalars import BadScalar, key_text, resolve

# No object of Kubernetes is nested nearly as deep. The limit keeps a hostile file from exhausting Python's stack.
_DEEPEST: Final = 200
# Values of a text, its aliases followed: a list of 3,000 pods. Each takes 4 µs and 250 bytes as YAML, 9 µs and 450
# bytes as JSON, so the largest text takes 9 s and half a gigabyte. kubectl has a limit for aliases, too.
_LARGEST: Final = 1_000_000
MOST_DOCUMENTS: Final = 10_000
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_FENCE: Final = "```"
_INDENTED_MARK: Final = re.compile(r" +---\s*")
_LIKE_A_SPACE: Final = re.compile("[ ]*(?:- *)?([\u00a0\u2000-\u200b\u202f\u205f\u3000])")
"""What a web page or a chat shows as a space."""


class NotYaml(Exception):
    """kubectl would not accept the text as YAML; the message is the reason.

    line, column: where, from 1. template: whether that line has {{, so it has to be rendered first.
    """

    def __init__(self, reason: str, line: int, column: int, *, template: bool = False) -> None:
        self.line, self.column, self.template = line, column, template
        super().__init__(reason)


@dataclass(eq=False, kw_only=True, slots=True)
class YamlNode:
    """A part of the text, from `start` to the end of its last word, `end`. `line` and `column` count from 0.

    size: how many values it has, its aliases followed. flow: it stands inside [] or {}, or is one of them.
    """

    start: int
    end: int
    line: int
    column: int
    value: Any
    size: int = 1
    flow: bool
    anchored: bool = False


@dataclass(eq=False, kw_only=True, slots=True)
class YamlScalar(YamlNode):
    """A single value. block: it is written below a | or a >."""

    block: bool = False


@dataclass(eq=False, kw_only=True, slots=True)
class YamlSequence(YamlNode):
    """A list."""

    nodes: list[YamlNode] = field(default_factory=list)


@dataclass(eq=False, kw_only=True, slots=True)
class YamlMapping(YamlNode):
    """An object: its keys and values in order, with repeated keys and merges."""

    entries: list[tuple[YamlNode, YamlNode]] = field(default_factory=list)

    def entry(self, key: Any) -> tuple[YamlNode, YamlNode] | None:
        """The last entry with `key`; None if the key is missing or comes from a merge."""
        for node, value in reversed(self.entries):
            if not _is_merge(node) and key_text(node.value) == key:
                return node, value
        return None


@dataclass(eq=False, kw_only=True, slots=True)
class YamlAlias(YamlNode):
    """`*name`. column_of_key: the column of the key that it is the value of; None in a list."""

    target: YamlNode
    column_of_key: int | None


@dataclass(frozen=True)
class YamlDocument:
    """One document of a text. repeated: each key that an object has twice, with line and column from 1."""

    root: YamlNode | None
    value: Any
    aliases: Sequence[YamlAlias] = ()
    repeated: Sequence[tuple[str, int, int]] = ()

    def find(self, steps: Sequence[str | int]) -> YamlNode | None:
        """The node at a path, or the nearest one above it if a merge brought it. None for an empty document."""
        return self.find_entry(steps)[1]

    def find_entry(self, steps: Sequence[str | int]) -> tuple[YamlNode | None, YamlNode | None]:
        """The same, after its key; the key is None for the document itself and in a list."""
        key: YamlNode | None = None
        node = self.root
        for step in steps:
            inner = node.target if isinstance(node, YamlAlias) else node
            if isinstance(inner, YamlMapping) and (entry := inner.entry(step)):
                key, node = entry
            elif isinstance(inner, YamlSequence) and isinstance(step, int) and step < len(inner.nodes):
                key, node = None, inner.nodes[step]
            else:
                return key, inner
        return key, node


def parse(text: str) -> list[YamlDocument]:
    """The documents of `text`, with empty ones. Raises NotYaml."""
    try:
        return list(_documents(yaml.parse(text, Loader=_LOADER)))
    except NotYaml as error:
        raise _explain(str(error), text, error.line - 1, error.column - 1) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        raise _explain(error.problem or "the parser gives no reason", text, line, column) from None
    except yaml.reader.ReaderError as error:
        before = text.encode("utf-8", "replace")[: error.position].decode("utf-8", "ignore")
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
        raise NotYaml(f"{error.reason} (U+{_code_point(error.character):04X})", line + 1, column + 1) from None


def _documents(events: Iterator[Any]) -> Iterator[YamlDocument]:
    """Of a whole text, so that many documents cannot be larger together than one of them."""
    number = size = 0
    for event in events:
        if not isinstance(event, yaml.DocumentStartEvent):
            continue
        document = _Composer(events).document()
        number += 1
        size += document.root.size if document.root else 0
        if number > MOST_DOCUMENTS:
            raise _at(event.start_mark, f"more than {MOST_DOCUMENTS} documents")
        if size > _LARGEST:
            raise _at(event.start_mark, f"more than {_LARGEST} values")
        yield document


def _code_point(character: str | bytes | int) -> int:
    """The number of a character. PyYAML's two parsers give it in different types."""
    return character if isinstance(character, int) else ord(character)


class _Composer:
    """Makes one document from the events after its start."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, YamlNode | None] = {}
        self._aliases: list[YamlAlias] = []
        self._repeated: list[tuple[str, int, int]] = []

    def document(self) -> YamlDocument:
        root = self._node(next(self._events), 0, flow=False)
        next(self._events)
        return YamlDocument(root, root.value, tuple(self._aliases), tuple(self._repeated))

    def _node(self, event: Any, depth: int, *, flow: bool, column_of_key: int | None = None) -> YamlNode:
        start = event.start_mark
        at: dict[str, Any] = {"start": start.index, "line": start.line, "column": start.column}
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, at, flow=flow, column_of_key=column_of_key)
        name = sys.intern(event.anchor) if event.anchor else None
        if name:
            self._anchors[name] = None
        node: YamlNode
        if isinstance(event, yaml.ScalarEvent):
            try:
                value = resolve(event.value, event.tag, plain=event.implicit[0])
            except BadScalar as error:
                raise _at(start, str(error)) from None
            node = YamlScalar(**at, end=_end(event), value=value, flow=flow, block=event.style in ("|", ">"))
        elif depth == _DEEPEST:
            raise _at(start, f"nested deeper than {_DEEPEST} levels")
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(event, at, depth, flow=flow or bool(event.flow_style))
        else:
            node = self._mapping(event, at, depth, flow=flow or bool(event.flow_style))
        if node.size > _LARGEST:
            raise _at(start, "excessive aliasing")
        if name:
            node.anchored = True
            self._anchors[name] = node
        return node

    def _alias(self, event: Any, at: dict[str, Any], *, flow: bool, column_of_key: int | None) -> YamlAlias:
        target = self._anchors.get(event.anchor)
        if target is None:
            reason = "contains itself" if event.anchor in self._anchors else "does not exist"
            raise _at(event.start_mark, f"anchor {event.anchor} {reason}")
        alias = YamlAlias(
            **at,
            end=_end(event),
            value=target.value,
            size=target.size,
            flow=flow,
            target=target,
            column_of_key=column_of_key,
        )
        self._aliases.append(alias)
        return alias

    def _sequence(self, start: Any, at: dict[str, Any], depth: int, *, flow: bool) -> YamlSequence:
        node = YamlSequence(**at, end=at["start"], value=[], flow=flow)
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                node.end = _end(event) if start.flow_style else node.nodes[-1].end
                break
            child = self._node(event, depth + 1, flow=flow)
            node.nodes.append(child)
            node.value.append(child.value)
            node.size += child.size
        return node

    def _mapping(self, start: Any, at: dict[str, Any], depth: int, *, flow: bool) -> YamlMapping:
        node = YamlMapping(**at, end=at["start"], value={}, flow=flow)
        explicit: set[str] = set()
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                node.end = _end(event) if start.flow_style else node.entries[-1][1].end
                break
            key = self._node(event, depth + 1, flow=flow)
            value = self._node(next(self._events), depth + 1, flow=flow, column_of_key=key.column)
            node.entries.append((key, value))
            node.size += value.size
            if _is_merge(key):
                _merge(value, node.value)
                continue
            try:
                name = key_text(key.value)
            except BadScalar as error:
                raise _at(event.start_mark, str(error)) from None
            if name in explicit:
                self._repeated.append((name, key.line + 1, key.column + 1))
            explicit.add(name)
            node.value[name] = value.value
        return node


def _is_merge(key: YamlNode) -> bool:
    return isinstance(key, YamlScalar) and key.value == "<<" and key.end - key.start == 2


def _merge(source: YamlNode, into: dict[str, Any]) -> None:
    """Earlier sources override later ones, and a merge overrides the keys written before it."""
    node = source.target if isinstance(source, YamlAlias) else source
    for each in reversed(node.nodes) if isinstance(node, YamlSequence) and node is source else (node,):
        if not isinstance(each.value, dict):
            raise NotYaml("a merge (<<) takes an object or a list of objects", each.line + 1, each.column + 1)
        into.update(each.value)


def _end(event: Any) -> int:
    end: int = event.end_mark.index
    return end


def _at(mark: Any, reason: str) -> NotYaml:
    return NotYaml(reason, mark.line + 1, mark.column + 1)


def _explain(reason: str, text: str, line: int, column: int) -> NotYaml:
    """The error at a place, in the words for what people copy by mistake. line and column count from 0."""
    lines = text.split("\n")
    there = lines[line] if line < len(lines) else ""
    if there[column : column + 1] == "\t":
        return NotYaml("a tab where only spaces indent", line + 1, column + 1)
    if there.lstrip().startswith(_FENCE):
        return NotYaml(f"{_FENCE} is a mark of Markdown, not of YAML: leave it out", line + 1, 1)
    for number in (line, line + 1):  # the parser may see only on the line below that something is missing
        if lines[number - 1 : number] and _INDENTED_MARK.fullmatch(lines[number - 1]):
            return NotYaml("--- begins a line: is the whole text indented?", number, 1)
    for number, each in enumerate(lines[: line + 1], 1):
        if found := _LIKE_A_SPACE.match(each):
            name = unicodedata.name(found[1]).lower()
            return NotYaml(f"a {name} (U+{ord(found[1]):04X}) where only spaces indent", number, found.end())
    return NotYaml(reason, line + 1, column + 1, template="{{" in there)

"""A text as YAML: the values that kubectl would read from it, and where each of them stands.

The parser is libyaml, of which kubectl's own is a translation, so what one of them takes the other takes too. Only its
events are used. What becomes of them follows kubectl's library: of a repeated key the last counts, and so does what
stands last when a merge (`<<`) and a key say different things.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from webhook.documents.scalars import NoValue, key_text, resolve

# Nothing in Kubernetes is nested nearly as deep; it only keeps a hostile file from ending Python.
_DEEPEST: Final = 200
# What aliases may swell a text to: kubectl calls that "excessive aliasing", with other numbers.
_LARGEST: Final = 2_000_000
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NoYAML(Exception):
    """The text is no YAML that kubectl would take. line and column count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        self.line, self.column = line, column
        super().__init__(message)


@dataclass(eq=False, kw_only=True)
class Node:
    """A part of the text: from `start` up to `end`, which is where its last word ends. `line` counts from 0.

    size: how many values it is, with its aliases followed. flow: it stands inside [] or {}, or is one of them.
    """

    start: int
    end: int
    line: int
    column: int
    value: Any
    size: int = 1
    flow: bool
    anchored: bool = False


@dataclass(eq=False, kw_only=True)
class Scalar(Node):
    """A single value. block: written below a | or a >."""

    block: bool = False


@dataclass(eq=False, kw_only=True)
class Items(Node):
    """A list."""

    nodes: list[Node] = field(default_factory=list)


@dataclass(eq=False, kw_only=True)
class Mapping(Node):
    """An object: its keys and values in their order, the repeated and the merged ones too."""

    entries: list[tuple[Node, Node]] = field(default_factory=list)

    def entry(self, key: Any) -> tuple[Node, Node] | None:
        """The entry that `key` stands in, the last when there are several; None when it is merged or absent."""
        for node, value in reversed(self.entries):
            if not _is_merge(node) and key_text(node.value) == key:
                return node, value
        return None


@dataclass(eq=False, kw_only=True)
class Alias(Node):
    """`*name`. column_of_key: where the key begins whose value it is, None when it is an entry of a list."""

    target: Node
    column_of_key: int | None


@dataclass(frozen=True)
class Document:
    """One document of a text. repeated: each key that stands twice in one object, with its line and column from 1."""

    root: Node | None
    value: Any
    aliases: Sequence[Alias] = ()
    repeated: Sequence[tuple[str, int, int]] = ()

    def find(self, steps: Sequence[str | int]) -> Node | None:
        """What stands at a path; as near to it as possible where it comes out of a merge. None without positions."""
        node = self.root
        for step in steps:
            if isinstance(node, Alias):
                node = node.target
            found: Node | None = None
            if isinstance(node, Mapping):
                entry = node.entry(step)
                found = entry[1] if entry else None
            elif isinstance(node, Items) and isinstance(step, int) and step < len(node.nodes):
                found = node.nodes[step]
            if found is None:
                return node
            node = found
        return node


def parse(text: str) -> list[Document]:
    """The documents of `text`, empty ones included. Raises NoYAML."""
    try:
        events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        return [_Composer(events).document() for event in events if isinstance(event, yaml.DocumentStartEvent)]
    except NoYAML as error:
        raise NoYAML(_explained(str(error), text, error.line - 1, 0), error.line, error.column) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        raise NoYAML(_explained(error.problem or "no YAML", text, line, column), line + 1, column + 1) from None
    except yaml.reader.ReaderError as error:
        before = text.encode("utf-8", "replace")[: error.position].decode("utf-8", "ignore")
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
        raise NoYAML(f"{error.reason} (U+{ord_of(error.character):04X})", line + 1, column + 1) from None


def ord_of(character: str | bytes | int) -> int:
    """The number of a character, whichever way PyYAML hands it over."""
    return character if isinstance(character, int) else ord(character)


class _Composer:
    """Makes a document of the events after its start."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, Node | None] = {}
        self._aliases: list[Alias] = []
        self._repeated: list[tuple[str, int, int]] = []

    def document(self) -> Document:
        root = self._node(next(self._events), 0, flow=False)
        next(self._events)
        return Document(root, root.value, tuple(self._aliases), tuple(self._repeated))

    def _node(self, event: Any, depth: int, *, flow: bool, column_of_key: int | None = None) -> Node:
        start = event.start_mark
        at: dict[str, Any] = {"start": start.index, "line": start.line, "column": start.column}
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, at, flow=flow, column_of_key=column_of_key)
        name = sys.intern(event.anchor) if event.anchor else None
        if name:
            self._anchors[name] = None
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            try:
                value = resolve(event.value, event.tag, plain=event.implicit[0])
            except NoValue as error:
                raise _at(start, str(error)) from None
            node = Scalar(**at, end=_end(event), value=value, flow=flow, block=event.style in ("|", ">"))
        elif depth == _DEEPEST:
            raise _at(start, f"nested deeper than {_DEEPEST} levels")
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._items(event, at, depth, flow=flow or bool(event.flow_style))
        else:
            node = self._mapping(event, at, depth, flow=flow or bool(event.flow_style))
        if node.size > _LARGEST:
            raise _at(start, "excessive aliasing")
        if name:
            node.anchored = True
            self._anchors[name] = node
        return node

    def _alias(self, event: Any, at: dict[str, Any], *, flow: bool, column_of_key: int | None) -> Alias:
        target = self._anchors.get(event.anchor)
        if target is None:
            reason = "contains itself" if event.anchor in self._anchors else "does not exist"
            raise _at(event.start_mark, f"anchor {event.anchor} {reason}")
        alias = Alias(
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

    def _items(self, start: Any, at: dict[str, Any], depth: int, *, flow: bool) -> Items:
        node = Items(**at, end=at["start"], value=[], flow=flow)
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                node.end = _end(event) if start.flow_style else node.nodes[-1].end
                break
            child = self._node(event, depth + 1, flow=flow)
            node.nodes.append(child)
            node.value.append(child.value)
            node.size += child.size
        return node

    def _mapping(self, start: Any, at: dict[str, Any], depth: int, *, flow: bool) -> Mapping:
        node = Mapping(**at, end=at["start"], value={}, flow=flow)
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
            except NoValue as error:
                raise _at(event.start_mark, str(error)) from None
            if name in explicit:
                self._repeated.append((name, key.line + 1, key.column + 1))
            explicit.add(name)
            node.value[name] = value.value
        return node


def _is_merge(key: Node) -> bool:
    return isinstance(key, Scalar) and key.value == "<<" and key.end - key.start == 2


def _merge(source: Node, into: dict[str, Any]) -> None:
    """What stands earlier in a list of sources wins; over the keys before it, the merge does."""
    node = source.target if isinstance(source, Alias) else source
    for each in reversed(node.nodes) if isinstance(node, Items) and node is source else (node,):
        if not isinstance(each.value, dict):
            raise NoYAML("a merge (<<) takes an object or a list of objects", each.line + 1, each.column + 1)
        into.update(each.value)


def _end(event: Any) -> int:
    end: int = event.end_mark.index
    return end


def _at(mark: Any, message: str) -> NoYAML:
    return NoYAML(message, mark.line + 1, mark.column + 1)


def _explained(problem: str, text: str, line: int, column: int) -> str:
    lines = text.split("\n")
    there = lines[line] if line < len(lines) else ""
    if there[column : column + 1] == "\t":
        return "a tab where only spaces indent"
    return f"{problem}: a template has to be rendered first" if "{{" in there else problem

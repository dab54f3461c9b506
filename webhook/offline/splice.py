"""Additions put into a text of YAML; no other byte changes.

    addition to                  how
    a list in block style        new entries before the first, between two or after the last one, dashes in line
    an object in block style     new keys after the last one, below its comments
    [] or {}                     JSON on the same line
    a key without a value        below the key
    an alias (*name)             becomes a copy: the original must not change elsewhere
    an anchor (&name)            stays; aliases of a changed value become copies of the old value
    a merge (<<)                 a key of the object's own overrides what is merged in

If additions have no place by these rules, NoPlace is raised, and the caller writes the whole text again.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from webhook.documents.blocks import block, entry, inline, scalar
from webhook.documents.nodes import (
    NotYaml,
    YamlAlias,
    YamlDocument,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    parse,
)
from webhook.offline.diffs import Edit, apply_edits

_DASH: Final = re.compile(r"^( *)-(?=\s)", re.MULTILINE)
_COMMENT: Final = re.compile(r"(?: *\r?\n)*( *)#[^\n]*\n")
_BLANK_OR_COMMENT: Final = re.compile(r"[ \t]*(?:#[^\n]*)?\r?\n")


class NoPlace(Exception):
    """The text has no place for the additions, in the style that it is written in."""


def splice(text: str, documents: Sequence[YamlDocument], values: Sequence[Any]) -> list[Edit]:
    """The edits of `text`, in order, that turn the values of its `documents` into `values`. Raises NoPlace.

    Lists may have more entries, all in one place, and objects more keys; all else in `values` is the documents' own
    objects. `text` ends with a line break.
    """
    edits = [
        edit
        for document, value in zip(documents, values, strict=True)
        if value is not document.value
        for edit in _Splicer(text, document).edits(value)
    ]
    edits.sort(key=lambda edit: edit.start)  # stable: deeper edits were found first and come first
    try:
        written = [document.value for document in parse(apply_edits(text, edits))]
    except NotYaml as error:
        raise NoPlace(str(error)) from None
    if json.dumps(written, sort_keys=True) != json.dumps(list(values), sort_keys=True):
        raise NoPlace("the text would have another value")
    return edits


class _Splicer:
    """Finds the edits of one document."""

    def __init__(self, text: str, document: YamlDocument) -> None:
        self._text = text
        self._document = document
        self._newline = "\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n"
        self._offset = _dash_offset(document.root)
        self._changed: set[YamlNode] = set()
        self._copied: set[YamlAlias] = set()

    def edits(self, value: Any) -> Iterator[Edit]:
        if self._document.root:
            yield from self._walk(self._document.root, self._document.value, value, None)
        for alias in self._document.aliases:
            if alias.target in self._changed and alias not in self._copied:
                yield self._copy(alias, alias.value)

    def _walk(self, node: YamlNode, old: Any, new: Any, key: YamlNode | None) -> Iterator[Edit]:
        """The edits that turn `node` into `new`, deeper ones first. key: the node's key, if it has one."""
        if old is new:
            return
        if isinstance(node, YamlAlias):
            self._copied.add(node)
            yield self._copy(node, new)
            return
        if node.anchored:
            self._changed.add(node)
        if isinstance(node, YamlMapping) and isinstance(new, dict):
            yield from self._members(node, old, new)
        elif isinstance(node, YamlSequence) and isinstance(new, list):
            yield from self._entries(node, old, new, key)
        elif isinstance(node, YamlScalar) and old is None and key:
            yield from self._filled(node, new, key)
        else:
            raise NoPlace("a value would have to be replaced")

    def _members(self, node: YamlMapping, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Edit]:
        added: dict[str, Any] = {}
        for name, value in new.items():
            found = node.entry(name)
            if found is None:
                if name not in old or value is not old[name]:
                    added[name] = value
            else:
                yield from self._walk(found[1], old[name], value, found[0])
        if not added:
            return
        if node.flow:
            inside = inline(added)[1:-1]
            last = node.entries[-1][1].end if node.entries else node.end - 1
            yield Edit(last, last, f", {inside}" if node.entries else inside)
            return
        column = node.entries[0][0].column
        lines = [line for name, value in added.items() for line in entry(name, value, offset=self._offset)]
        yield self._lines(self._below(node, column), lines, column)

    def _entries(self, node: YamlSequence, old: list[Any], new: list[Any], key: YamlNode | None) -> Iterator[Edit]:
        grown = len(new) - len(old)
        at = next((i for i, was in enumerate(old) if not _is_same(was, new[i])), len(old))  # where the new ones are
        for child, was, becomes in zip(node.nodes, old, new[:at] + new[at + grown :], strict=True):
            yield from self._walk(child, was, becomes, None)
        if not grown:
            return
        added = new[at : at + grown]
        if node.flow:
            yield self._inline_entries(node, at, added)
            return
        # An anchor stands on the line of the key, before the dashes.
        dash = _DASH.search(self._text, node.start if node.anchored else self._line_start(node.start))
        if dash is None or not (node.anchored or len(dash[1]) == node.column):
            raise NoPlace("a list within a list")
        column = len(dash[1])
        lines = block(added, offset=self._offset)
        if at == 0 and old:
            yield self._lines(self._above(dash.start()), lines, column)
        elif at < len(old):
            yield self._lines(self._below(node.nodes[at - 1], column + 1), lines, column)
        else:
            comments = column + 1 if key and key.column == column else column
            yield self._lines(self._below(node, comments), lines, column)

    def _inline_entries(self, node: YamlSequence, at: int, added: list[Any]) -> Edit:
        text = inline(added)[1:-1]
        if not node.nodes:
            return Edit(node.end - 1, node.end - 1, text)
        if at < len(node.nodes):
            return Edit(node.nodes[at].start, node.nodes[at].start, f"{text}, ")
        return Edit(node.nodes[-1].end, node.nodes[-1].end, f", {text}")

    def _filled(self, node: YamlScalar, new: Any, key: YamlNode) -> Iterator[Edit]:
        start = node.start
        while self._text[start - 1] == " ":
            start -= 1
        if node.flow:
            yield Edit(start, node.end, " " + inline(new))
            return
        if start < node.end:
            yield Edit(start, node.end, "")
        column = key.column + (self._offset if isinstance(new, list) else 2)
        yield self._lines(self._line_end(node.end), block(new, offset=self._offset), column)

    def _copy(self, alias: YamlAlias, value: Any) -> Edit:
        if alias.flow:
            return Edit(alias.start, alias.end, inline(value))
        if not (isinstance(value, dict | list) and value):
            return Edit(alias.start, alias.end, scalar(value))
        lines = block(value, offset=self._offset, literal=False)
        if alias.column_of_key is None:
            return Edit(alias.start, alias.end, f"{self._newline}{' ' * alias.column}".join(lines))
        start = alias.start
        while self._text[start - 1] == " ":
            start -= 1
        column = alias.column_of_key + (self._offset if isinstance(value, list) else 2)
        return Edit(start, alias.end, "".join(f"{self._newline}{' ' * column}{line}" for line in lines))

    def _lines(self, position: int, lines: Sequence[str], column: int) -> Edit:
        indented = [" " * column + line if line else line for line in lines]
        return Edit(position, position, "".join(line + self._newline for line in indented))

    def _below(self, node: YamlNode, column: int) -> int:
        """The start of the line after `node` and its comments, which are indented by at least `column`."""
        last = _last(node)
        in_block = isinstance(last, YamlScalar) and last.block
        position = self._end_of_block(last) if in_block else self._line_end(last.end)
        while (comment := _COMMENT.match(self._text, position)) and len(comment[1]) >= column:
            position = comment.end()
        return position

    def _end_of_block(self, node: YamlNode) -> int:
        """The end of the text below a | or >: without the empty lines after it, unless they belong to it (|+)."""
        position = node.end if self._text[node.end - 1] == "\n" else self._line_end(node.end)
        if "+" in self._text[node.start : self._line_end(node.start)].split("#")[0]:
            return position
        while not self._text[(start := self._text.rfind("\n", 0, position - 1) + 1) : position].strip():
            position = start
        return position

    def _above(self, position: int) -> int:
        """The start of the comments right before the line that starts at `position`."""
        while position:
            start = self._text.rfind("\n", 0, position - 1) + 1
            if not _BLANK_OR_COMMENT.fullmatch(self._text, start, position):
                break
            position = start
        return position

    def _line_start(self, position: int) -> int:
        return self._text.rfind("\n", 0, position) + 1

    def _line_end(self, position: int) -> int:
        """The start of the next line."""
        return self._text.find("\n", position) + 1 or len(self._text)


def _is_same(old: Any, new: Any) -> bool:
    """Whether an entry of a list is the old one, with more in it or not."""
    if isinstance(old, dict) and isinstance(new, dict) and "name" in old:
        return bool(old["name"] == new.get("name"))
    return old is new


def _last(node: YamlNode) -> YamlNode:
    """The last scalar of a node in block style."""
    while not node.flow:
        if isinstance(node, YamlMapping):
            node = node.entries[-1][1]
        elif isinstance(node, YamlSequence):
            node = node.nodes[-1]
        else:
            break
    return node


def _dash_offset(node: YamlNode | None) -> int:
    """By how much the document indents the dashes of its lists; 0 without lists, as kubectl writes them."""
    pending = [(node, 0)]
    for each, column in pending:
        if isinstance(each, YamlMapping):
            pending += [(value, key.column) for key, value in each.entries]
        elif isinstance(each, YamlSequence) and each.nodes and not each.flow and not each.anchored:
            return max(0, each.column - column)
    return 0

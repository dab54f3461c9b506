"""Where the values of a JSON text stand, as nodes of YAML: which every JSON text is, as far as places matter."""

import bisect
import itertools
import json
import re
from typing import Final

from webhook.documents.nodes import YamlDocument, YamlMapping, YamlNode, YamlScalar, YamlSequence

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+')
_OPENS: Final = ("{", "[")
_CLOSES: Final = ("}", "]")


def json_documents(text: str) -> list[YamlDocument]:
    """The values of `text`, one after the other, without what they mean. `text` has to be JSON, nested 200 levels."""
    return _Places(text).documents()


class _Places:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.finditer(text)
        self._lines = [0, *itertools.accumulate(len(line) for line in text.split("\n")[:-1])]
        self._lines = [start + number for number, start in enumerate(self._lines)]
        self._repeated: list[tuple[str, int, int]] = []

    def documents(self) -> list[YamlDocument]:
        found = []
        for token in self._tokens:
            root = self._node(token)
            found.append(YamlDocument(root, None, repeated=tuple(self._repeated)))
            self._repeated.clear()
        return found

    def _node(self, token: re.Match[str]) -> YamlNode:
        start, word = token.start(), token[0]
        line = bisect.bisect_right(self._lines, start) - 1
        column = start - self._lines[line]
        if word not in _OPENS:
            value = json.loads(word) if word[0] == '"' else None
            return YamlScalar(start=start, end=token.end(), line=line, column=column, value=value, flow=True)
        if word == "[":
            sequence = YamlSequence(start=start, end=start, line=line, column=column, value=None, flow=True)
            for each in self._tokens:
                if each[0] in _CLOSES:
                    sequence.end = each.end()
                    break
                if each[0] != ",":
                    sequence.nodes.append(self._node(each))
            return sequence
        mapping = YamlMapping(start=start, end=start, line=line, column=column, value=None, flow=True)
        self._fill(mapping)
        return mapping

    def _fill(self, mapping: YamlMapping) -> None:
        names: set[str] = set()
        for each in self._tokens:
            if each[0] in _CLOSES:
                mapping.end = each.end()
                return
            if each[0] == ",":
                continue
            key = self._node(each)
            next(self._tokens)  # the colon
            mapping.entries.append((key, self._node(next(self._tokens))))
            if key.value in names:
                self._repeated.append((key.value, key.line + 1, key.column + 1))
            names.add(key.value)

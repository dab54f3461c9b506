"""`$filter`, as far as Graph takes it for directory objects: comparisons, startswith, any, in, and, or, not.

Documented: `ne`, `not` and `endsWith` are advanced queries, which need the header `ConsistencyLevel: eventual` and
`$count=true`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from testbed.entra.graph_api.errors import GraphError, bad_request

__all__ = ["Entity", "Test", "read"]

Entity = Mapping[str, Any]
Test = Callable[[Entity], bool]

_TOKEN: Final = re.compile(r"\s*('(?:[^']|'')*'|[(),:/]|[A-Za-z0-9_.$-]+)")
_CONSTANTS: Final[Mapping[str, Any]] = {"true": True, "false": False, "null": None}


def read(text: str, *, properties: frozenset[str], advanced: bool) -> Test:
    """The condition of a filter. advanced: whether the request may be an advanced query. Raises GraphError."""
    reader = _Reader(_tokens(text), properties, advanced)
    test = reader.disjunction()
    if reader.rest:
        raise _invalid()
    return test


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if not match:
            raise _invalid()
        tokens.append(match[1])
        position = match.end()
    return tokens


class _Reader:
    """Reads tokens from the left, by recursive descent."""

    def __init__(self, tokens: list[str], properties: frozenset[str], advanced: bool) -> None:  # noqa: FBT001
        self.rest = tokens
        self._properties = properties
        self._advanced = advanced

    def disjunction(self) -> Test:
        return self._chain("or", self._conjunction, any)

    def _conjunction(self) -> Test:
        return self._chain("and", self._term, all)

    def _chain(self, word: str, part: Callable[[], Test], fold: Callable[[Sequence[bool]], bool]) -> Test:
        tests = [part()]
        while self._next().lower() == word:
            self._take()
            tests.append(part())
        return tests[0] if len(tests) == 1 else lambda entity: fold([test(entity) for test in tests])

    def _term(self) -> Test:
        token = self._take()
        if token.lower() == "not":
            self._advance_only()
            inner = self._term()
            return lambda entity: not inner(entity)
        if token == "(":
            inner = self.disjunction()
            self._expect(")")
            return inner
        if token.lower() in ("startswith", "endswith"):
            return self._function(token.lower())
        if self._next() == "/":
            return self._any(token)
        return self._comparison(token)

    def _function(self, name: str) -> Test:
        if name == "endswith":
            self._advance_only()
        self._expect("(")
        field = self._property(self._take())
        self._expect(",")
        value = str(self._value()).lower()
        self._expect(")")
        method = str.startswith if name == "startswith" else str.endswith
        return lambda entity: method(str(entity.get(field) or "").lower(), value)

    def _any(self, name: str) -> Test:
        """`tags/any(t:t eq 'x')`."""
        field = self._property(name)
        for expected in ("/", "any", "("):
            self._expect(expected)
        variable = self._take()
        self._expect(":")
        if self._take().lower() == "startswith":
            self._expect("(")
            self._expect(variable)
            self._expect(",")
            start = str(self._value()).lower()
            self._expect(")")
            self._expect(")")
            return lambda entity: any(str(each).lower().startswith(start) for each in entity.get(field) or ())
        self._expect("eq")
        value = self._value()
        self._expect(")")
        return lambda entity: any(_same(each, value) for each in entity.get(field) or ())

    def _comparison(self, name: str) -> Test:
        field, operator = self._property(name), self._take().lower()
        if operator == "in":
            values = self._list()
            return lambda entity: any(_same(entity.get(field), each) for each in values)
        if operator not in ("eq", "ne"):
            raise _unsupported(field)
        if operator == "ne":
            self._advance_only()
        value = self._value()
        return lambda entity: _same(entity.get(field), value) is (operator == "eq")

    def _list(self) -> Sequence[Any]:
        self._expect("(")
        values = [self._value()]
        while self._next() == ",":
            self._take()
            values.append(self._value())
        self._expect(")")
        return values

    def _value(self) -> Any:
        token = self._take()
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token.lower() in _CONSTANTS:
            return _CONSTANTS[token.lower()]
        if re.fullmatch("[0-9a-fA-F-]{36}", token):
            return token
        raise _invalid()

    def _property(self, name: str) -> str:
        known = {each.lower(): each for each in self._properties}
        if name.lower() not in known:
            raise _unsupported(name)
        return known[name.lower()]

    def _advance_only(self) -> None:
        if not self._advanced:
            raise bad_request("Unsupported Query.", code="Request_UnsupportedQuery")

    def _next(self) -> str:
        return self.rest[0] if self.rest else ""

    def _take(self) -> str:
        if not self.rest:
            raise _invalid()
        return self.rest.pop(0)

    def _expect(self, token: str) -> None:
        if self._take().lower() != token.lower():
            raise _invalid()


def _same(one: object, other: object) -> bool:
    """Whether two values are equal to Graph: strings in upper and lower case are."""
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()
    return one == other


def _invalid() -> GraphError:
    return bad_request("Invalid filter clause", code="BadRequest")


def _unsupported(field: str) -> GraphError:
    message = f"Unsupported or invalid query filter clause specified for property '{field}'."
    return bad_request(message, code="Request_UnsupportedQuery")

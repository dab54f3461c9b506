"""The values of a container's variables with their `$(NAME)` put in, as the kubelet does when it starts a container."""

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Final

_MARK: Final = "$("
_REFERENCE: Final = re.compile(r"\$\$|\$\(([^)]*)\)")
_ESCAPED: Final = re.compile(r"\$\$|(?!)()")
# Characters, of one value and of all together: references to references could make any number of them.
_LONGEST: Final = 4096
_MOST: Final = 1 << 18


def refers(value: object) -> bool:
    """Whether `value` may refer to another variable."""
    return isinstance(value, str) and _MARK in value


def escaped(value: str) -> str:
    """`value` as it is written so that the kubelet puts nothing into it."""
    return value.replace("$", "$$")


def known_values(
    entries: Iterable[Mapping[str, Any]], before: Mapping[str, str] | None = None
) -> dict[Any, str | None]:
    """The value of each of the entries of `env`, None if only the kubelet knows it; the last of a name counts.

    before: variables that stand in front of them.
    """
    values: dict[Any, str | None] = dict(before or {})
    left = _MOST
    for entry in entries:
        value = entry.get("value", "")
        known = value if isinstance(value, str) and "valueFrom" not in entry else None
        if known is not None and "$" in known:
            known = _expanded(known, values, min(_LONGEST, left))
            left -= len(known or "")
        values[entry.get("name")] = known
    return values


def _expanded(text: str, values: Mapping[Any, str | None], most: int) -> str | None:
    """A name that is not in `values` may come from `envFrom`, or be that of a Service."""
    parts: list[str] = []
    size, end = len(text), 0
    # Behind the last bracket nothing is a reference: each "$(" there would be followed to the end of the text.
    last = text.rfind(")") + 1
    for found in chain(_REFERENCE.finditer(text, 0, last), _ESCAPED.finditer(text, last)):
        value = "$" if found[1] is None else values.get(found[1])
        if value is None:
            return None
        parts += [text[end : found.start()], value]
        size += len(value)
        end = found.end()
        if size > most:
            return None
    return "".join([*parts, text[end:]])

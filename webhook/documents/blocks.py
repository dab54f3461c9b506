"""Values as YAML text: in block style, as kubectl writes it, or on one line, inside [] and {}."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from webhook.documents.scalars import resolve

# Text that every version of YAML reads as this text.
_PLAIN: Final = re.compile(r"[A-Za-z_/](?:[A-Za-z0-9_/.$@+=%()~-]|:(?=[^ ])| (?=[^ ]))*|[0-9]+(?:[KMGTPE]i|[mMGTPE])")
_LITERAL: Final = re.compile(r"(?!\s)[\t\n -~\u00a1-\u2027\u2030-\ud7ff\ue000-\ufefe]+")


def inline(value: Any) -> str:
    """`value` on one line: JSON, with each unprintable character escaped, because YAML does not allow those."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == " " else _escaped(letter) for letter in text)


def scalar(value: Any) -> str:
    """A single value, without quotes if that is safe."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and resolve(value, None, plain=True) == value:
        return value
    return inline(value)


def block(value: Any, *, offset: int = 0, literal: bool = True) -> list[str]:
    """The lines of `value`.

    offset: by how much a list's dashes are indented. literal: whether text of many lines is written below a |.
    """
    if isinstance(value, dict) and value:
        return [line for key, member in value.items() for line in _member(key, member, offset, literal=literal)]
    if isinstance(value, list) and value:
        return [line for item in value for line in _item(item, offset, literal=literal)]
    return [scalar(value)]


def entry(key: str, value: Any, *, offset: int = 0) -> list[str]:
    """The lines of one member of an object."""
    return list(_member(key, value, offset, literal=True))


def stream(values: Sequence[Any]) -> str:
    """Values as the documents of a text."""
    return "---\n".join("".join(line + "\n" for line in block(value)) for value in values)


def _member(key: str, value: Any, offset: int, *, literal: bool) -> Iterator[str]:
    if literal and isinstance(value, str) and _is_literal(value):
        yield from _literal(f"{scalar(key)}: ", value)
    elif isinstance(value, dict | list) and value:
        yield f"{scalar(key)}:"
        indent = " " * (offset if isinstance(value, list) else 2)
        for line in block(value, offset=offset, literal=literal):
            yield indent + line if line else line
    else:
        yield f"{scalar(key)}: {scalar(value)}"


def _item(value: Any, offset: int, *, literal: bool) -> Iterator[str]:
    if literal and isinstance(value, str) and _is_literal(value):
        yield from _literal("- ", value)
        return
    for number, line in enumerate(block(value, offset=offset, literal=literal)):
        yield ("  " if number else "- ") + line if line else line


def _is_literal(text: str) -> bool:
    return "\n" in text.rstrip("\n") and _LITERAL.fullmatch(text) is not None and " \n" not in text


def _literal(start: str, text: str) -> Iterator[str]:
    stripped = text.rstrip("\n")
    trailing = len(text) - len(stripped)
    yield start + {0: "|-", 1: "|"}.get(trailing, "|+")
    for line in [*stripped.split("\n"), *[""] * (trailing - 1)]:
        yield "  " + line if line else line


def _escaped(letter: str) -> str:
    code = ord(letter)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

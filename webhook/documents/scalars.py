"""What a word of YAML means to kubectl. Its library, go.yaml.in/yaml/v2, follows neither YAML 1.1 nor 1.2.

    text                          here             YAML 1.2
    y yes on True                 true             text, except True
    0644                          420              644
    08                            8                8
    1_000                         1000             text
    0b11 0o17 0x1F                3 15 31          text 15 31
    12:30:45 2026-01-02           text             text

Each line below follows that library's resolve.go. Numbers come out as Go's JSON encoder writes them, so 1.0 and 1e3
are integers.
"""

import base64
import binascii
import math
import re
from typing import Any, Final

_PREFIX: Final = "tag:yaml.org,2002:"
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"), math.inf),
}
_INTEGER: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LONGEST_NUMBER: Final = 400  # digits; no float64 needs more, and Python refuses to parse thousands
_BASES: Final = (16, 2, 8, 10)


class BadScalar(ValueError):
    """kubectl refuses the word; the message is the reason."""


def resolve(text: str, tag: str | None, *, plain: bool) -> Any:
    """The value of a scalar. plain: it has no quotes. tag: the whole tag, or None. Raises BadScalar."""
    if tag is None:
        return _finite(_word(text)) if plain else text
    kind = tag.removeprefix(_PREFIX) if tag.startswith(_PREFIX) else ""
    if kind == "binary":
        try:
            return base64.b64decode(text.replace("\n", ""), validate=True).decode("utf-8", "replace")
        except binascii.Error:
            raise BadScalar("!!binary is not base64") from None
    if kind not in ("bool", "int", "float", "null"):
        return text
    value = _finite(_word(text))
    if kind == "float" and _kind(value) == "int":
        return value
    if _kind(value) != kind:
        raise BadScalar(f"{text!r} is not !!{kind}")
    return value


def key_text(value: Any) -> str:
    """The key of an object as JSON writes it. Raises BadScalar for lists, objects and null."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise BadScalar("a key has to be text")


def number(value: float) -> int | float:
    """As Go's JSON encoder writes it: a whole number has no fraction."""
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _word(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if not text or text[0] not in "+-.0123456789" or len(text) > _LONGEST_NUMBER:
        return text
    if len(text) < 19 and text.isdecimal() and text.isascii() and (text[0] != "0" or text == "0"):
        return int(text)  # nearly all numbers: the rules below would take five times as long
    digits = text.replace("_", "") if text[0] != "." else text
    match = _INTEGER.fullmatch(digits)
    if match and text[0] != ".":
        sign, *parts = match.groups()
        base, part = next((base, part) for base, part in zip(_BASES, parts, strict=True) if part is not None)
        value = int(part, base)
        if -(2**63) <= (-value if sign == "-" else value) < (2**63 if sign else 2**64):
            return -value if sign == "-" else value
    if _FLOAT.fullmatch(digits) and math.isfinite(float(digits)):
        return number(float(digits))
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise BadScalar("JSON has neither infinity nor NaN")
    return value


def _kind(value: Any) -> str:
    return {bool: "bool", int: "int", float: "float", type(None): "null"}.get(type(value), "str")

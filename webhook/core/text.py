"""Foreign text as one safe line: the only place that shortens and escapes what a stranger wrote."""

from typing import Final

SHOWN: Final = 80
"""Characters of a foreign value in a message: enough to recognize it, too few to fill a log."""
LONGEST_LINE: Final = 500
"""Characters of one message. kube-apiserver passes on 120 of a warning; the log and the command line show more."""
LONGEST_FIX: Final = 2000
"""Characters of one fix: thirty commands of the length of `kubectl rollout restart deployment/NAME -n NAMESPACE`."""


def shown(value: object, limit: int = SHOWN) -> str:
    """`value` as one line of printable ASCII, at most `limit` characters; "..." stands for what is cut off.

    Text stands for itself, anything else for its Python literal. Never raises: deeply nested JSON has a name instead.
    """
    if isinstance(value, str):
        text = value[: limit + 1]  # a stranger's text may have megabytes: escape no more of it than can be seen
        return _cut(text if text.isascii() and text.isprintable() else _escaped(text), limit)
    try:
        return _cut(ascii(value), limit)
    except RecursionError:  # JSON may be nested more deeply than Python can show
        return "something deeply nested"


def quoted(value: str, limit: int = SHOWN) -> str:
    """`value` in double quotes, at most `limit` characters between them; quotes and backslashes in it are escaped."""
    return '"' + _cut(_escaped(value[: limit + 1]).replace('"', '\\"'), limit) + '"'


def _escaped(text: str) -> str:
    return ascii(text)[1:-1]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."

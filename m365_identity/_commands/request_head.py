"""The head of an HTTP/1.1 request by the strict grammar of RFC 9112: nothing is repaired, skipped or guessed.

A lenient parser takes a malformed line for the end of the headers, and behind it may be the one for which the request
is refused.
"""

import re
from collections.abc import Sequence
from email.message import Message
from typing import Final, NamedTuple

__all__ = ["Head", "MalformedError", "parse"]

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([!-~]+) HTTP/1\.[01]\r\n")
# A value has no control character but tabs. Bytes beyond ASCII are allowed, as the RFC does.
_FIELD: Final = re.compile(rb"(" + _TOKEN + rb"):([\t\x20-\x7e\x80-\xff]*)\r\n")
# Two of these contradict each other; the second may be one that somebody else has added.
_ONCE: Final = ("Host", "X-IDENTITY-HEADER")


class MalformedError(Exception):
    """The head does not follow the grammar. Its text says where, and has nothing of what the client sent."""


class Head(NamedTuple):
    """What a request's head says."""

    method: str
    target: str
    headers: Message


def parse(lines: Sequence[bytes]) -> Head:
    """The head of these lines, each with its end, without the empty one. Raises MalformedError."""
    first = _REQUEST_LINE.fullmatch(lines[0]) if lines else None
    if not first:
        raise MalformedError("the first line is not that of an HTTP/1.1 request")
    headers = Message()
    for number, line in enumerate(lines[1:], start=2):
        field = _FIELD.fullmatch(line)
        if not field:
            raise MalformedError(f"line {number} of the request is not NAME: VALUE, ended by CR LF")
        headers[field[1].decode("ascii")] = field[2].decode("latin-1").strip(" \t")
    for name in _ONCE:
        if len(headers.get_all(name, [])) > 1:
            raise MalformedError(f"the request has more than one header {name}")
    return Head(first[1].decode("ascii"), first[2].decode("ascii"), headers)

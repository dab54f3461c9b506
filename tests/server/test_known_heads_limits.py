"""How many heads are known, and how long one may be."""

from __future__ import annotations

from typing import Any, cast

import pytest

from webhook.server.known_heads import MOST_KNOWN, KnownHead, KnownHeads
from webhook.server.request_parser import RequestParser

SCOPE = cast("Any", {})
LONGEST = 2048


class Application:
    """Allows every head for 5 s."""

    def allowed(self, scope: Any) -> float | None:
        return 5.0

    def at_once(self, body: bytes, head: KnownHead, traceparent: bytes) -> bytes | None:
        return None


def request(length: int, head: int = 0) -> bytes:
    """A request with a body of `length` bytes, and a head of `head` bytes if that is given."""
    start = b"POST / HTTP/1.1\r\ncontent-length: %d\r\nx: " % length
    return start + b"a" * max(head - len(start) - 4, 1) + b"\r\n\r\n" + b"b" * length


def learn(known: KnownHeads, data: bytes) -> None:
    """What a connection does with its first request of a kind."""
    parser = RequestParser()
    parser.feed(data)
    assert parser.whole
    known.learn(data, parser, SCOPE)


def test_128_heads_are_known_and_then_the_oldest_is_forgotten() -> None:
    """All of them together stay small."""
    known = KnownHeads(Application())
    for length in range(MOST_KNOWN):
        learn(known, request(length))
    assert MOST_KNOWN == 128
    assert all(known.find(request(length)) for length in range(MOST_KNOWN))
    learn(known, request(MOST_KNOWN))
    assert [bool(known.find(request(length))) for length in (0, 1, MOST_KNOWN)] == [False, True, True]


@pytest.mark.parametrize(("size", "found"), [(LONGEST, True), (LONGEST + 1, False)])
def test_a_head_that_is_known_has_at_most_2048_bytes(size: int, found: bool) -> None:
    """kube-apiserver's have 300."""
    known, data = KnownHeads(Application()), request(3, size)
    learn(known, data)
    assert bool(known.find(data)) is found


def test_what_is_found_is_the_body_and_what_the_head_says() -> None:
    """A request that lacks a byte, or is followed by another, is not found."""
    known, data = KnownHeads(Application()), request(3)
    learn(known, data)
    head, body, _ = known.find(data) or pytest.fail("the head is not known")
    assert (head.length, head.seconds, body) == (3, 5.0, b"bbb")
    assert (known.find(data[:-1]), known.find(data + b"b"), known.find(request(4))) == (None, None, None)


@pytest.mark.parametrize(
    ("version", "field", "repeatable"),
    [
        ("1.1", "content-length: 1", True),
        ("1.1", "connection: keep-alive", True),
        ("1.1", "connection: close", False),
        ("1.0", "connection: keep-alive", False),
        ("1.1", "transfer-encoding: chunked", False),
        ("1.1", "connection: upgrade\r\nupgrade: h2c", False),
        ("1.1", "content-length: 1\r\nexpect: 100-continue", False),
    ],
)
def test_a_head_is_repeatable_if_only_its_length_matters(version: str, field: str, repeatable: bool) -> None:
    """All else has to be parsed each time."""
    parser = RequestParser()
    parser.feed(f"POST / HTTP/{version}\r\nhost: a\r\n{field}\r\n\r\n".encode())
    assert parser.head_complete
    assert parser.repeatable is repeatable

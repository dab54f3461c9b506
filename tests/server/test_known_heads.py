"""Requests whose head has come before: they are answered as any other, in a shorter way."""

import asyncio
import json
import re
from collections.abc import Awaitable
from typing import Any

import pytest

from tests.server.connection_case import Case, Transport, settle
from webhook.core.decision import Decision
from webhook.core.messages import calls, message
from webhook.logs import Log
from webhook.metrics import Metrics
from webhook.reviewer import BAD_REQUEST, LOOKUP_FAILED, Answer
from webhook.server.application import Application
from webhook.server.asgi import Receive, Scope, Send
from webhook.server.known_heads import MOST_KNOWN, KnownHeads
from webhook.server.lifecycle import Lifecycle

HEAD = b"POST /mutate?timeout=5s HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
ALLOWED = Decision("unchanged", "opted-out")


def review(body: bytes | bytearray, *, timeout: float) -> Answer | Awaitable[Answer]:
    """Answers as the body says."""
    text = bytes(body).strip(b'" ').decode()
    if text == "bug":
        raise ZeroDivisionError
    if text == "later":
        return later(timeout)
    if text == "refused":
        return Answer(400, b"not a review\n", BAD_REQUEST)
    if text == "away":
        return Answer(503, b"try again\n", LOOKUP_FAILED, retry_after=1)
    return Answer(200, b"x" * 200_000 if text == "big" else b"{}", ALLOWED, uid="7", pod=text)


async def later(timeout: float) -> Answer:
    async with asyncio.timeout(timeout):
        await asyncio.sleep(0)
    return Answer(200, b"{}", ALLOWED, uid="8", seconds_lookup=0.25)


class Reviews(Application):
    """The review endpoint. by_asgi: how many requests came to it as ASGI has them. fails: whether it has a bug."""

    fails = False

    def __init__(self, *, lifecycle: Lifecycle | None = None, budget: int = 8 * 1024 * 1024) -> None:
        self.lines: list[bytes] = []
        self.by_asgi = 0
        self.metrics = Metrics(version="1")
        log = Log(write=self.written)
        lifecycle = lifecycle or Lifecycle(started=True)
        super().__init__(review, metrics=self.metrics, log=log, lifecycle=lifecycle, budget=budget)

    def written(self, line: bytes) -> None:
        self.lines.append(line)
        if self.fails:
            raise ZeroDivisionError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.by_asgi += 1
        await super().__call__(scope, receive, send)


def connected(reviews: Reviews, **members: Any) -> Case:
    """A connection to the review endpoint."""
    members = {"known": KnownHeads(reviews), "needs_no_task": True, **members}
    return Case(reviews, **members)


def request(text: str, head: bytes = HEAD) -> bytes:
    """A request, whose body is padded to 20 bytes, so that all have one head."""
    body = f'"{text}"'.ljust(20).encode()
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def without_times(data: bytes) -> bytes:
    return re.sub(rb"date: [^\r]*|\"ms\":[0-9.]+|\"time\":\"[^\"]*\"", b"", data)


@pytest.mark.parametrize("text", ["allowed", "later", "refused", "away", "big", "bug"])
async def test_both_ways_give_the_same_answer(text: str) -> None:
    """With the same log line, the same counts and the same end."""
    seen = []
    for known in (False, True):
        reviews = Reviews()
        case = connected(reviews)
        await case.receive(request("allowed"))
        case.transport.written = b""
        reviews.lines.clear()
        if not known:
            await case.receive(request(text)[:-1])
        await case.receive(request(text)[0 if known else -1 :])
        assert reviews.by_asgi == (1 if known else 2)
        lines = [without_times(line) for line in reviews.lines]
        counts = [
            (each.name, each.samples) for each in reviews.metrics.registry.collect() if "seconds" not in each.name
        ]
        seen.append((without_times(case.transport.written), lines, counts, case.state))
    assert seen[0] == seen[1]
    assert seen[0][0]
    assert seen[0][3] == "idle"


async def test_the_body_is_read_anew() -> None:
    """Only the head is known."""
    reviews = Reviews()
    case = connected(reviews)
    for name in ("one", "two", "three"):
        await case.receive(request(name))
    assert [json.loads(line)["pod"] for line in reviews.lines] == ["one", "two", "three"]
    assert reviews.by_asgi == 1


async def test_another_connection_may_have_sent_it() -> None:
    """What a head says does not depend on who sends it."""
    reviews = Reviews()
    known = KnownHeads(reviews)
    for _ in range(2):
        case = connected(reviews, known=known)
        await case.receive(request("one"))
        assert case.statuses == ["200"]
    assert reviews.by_asgi == 1


@pytest.mark.parametrize(
    "pieces",
    [
        [request("one")[:-1], request("one")[-1:]],
        [request("one")[:9], request("one")[9:]],
        [request("one") + request("two")],
        [request("one") + b"P", request("two")[1:]],
        [b"\r\n" + request("one")],
    ],
    ids=["its end is missing", "in the head", "two at once", "the next one's first byte", "an empty line before it"],
)
async def test_what_is_not_exactly_one_request_is_parsed(pieces: list[bytes]) -> None:
    """A known head or not: its bytes are in another place."""
    reviews = Reviews()
    case = connected(reviews)
    await case.receive(request("one"))
    for piece in pieces:
        await case.receive(piece)
    expected = 1 + b"".join(pieces).count(b"POST")
    assert (len(case.statuses), reviews.by_asgi, case.state) == (expected, expected, "idle")


@pytest.mark.parametrize(
    "data",
    [
        request("one", HEAD.replace(b"POST", b"GET")),
        request("one", HEAD.replace(b"/mutate", b"/other")),
        request("one", HEAD.replace(b"json", b"yaml")),
        request("one", HEAD.replace(b"1.1", b"1.0")),
        request("one", HEAD + b"connection: close\r\n"),
        request("one", HEAD + b"expect: 100-continue\r\n"),
        request("one", HEAD + b"upgrade: h2c\r\nconnection: upgrade\r\n"),
        request("one", HEAD + b"x: %b\r\n" % (b"x" * 2048)),
        b"\r\n\r\n" + request("one"),
        HEAD + b'transfer-encoding: chunked\r\n\r\n5\r\n"one"\r\n0\r\n\r\n',
    ],
    ids=["method", "path", "type", "version", "close", "expect", "upgrade", "long", "empty lines", "chunked"],
)
async def test_other_heads_are_parsed_each_time(data: bytes) -> None:
    """Those that are refused, that end a connection, or that say something of the body but its length."""
    reviews = Reviews()
    known = KnownHeads(reviews)
    for _ in range(2):
        await connected(reviews, known=known).receive(data)
    assert reviews.by_asgi == 2


TRACED = b"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-%016x-01\r\n"


async def test_heads_that_differ_in_their_traceparent_alone_are_one() -> None:
    """A kube-apiserver that is traced names another span in each. With and without it is the same head, too."""
    reviews = Reviews()
    case = connected(reviews)
    for number in range(1, MOST_KNOWN + 2):
        await case.receive(request("one", HEAD + TRACED % number + b"x: y\r\n"))
    await case.receive(request("one", HEAD + b"x: y\r\n"))
    assert set(case.statuses) == {"200"}
    assert reviews.by_asgi == 1


@pytest.mark.parametrize(
    "fields",
    [
        TRACED % 1 + TRACED % 2,
        (TRACED % 1).lower(),
        (TRACED % 1).replace(b"-01", b"-0x"),
        (TRACED % 1).replace(b"t: ", b"t:"),
        TRACED % 1 + b"traceparent: x\r\n",
    ],
    ids=["two", "small letters", "malformed", "without a space", "two names"],
)
async def test_a_traceparent_in_another_form_is_parsed_each_time(fields: bytes) -> None:
    """It is not remembered either, because nobody sends the same one again: heads that are known stay known."""
    reviews = Reviews()
    case = connected(reviews)
    await case.receive(request("one"))
    for _ in range(MOST_KNOWN + 1):
        await case.receive(request("one", HEAD + fields))
    assert reviews.by_asgi == MOST_KNOWN + 2
    await case.receive(request("one"))
    assert reviews.by_asgi == MOST_KNOWN + 2


async def test_a_line_that_continues_another_is_refused() -> None:
    """Or one after a traceparent would continue the line before it, in a head that is known without the traceparent."""
    for before in (b"", TRACED % 1):
        case = connected(Reviews())
        await case.receive(request("one", HEAD + b"x: y\r\n" + before + b" z\r\n"))
        assert case.statuses == ["400"]


async def test_the_oldest_head_is_forgotten() -> None:
    """Strangers can send as many heads as they like."""
    reviews = Reviews()
    case = connected(reviews)
    heads = [HEAD + b"x: %d\r\n" % number for number in range(MOST_KNOWN + 1)]
    for head in (*heads, heads[1], heads[-1]):
        await case.receive(request("one", head))
    assert reviews.by_asgi == len(heads)
    await case.receive(request("one", heads[0]))
    assert reviews.by_asgi == len(heads) + 1


async def test_the_last_answer_of_a_connection_says_so() -> None:
    """While the server drains, and after the connection was told to be renewed."""
    lifecycle = Lifecycle(started=True)
    case = connected(Reviews(), lifecycle=lifecycle)
    await case.receive(request("one"))
    lifecycle.draining = True
    await case.receive(request("one"))
    assert (case.statuses, case.state) == (["200", "200"], "closing")
    assert case.transport.written.count(b"connection: close") == 1


async def test_after_the_end_it_says_503() -> None:
    """As for a head that is not known."""
    lifecycle = Lifecycle(started=True)
    case = connected(Reviews(lifecycle=lifecycle))
    await case.receive(request("one"))
    lifecycle.stopped = True
    await case.receive(request("one"))
    assert case.statuses == ["200", "503"]


async def test_a_client_that_may_not_ask_is_refused() -> None:
    """Others have sent the same head before."""
    reviews = Reviews()
    known = KnownHeads(reviews)
    await connected(reviews, known=known).receive(request("one"))
    case = connected(reviews, known=known)
    case.connection._refusal = message(calls.CLIENT_CERTIFICATE_MISSING)
    await case.receive(request("one"))
    assert (case.statuses, len(reviews.lines)) == (["403"], 1)


async def test_without_room_it_is_503() -> None:
    """A small body counts, too."""
    reviews = Reviews(budget=0)
    case = connected(reviews)
    await case.receive(request("one"))
    reviews._bodies._held = 12 * 1024 * 1024
    await case.receive(request("one"))
    assert case.statuses == ["200", "503"]


async def test_what_a_review_held_is_given_back() -> None:
    """Whatever its answer was."""
    reviews = Reviews()
    case = connected(reviews)
    for text in ("allowed", "allowed", "later", "refused", "away", "big", "bug"):
        await case.receive(request(text))
        assert reviews._bodies._held == 0
    assert reviews.by_asgi == 1


async def test_an_answer_that_is_not_read_keeps_its_connection_busy() -> None:
    """The next request waits, and is answered when the client has read."""
    reviews = Reviews()
    case = connected(reviews)
    await case.receive(request("one"))
    case.transport.write = lambda data: Transport.write(case.transport, data) or case.connection.pause_writing()  # type: ignore[method-assign, func-returns-value]
    await case.receive(request("two"))
    assert case.state == "busy"
    await case.receive(request("three"))
    assert case.statuses == ["200", "200"]
    del case.transport.write
    case.connection.resume_writing()
    await settle()
    assert (case.statuses, case.state) == (["200"] * 3, "idle")


async def test_a_bug_in_the_server_is_a_500() -> None:
    """The client does not wait for ever for an answer."""
    reviews = Reviews()
    case = connected(reviews)
    await case.receive(request("one"))
    reviews.fails = True
    await case.receive(request("two"))
    assert (case.statuses, case.state) == (["200", "500"], "closing")

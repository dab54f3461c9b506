"""The ASGI application by itself: what a real server cannot be brought to do in a test."""

import asyncio
import gc
import json
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any

import pytest

from webhook.core.decision import Decision
from webhook.logs import Log
from webhook.metrics import Metrics
from webhook.reviewer import Answer
from webhook.server import application
from webhook.server.application import Application
from webhook.server.lifecycle import Lifecycle

HEADERS = [(b"content-type", b"application/json")]


class Review:
    """A reviewer that remembers."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.collecting: list[bool] = []
        self.answer = Answer(200, b"{}", Decision("denied", "invalid-annotation"))

    def __call__(self, body: bytes | bytearray, *, timeout: float) -> Awaitable[Answer]:
        self.bodies.append(bytes(body))
        self.collecting.append(gc.isenabled())
        return self._later()

    async def _later(self) -> Answer:
        return self.answer


class Exchange:
    """An application, and what it sends for one request."""

    def __init__(self, *, lifecycle: Lifecycle | None = None, budget: int = 2 * 1024 * 1024) -> None:
        self.review = Review()
        self.metrics = Metrics(version="1")
        self.written: list[bytes] = []
        self.application = Application(
            self.review,
            metrics=self.metrics,
            log=Log(write=self.written.append),
            lifecycle=lifecycle or Lifecycle(started=True),
            budget=budget,
        )
        self.sent: list[Any] = []

    async def ask(self, *messages: tuple[bytes, bool], **scope: Any) -> int:
        """Send a body in pieces, each with whether there is more; the status of the answer, 0 without one."""
        pieces = [{"type": "http.request", "body": body, "more_body": more} for body, more in messages]
        self.sent = []

        async def receive() -> dict[str, Any]:
            return pieces.pop(0) if pieces else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            self.sent.append(message)

        usual = {"type": "http", "method": "POST", "path": "/mutate", "query_string": b"", "headers": HEADERS}
        await self.application({**usual, **scope}, receive, send)
        return int(self.sent[0]["status"]) if self.sent else 0

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize("lifecycle", [Lifecycle(), Lifecycle(started=True, stopped=True)], ids=["before", "after"])
async def test_before_the_start_and_after_the_end_it_says_503(lifecycle: Lifecycle) -> None:
    """With everything that makes kube-apiserver ask somebody else."""
    exchange = Exchange(lifecycle=lifecycle)
    assert await exchange.ask((b"{}", False)) == 503
    headers = dict(exchange.sent[0]["headers"])
    assert (headers[b"retry-after"], headers[b"connection"]) == (b"1", b"close")
    assert exchange.review.bodies == []
    assert exchange.value("m365wi_reviews_total", outcome="error", reason="not-ready") == 1


async def test_while_it_drains_it_reviews() -> None:
    """The end of the connection is the worker's business."""
    exchange = Exchange(lifecycle=Lifecycle(started=True, draining=True))
    assert await exchange.ask((b"{}", False)) == 200
    assert exchange.review.bodies == [b"{}"]


async def test_a_body_in_pieces_is_put_together() -> None:
    """In their order, empty ones included."""
    exchange = Exchange()
    assert await exchange.ask((b"a", True), (b"", True), (b"bc", True), (b"", False)) == 200
    assert exchange.review.bodies == [b"abc"]


async def test_a_body_in_too_many_pieces_is_413() -> None:
    """Each costs a turn of the event loop, so somebody who sends single bytes is not waited for."""
    exchange = Exchange()
    assert await exchange.ask(*[(b"x", True)] * 20_001, (b"", False)) == 413
    assert exchange.review.bodies == []
    assert exchange.value("m365wi_connections_refused_total", cause="size") == 1


@pytest.mark.parametrize("rest", [[], [(b"x" * 1_300_000, True)]], ids=["gone", "too big"])
async def test_what_a_body_held_is_given_back(rest: list[tuple[bytes, bool]]) -> None:
    """Whether its client leaves or it is refused."""
    exchange = Exchange()
    for _ in range(5):
        status = await exchange.ask((b"x" * 900_000, True), *rest)
        assert status == (503 if rest else 0)
    assert await exchange.ask((b"x" * 1_000_000, False)) == 200


async def test_a_client_that_goes_away_is_neither_answered_nor_counted() -> None:
    """It had not become a review."""
    exchange = Exchange()
    assert await exchange.ask((b"{", True)) == 0
    assert exchange.written == []
    assert exchange.value("m365wi_review_seconds_count") == 0


async def test_denials_and_errors_are_logged_as_what_they_are() -> None:
    """A denial is the webhook at work, a refusal somebody's mistake."""
    exchange = Exchange()
    await exchange.ask((b"{}", False))
    await exchange.ask((b"{}", False), method="GET")
    lines = [json.loads(line) for line in exchange.written]
    assert [(line["level"], line["outcome"], line["status"]) for line in lines] == [
        ("info", "denied", 200),
        ("warning", "error", 405),
    ]


async def test_a_request_to_another_path_is_not_a_review() -> None:
    """A scan of paths fills neither the log nor the metrics."""
    exchange = Exchange()
    assert await exchange.ask((b"{}", False), path="/admin") == 404
    assert exchange.written == []
    assert exchange.value("m365wi_review_seconds_count") == 0


async def test_no_other_protocol_is_spoken() -> None:
    """The worker never asks for one."""
    with pytest.raises(ValueError, match="websocket is not served"):
        await Exchange().application({"type": "websocket"}, None, None)  # type: ignore[arg-type]


async def test_a_small_review_passes_large_ones_that_wait() -> None:
    """Ten of them are asked first, and only one of these can have begun."""
    exchange = Exchange(budget=64 * 1024 * 1024)
    large = b'{"x":"' + b"x" * 100_000 + b'"}'
    tasks = [asyncio.create_task(exchange.ask((large, False))) for _ in range(10)]
    tasks.append(asyncio.create_task(exchange.ask((b"{}", False))))
    await asyncio.gather(*tasks)
    assert exchange.review.bodies.index(b"{}") <= 1
    assert len(exchange.review.bodies) == 11


async def test_garbage_is_not_collected_while_a_large_body_is_parsed() -> None:
    """That took most of the time of a body of many lists. A usual review needs no such care."""
    exchange = Exchange()
    await exchange.ask((b"{}", False))
    await exchange.ask((b"x" * 100_000, False))
    assert (exchange.review.collecting, gc.isenabled()) == ([True, False], True)


@pytest.mark.parametrize(
    ("status", "level"), [(200, "info"), (400, "warning"), (499, "warning"), (500, "error"), (503, "error")]
)
async def test_the_level_of_a_line_is_that_of_the_status(status: int, level: str) -> None:
    """A decision is information, a mistake of the client a warning, one of ours an error."""
    exchange = Exchange()
    exchange.review.answer = Answer(status, b"x", Decision("error", "internal"))
    assert await exchange.ask((b"{}", False)) == status
    assert [json.loads(line)["level"] for line in exchange.written] == [level]


async def test_decisions_always_have_their_line_and_refusals_have_50_at_once() -> None:
    """Whoever reaches the port can be refused as often as it likes."""
    exchange = Exchange()
    for _ in range(60):
        await exchange.ask((b"{}", False))
        await exchange.ask((b"{}", False), method="GET")
    statuses = [json.loads(line)["status"] for line in exchange.written]
    assert (statuses.count(200), statuses.count(405)) == (60, 50)


async def test_a_line_has_milliseconds_with_three_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the whole review, and of the look-up."""
    exchange, now = Exchange(), iter([1.0, 1.0, 1.0123456])
    monkeypatch.setattr(application, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    exchange.review.answer = exchange.review.answer._replace(seconds_lookup=0.0043219)
    await exchange.ask((b"{}", False))
    line = json.loads(exchange.written[0])
    assert (line["ms"], line["lookup_ms"]) == (12.346, 4.322)


async def test_a_large_answer_comes_in_pieces_of_64_kib_at_once() -> None:
    """A transport keeps what it is given, so it is given little at a time."""
    exchange = Exchange()
    exchange.review.answer = exchange.review.answer._replace(body=b"x" * 150_000)
    async with asyncio.timeout(0.9):
        assert await exchange.ask((b"{}", False)) == 200
    assert [len(message["body"]) for message in exchange.sent[1:]] == [65536, 65536, 150_000 - 2 * 65536, 0]
    assert [message.get("more_body", False) for message in exchange.sent[1:]] == [True, True, True, False]


async def test_an_answer_that_has_no_room_is_503() -> None:
    """Its client asks again; the review has been decided, but is counted as what its client saw."""
    exchange = Exchange(budget=100_000)
    exchange.review.answer = exchange.review.answer._replace(body=b"x" * 100_001)
    assert await exchange.ask((b"{}", False)) == 503
    assert [json.loads(line)["reason"] for line in exchange.written] == ["not-ready"]
    assert exchange.value("m365wi_connections_refused_total", cause="memory") == 1


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (b"application/json", 200),
        (b"application/json; charset=utf-8", 200),
        (b" Application/JSON ;x", 200),
        (b"application/jsonx", 415),
        (b"text/plain", 415),
        (b"", 415),
    ],
)
async def test_a_review_is_json(content_type: bytes, status: int) -> None:
    """With any parameters."""
    assert await Exchange().ask((b"{}", False), headers=[(b"content-type", content_type)]) == status


@pytest.mark.parametrize(
    ("length", "status"),
    [(b"7340032", 200), (b"7340033", 413), (b"99999999", 413), (b"0" * 5000 + b"2", 200), (b"0" * 5000, 200)],
)
async def test_a_body_that_is_announced_as_too_big_is_not_read(length: bytes, status: int) -> None:
    """Zeros before a number do not count, and Python reads no number of 5000 digits."""
    exchange = Exchange()
    assert await exchange.ask((b"{}", False), headers=[*HEADERS, (b"content-length", length)]) == status
    assert exchange.value("m365wi_connections_refused_total", cause="size") == (status == 413)
    assert exchange.review.bodies == ([b"{}"] if status == 200 else [])


@pytest.mark.parametrize("when", ["called", "awaited"])
async def test_an_error_of_the_reviewer_is_500(when: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its client gets no traceback; the log does."""
    exchange = Exchange()

    def fails(body: bytes | bytearray, *, timeout: float) -> Awaitable[Answer]:
        if when == "called":
            raise RuntimeError("ours")
        return later()

    async def later() -> Answer:
        raise RuntimeError("ours")

    exchange.application._review = fails
    assert await exchange.ask((b"{}", False)) == 500
    assert exchange.sent[1]["body"] == b"internal error: see the webhook's log\n"
    assert "RuntimeError: ours" in caplog.text

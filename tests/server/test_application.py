"""The ASGI application by itself: what a real server cannot be brought to do in a test."""

import asyncio
import gc
import json
from collections.abc import Awaitable
from typing import Any

import pytest

from webhook.core.decision import Decision
from webhook.logs import Log
from webhook.metrics import Metrics
from webhook.reviewer import Answer
from webhook.server.application import Application
from webhook.server.lifecycle import Lifecycle

HEADERS = [(b"content-type", b"application/json")]


class Review:
    """A reviewer that remembers."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.collecting: list[bool] = []

    def __call__(self, body: bytes | bytearray, *, timeout: float) -> Awaitable[Answer]:
        self.bodies.append(bytes(body))
        self.collecting.append(gc.isenabled())
        return self._later()

    async def _later(self) -> Answer:
        return Answer(200, b"{}", Decision("denied", "invalid-annotation"))


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
    """There was no review."""
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

"""The review endpoint: a small ASGI application that knows HTTP, and nothing of pods.

It answers, in the order in which it finds out:

    found                                        status   with
    a path that is not ours                      404      Connection: close
    a method other than POST                     405      Allow: POST, Connection: close
    not started yet, or already stopped          503      Retry-After: 1, Connection: close
    a content type other than application/json   415      Connection: close
    more than 7 MiB, announced or sent           413      Connection: close
    a body that takes too much memory, parsed    413      Connection: close
    too many big bodies or answers at once       503      Retry-After: 1, Connection: close
    too slow: more than 10 s for head and body   408      Connection: close, from `webhook.server.connection`
    not HTTP                                     4xx      Connection: close, from `webhook.server.connection`
    not an AdmissionReview about a new pod       400
    the ServiceAccount could not be read         503      Retry-After: 1
    our bug                                      500
    anything else: a decision                    200      an AdmissionReview

Everything but 200 is one line of text. After a 503 with Retry-After kube-apiserver calls again, within its own timeout;
for everything else failurePolicy decides. The first five lines are settled before the body is read. While the server
drains, requests are answered as before, with `Connection: close` (`webhook.server.worker_life`).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from webhook.logs import Log
from webhook.metrics import Metrics
from webhook.reviewer import INTERNAL, Answer, Apart
from webhook.server.asgi import CLOSE, Headers, Receive, Scope, Send
from webhook.server.bodies import BUDGET, MAX_BODY, SMALL_ANSWER, Bodies, Lean, NoRoom, TooBig, whole
from webhook.server.deadlines import Timeouts
from webhook.server.known_heads import KnownHead, Later
from webhook.server.large_reviews import LargeReviews
from webhook.server.lifecycle import Lifecycle
from webhook.server.line_rate import LineRate
from webhook.server.spans import ReviewSpan, ReviewSpans, begin

PATHS: Final = ("/mutate", "/mutate-v1-pod")

_MAX_BODY_DIGITS: Final = len(str(MAX_BODY))  # of a length; nearly all have fewer, and need not be read
_PIECE: Final = 64 * 1024  # of an answer: what a transport takes before it waits for its client

_log = logging.getLogger("webhook")


class Review(Protocol):
    """Answers the body of a call within `timeout` seconds (`webhook.reviewer`)."""

    def __call__(self, body: bytes | bytearray, *, timeout: float) -> Answer | Awaitable[Answer]:
        """The answer, or what to await for it. Raises nothing but CancelledError."""


class LargeReview(Protocol):
    """Answers the body of a call that takes long, within `timeout` seconds."""

    def __call__(self, body: bytes | bytearray, *, timeout: float, apart: Apart) -> Awaitable[Answer]:
        """The answer. What takes long is done by `apart`. Raises nothing but CancelledError."""


class Application:
    """The ASGI application.

    It does not wait before it has yielded once, by `asyncio.sleep(0)`, unless its client makes it wait for the body.
    Until then it needs no task, and most reviews never do (`webhook.server.connection`).

    review: answers a body. large: answers a large one, by default as `review` does. lean: leaves out of a large body
    what is not needed. spans: of the reviews, if they are traced. budget: bytes that bodies of more than 64 KiB and
    answers may hold in memory together (`webhook.server.bodies`).
    """

    needs_no_task: Final = True

    def __init__(
        self,
        review: Review,
        *,
        metrics: Metrics,
        log: Log,
        lifecycle: Lifecycle,
        paths: Sequence[str] = PATHS,
        timeouts: Timeouts | None = None,
        budget: int = BUDGET,
        spans: ReviewSpans | None = None,
        large: LargeReview | None = None,
        lean: Lean = whole,
    ) -> None:
        self._review: Review = review
        self._review_large: LargeReview = large or partial(_large, review)
        self._metrics = metrics
        self._log = log
        self._lifecycle = lifecycle
        self._paths = frozenset(paths)
        self._timeouts = timeouts or Timeouts()
        self._bodies = Bodies(budget, lean=lean)
        self._large = LargeReviews()
        self._rate = LineRate(self._left_out)
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        start = time.perf_counter()
        if scope["type"] != "http":
            raise ValueError(f"{scope['type']} is not served here")
        if scope["path"] not in self._paths:
            await _refuse(send, 404, b"not found: reviews are posted to /mutate\n")
            return
        span = begin(self._spans, scope)
        refusal = self._refusal(scope)
        if refusal:
            await self._refuse_review(send, start, span, *refusal)
            return
        seconds = self._timeouts.allowed(scope["query_string"])
        try:
            body, held = await self._bodies.read(receive)
        except TooBig:
            self._metrics.refused("size")
            await self._refuse_review(send, start, span, 413, "bad-request", _TOO_BIG)
            return
        except NoRoom:
            self._metrics.refused("memory")
            await self._refuse_review(send, start, span, 503, "not-ready", b"too many big requests at once\n", _AGAIN)
            return
        if body is None:  # the client has gone, or was too slow and has its 408
            return
        try:
            begun = time.perf_counter()
            seconds -= begun - start
            work = self._reviewed(body, seconds) if not self._large.waits(body, begun) else self._apart(body, seconds)
            answer = await self._awaited(work, begun, span)
        finally:
            del body  # before what it held is given back
            self._bodies.release(held)
        await self._answer(send, answer, start, span)

    def allowed(self, scope: Scope) -> float | None:
        """Seconds that a review with this head may take. None if it is refused because of its head."""
        if scope["path"] not in self._paths or self._refusal(scope):
            return None
        return self._timeouts.allowed(scope["query_string"])

    def at_once(self, body: bytes, head: KnownHead, traceparent: bytes) -> bytes | Later | None:
        """Answer a review whose head is allowed, as __call__ does, in one call (`webhook.server.known_heads`)."""
        start = time.perf_counter()
        if not self._lifecycle.serving or self._large.waits(body, start):
            return None
        try:
            held = self._bodies.hold(body)
        except (TooBig, NoRoom):
            return None
        span = None
        if self._spans is not None:
            span = self._spans.begin(head.request.target, traceparent, head.tracestate)
        answer = self._reviewed(body, head.seconds)
        if not isinstance(answer, Answer) or answer.status != 200 or len(answer.body) > SMALL_ANSWER:
            return partial(self._later, answer, held, start, span)
        self._bodies.release(held)
        self._large.done(start)
        self._record_answer(answer, start, span)
        return b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(answer.body), answer.body)

    async def _later(
        self, begun: Answer | Awaitable[Answer], held: int, start: float, span: ReviewSpan | None, send: Send
    ) -> None:
        """What is left to do for a review that began at `start`."""
        try:
            answer = await self._awaited(begun, start, span)
        finally:
            self._bodies.release(held)
        await self._answer(send, answer, start, span)

    def _reviewed(self, body: bytes | bytearray, seconds: float) -> Answer | Awaitable[Answer]:
        try:
            return self._review(body, timeout=max(seconds, 0.001))
        except Exception:  # noqa: BLE001 - a caller never gets a traceback
            return _failed()

    def _apart(self, body: bytes | bytearray, seconds: float) -> Awaitable[Answer]:
        return self._review_large(body, timeout=max(seconds, 0.001), apart=self._large.apart)

    async def _awaited(self, answer: Answer | Awaitable[Answer], begun: float, span: ReviewSpan | None) -> Answer:
        """The answer to a review that began at that time."""
        if not isinstance(answer, Answer):
            await asyncio.sleep(0)
            try:
                answer = await (answer if span is None else span.around(answer))
            except Exception:  # noqa: BLE001 - a caller never gets a traceback
                answer = _failed()
        self._large.done(begun)
        return answer

    def _refusal(self, scope: Scope) -> tuple[int, str, bytes, Headers] | None:
        """Status, reason, text and headers for a request whose body is not needed. None for any other."""
        if scope["method"] != "POST":
            return 405, "bad-request", b"method not allowed: reviews are posted\n", _ALLOW
        if not self._lifecycle.serving:
            return 503, "not-ready", b"not ready\n", _AGAIN
        headers = dict(scope["headers"])
        content_type, length = headers.get(b"content-type", b""), headers.get(b"content-length", b"")
        if content_type != b"application/json" and not _is_json(content_type):
            return 415, "bad-request", b"unsupported media type: expected application/json\n", ()
        # The parser bounds the number, but not the zeros before it, and Python reads at most 4300 digits.
        if len(length) >= _MAX_BODY_DIGITS and int(length.lstrip(b"0") or b"0") > MAX_BODY:
            self._metrics.refused("size")
            return 413, "bad-request", _TOO_BIG, ()
        return None

    async def _answer(self, send: Send, answer: Answer, start: float, span: ReviewSpan | None) -> None:
        status, content = answer.status, answer.body
        try:
            held = self._bodies.hold_answer(len(content))
        except NoRoom:
            self._metrics.refused("memory")
            await self._refuse_review(send, start, span, 503, "not-ready", b"too many big answers at once\n", _AGAIN)
            return
        headers = [_JSON if status == 200 else _TEXT, (b"content-length", b"%d" % len(content))]
        if answer.retry_after is not None:
            headers.append((b"retry-after", b"%d" % answer.retry_after))
        self._record_answer(answer, start, span)  # first, so that the metrics have what a client has
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if not held:
            await send({"type": "http.response.body", "body": content})
            return
        # In pieces, because a transport keeps all that it is given at once, even if its client does not read.
        try:
            await asyncio.sleep(0)
            for position in range(0, len(content), _PIECE):
                piece = content[position : position + _PIECE]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            self._bodies.release_answer(held)
        await send({"type": "http.response.body", "body": b""})

    async def _refuse_review(
        self,
        send: Send,
        start: float,
        span: ReviewSpan | None,
        status: int,
        reason: str,
        text: bytes,
        headers: Headers = (),
    ) -> None:
        self._record("error", reason, status, start, span)
        await _refuse(send, status, text, headers)

    def _left_out(self, reason: str, count: int) -> None:
        self._log.line("warning", "lines about refused reviews were left out", reason=reason, count=count)

    def _record_answer(self, answer: Answer, start: float, span: ReviewSpan | None) -> None:
        decision = answer.decision
        self._record(
            decision.outcome,
            decision.reason,
            answer.status,
            start,
            span,
            answer,
            uid=answer.uid,
            namespace=answer.namespace,
            pod=answer.pod,
            account=answer.account,
            dry_run=answer.dry_run,
            warnings=[str(warning) for warning in decision.warnings],
            lookup_ms=round(answer.seconds_lookup * 1000, 3),
        )

    def _record(
        self,
        outcome: str,
        reason: str,
        status: int,
        start: float,
        span: ReviewSpan | None,
        answer: Answer | None = None,
        /,  # otherwise Python compares the name of each value with each of these, which takes 1 % of a review
        **values: Any,
    ) -> None:
        """Count a review and log it. Decisions always have a line; refusals have as many as LineRate allows.

        A review has a span if it has a line.
        """
        seconds = time.perf_counter() - start
        self._metrics.review(outcome, reason, seconds)
        level = "info" if status == 200 else "warning" if status < 500 else "error"
        ms = round(seconds * 1000, 3)
        quiet = status != 200 and not self._rate.allows(reason)
        if span is not None and (span.begun or not quiet):
            trace = span.end(outcome, reason, status, answer)
            values |= {"trace_id": trace} if trace else {}
        if quiet:
            return
        self._log.line(level, "review", outcome=outcome, reason=reason, status=status, ms=ms, **values)


_JSON: Final = (b"content-type", b"application/json")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_ALLOW: Final = ((b"allow", b"POST"),)
_AGAIN: Final = ((b"retry-after", b"1"),)
_TOO_BIG: Final = b"the body is larger than 7 MiB, or has too many values\n"


async def _large(review: Review, body: bytes | bytearray, *, timeout: float, apart: Apart) -> Answer:
    answer = await apart(review, body, timeout=timeout)
    return answer if isinstance(answer, Answer) else await answer


def _failed() -> Answer:
    """Called with the error that is being handled."""
    _log.exception("a review could not be answered")
    return Answer(500, b"internal error: see the webhook's log\n", INTERNAL)


def _is_json(content_type: bytes) -> bool:
    return content_type.partition(b";")[0].strip().lower() == b"application/json"


async def _refuse(send: Send, status: int, text: bytes, headers: Headers = ()) -> None:
    """Answer without having read the body, and end the connection.

    The closing TLS layer reads and drops what the client still sends, for `Limits.shutdown` seconds. Closing at once
    would reset the connection, and the reset can overtake the answer.
    """
    await _send(send, status, text, (*headers, CLOSE))


async def _send(send: Send, status: int, text: bytes, headers: Headers) -> None:
    start = [_TEXT, (b"content-length", b"%d" % len(text)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": text})

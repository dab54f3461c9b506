"""The review endpoint: a small ASGI application that knows HTTP and nothing of pods.

What is answered, in the order in which it is found out:

    found                                        status   with
    a path that is not ours                      404      Connection: close
    a method other than POST                     405      Allow: POST, Connection: close
    not started yet, or already stopped          503      Retry-After: 1, Connection: close
    a content type other than application/json   415      Connection: close
    more than 7 MiB, announced or sent           413      Connection: close
    too many big bodies in memory at once        503      Retry-After: 1, Connection: close
    too slow: more than 10 s for head and body   408      Connection: close, from `webhook.server.connection`
    no HTTP                                      4xx      Connection: close, from gunicorn
    no AdmissionReview about a new pod           400
    the ServiceAccount could not be read         503      Retry-After: 1
    our bug                                      500
    anything else: a decision                    200      an AdmissionReview

Everything but 200 is one line of text. After a 503 with Retry-After kube-apiserver calls again, inside its own timeout;
for all the rest failurePolicy decides. The first five lines are settled before the body is read. While the server
drains, requests are answered as ever, with `Connection: close` (`webhook.server.process`).
"""

import logging
import time
from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final, Protocol

from webhook.logs import Log
from webhook.metrics import Metrics
from webhook.reviewer import Answer
from webhook.server.asgi import CLOSE, Headers, Receive, Scope, Send
from webhook.server.deadlines import Timeouts
from webhook.server.lifecycle import Lifecycle

PATHS: Final = ("/mutate", "/mutate-v1-pod")
MAX_BODY: Final = 7 * 1024 * 1024  # kube-apiserver takes 3 MiB from its clients, and JSON wraps it

_MAX_BODY_DIGITS: Final = len(str(MAX_BODY))  # fewer announce less, as nearly every request does
_MAX_PIECES: Final = 20_000  # of a body; an honest one of 7 MiB comes in 5 000, a packet each
_FREE_BODY: Final = 64 * 1024  # what each request may hold outside the budget, so that usual pods never wait for it
_PIECE: Final = 64 * 1024  # of an answer

_log = logging.getLogger("webhook")


class Review(Protocol):
    """Answers the body of a call within `timeout` seconds (`webhook.reviewer`)."""

    def __call__(self, body: bytes | bytearray, *, timeout: float) -> Awaitable[Answer]:
        """The answer; it raises nothing but CancelledError."""


class _TooBig(Exception):
    """A body of more than MAX_BODY bytes, or in more pieces than anybody honest sends."""


class _NoRoom(Exception):
    """A body that would take more memory than all bodies together may."""


class Application:
    """The ASGI callable.

    review: answers a body. services: entered one after the other at start and left in reverse at the end; a start that
    fails ends the process. budget: bytes that bodies of more than 64 KiB may hold in memory together
    until they are answered.
    """

    def __init__(
        self,
        review: Review,
        *,
        metrics: Metrics,
        log: Log,
        lifecycle: Lifecycle,
        paths: Sequence[str] = PATHS,
        services: Sequence[AbstractAsyncContextManager[object]] = (),
        timeouts: Timeouts | None = None,
        budget: int = 32 * 1024 * 1024,
    ) -> None:
        self._review = review
        self._metrics = metrics
        self._log = log
        self._lifecycle = lifecycle
        self._paths = frozenset(paths)
        self._services = services
        self._timeouts = timeouts or Timeouts()
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the process."""
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            raise ValueError(f"no {scope['type']} here")

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        if scope["path"] not in self._paths:
            await _refuse(send, 404, b"not found: reviews are posted to /mutate\n")
            return
        refusal = self._refusal(scope)
        if refusal:
            await self._refused(send, start, *refusal)
            return
        seconds = self._timeouts.allowed(scope["query_string"])
        try:
            body, held = await self._body(receive)
        except _TooBig:
            self._metrics.refused("size")
            await self._refused(send, start, 413, "bad-request", _TOO_BIG)
            return
        except _NoRoom:
            self._metrics.refused("memory")
            await self._refused(send, start, 503, "not-ready", b"too many big requests at once\n", _AGAIN)
            return
        try:
            if body is not None:  # else the client has gone, or was too slow and has its 408
                await self._answer(send, body, start, seconds)
        finally:
            self._budget += held

    def _refusal(self, scope: Scope) -> tuple[int, str, bytes, Headers] | None:
        """Status, reason, text and headers for a request whose body need not be read; None for any other."""
        if scope["method"] != "POST":
            return 405, "bad-request", b"method not allowed: reviews are posted\n", _ALLOW
        if not self._lifecycle.serving:
            return 503, "not-ready", b"not ready\n", _AGAIN
        content_type, length = b"", b""
        for name, value in scope["headers"]:
            if name == b"content-type":
                content_type = value
            elif name == b"content-length":
                length = value
        if content_type != b"application/json" and not _is_json(content_type):
            return 415, "bad-request", b"unsupported media type: expected application/json\n", ()
        # The parser has bounded the number, but not the zeros before it, and Python reads no more than 4300 digits.
        if len(length) >= _MAX_BODY_DIGITS and int(length.lstrip(b"0") or b"0") > MAX_BODY:
            self._metrics.refused("size")
            return 413, "bad-request", _TOO_BIG, ()
        return None

    async def _body(self, receive: Receive) -> tuple[bytes | bytearray | None, int]:
        """The body, None when the client went away, and what it holds of the budget. Raises _TooBig and _NoRoom."""
        message = await receive()
        if message["type"] == "http.request" and not message["more_body"] and len(message["body"]) <= _FREE_BODY:
            return message["body"], 0
        body, pieces, held, whole = bytearray(), 0, 0, False
        try:
            while message["type"] == "http.request":
                body += message["body"]
                pieces += 1
                if len(body) > MAX_BODY or pieces > _MAX_PIECES:
                    raise _TooBig
                more = max(len(body) - _FREE_BODY, 0) - held
                if more > self._budget:
                    raise _NoRoom
                self._budget -= more
                held += more
                if not message["more_body"]:
                    whole = True
                    return body, held
                message = await receive()
            return None, 0
        finally:
            if not whole:
                self._budget += held

    async def _answer(self, send: Send, body: bytes | bytearray, start: float, seconds: float) -> None:
        try:
            answer = await self._review(body, timeout=max(seconds - (time.perf_counter() - start), 0.001))
        except Exception:  # noqa: BLE001 - no traceback ever reaches a caller
            _log.exception("a review could not be answered")
            self._done("error", "internal", 500, start)
            await _send(send, 500, b"internal error: see the webhook's log\n", ())
            return
        status, content = answer.status, answer.body
        headers = [_JSON if status == 200 else _TEXT, (b"content-length", b"%d" % len(content))]
        if answer.retry_after is not None:
            headers.append((b"retry-after", b"%d" % answer.retry_after))
        decision = answer.decision
        # Counted and logged first: whoever has the answer finds it in the metrics.
        self._done(
            decision.outcome,
            decision.reason,
            status,
            start,
            uid=answer.uid,
            namespace=answer.namespace,
            pod=answer.pod,
            account=answer.account,
            dry_run=answer.dry_run,
            warnings=[str(warning) for warning in decision.warnings],
            lookup_ms=round(answer.seconds_lookup * 1000, 3),
        )
        await send({"type": "http.response.start", "status": status, "headers": headers})
        # In pieces, because a transport keeps all that it is given at once, whether its client reads it or not.
        last = max(len(content) - 1, 0) // _PIECE * _PIECE
        for position in range(0, last, _PIECE):
            await send({"type": "http.response.body", "body": content[position : position + _PIECE], "more_body": True})
        await send({"type": "http.response.body", "body": content[last:] if last else content})

    async def _refused(
        self, send: Send, start: float, status: int, reason: str, text: bytes, headers: Headers = ()
    ) -> None:
        self._done("error", reason, status, start)
        await _refuse(send, status, text, headers)

    def _done(self, outcome: str, reason: str, status: int, start: float, **values: Any) -> None:
        """Count a review and write its line."""
        seconds = time.perf_counter() - start
        self._metrics.review(outcome, reason, seconds)
        level = "info" if status == 200 else "warning" if status < 500 else "error"
        ms = round(seconds * 1000, 3)
        self._log.line(level, "review", outcome=outcome, reason=reason, status=status, ms=ms, **values)

    async def _live(self, receive: Receive, send: Send) -> None:
        """ASGI's lifespan: everything in `services` runs from start to end."""
        await receive()
        async with AsyncExitStack() as stack:
            try:
                for service in self._services:
                    await stack.enter_async_context(service)
            except Exception as error:  # noqa: BLE001 - whatever it is, the process ends in order
                _log.exception("the webhook cannot start")
                await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
                return
            self._lifecycle.started = True
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self._lifecycle.stopped = True
        await send({"type": "lifespan.shutdown.complete"})


_JSON: Final = (b"content-type", b"application/json")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_ALLOW: Final = ((b"allow", b"POST"),)
_AGAIN: Final = ((b"retry-after", b"1"),)
_TOO_BIG: Final = b"the body is larger than 7 MiB\n"


def _is_json(content_type: bytes) -> bool:
    return content_type.partition(b";")[0].strip().lower() == b"application/json"


async def _refuse(send: Send, status: int, text: bytes, headers: Headers = ()) -> None:
    """Answer without having read the body, and end the connection.

    What the client still sends is read and thrown away by the closing TLS layer, for `Limits.shutdown` seconds:
    closing on it at once would reset the connection, and the reset can overtake the answer.
    """
    await _send(send, status, text, (*headers, CLOSE))


async def _send(send: Send, status: int, text: bytes, headers: Headers) -> None:
    start = [_TEXT, (b"content-length", b"%d" % len(text)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": text})

"""Connections: who is let in, for how long, and how many at a time.

HTTP is parsed by gunicorn's C parser; what a client may do stands here, because nobody invited it (any pod of a cluster
can open a connection):

    TLS handshake                           `Limits.handshake` seconds, then the connection is dropped
    head and body of a request, together    `Limits.request` seconds from its first byte, then 408
    a connection that never says anything   `Limits.request` seconds
    an answer that the client does not read `Limits.request` seconds
    between two requests                    `Limits.keep_alive` seconds
    head of a request                       `_MAX_HEAD` bytes, then 431
    requests sent before an answer is read  `_MAX_AHEAD` bytes, then that answer is the last
    connections                             `Limits.connections`: the one that has waited longest makes room for a new
                                            one, those without a whole request first; if all are at work, the new one
                                            has to go

Each is counted in m365wi_connections_refused_total, and none is logged above debug level: it is the client's fault.

gunicorn_h1c 0.6.10 moves the rest of its buffer once for each chunk of a chunked body: a quarter of a megabyte of
chunks of one byte, fed at once, costs a second of this process, fed in slices 20 ms.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from gunicorn_h1c import H1CProtocol, LimitRequestHeaders, LimitRequestLine

from webhook.metrics import Metrics
from webhook.server.application import Receive, Scope, Send, State
from webhook.server.exchange import Exchange, refusal
from webhook.server.limits import Limits
from webhook.server.open_connections import Group, Ledger

_MAX_LINE: Final = 4096
_MAX_FIELDS: Final = 64
_MAX_FIELD: Final = 8190
_MAX_HEAD: Final = 32 * 1024
_MAX_AHEAD: Final = 64 * 1024
_SLICE: Final = 16 * 1024

Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger("webhook")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the connections of a listener have in common."""

    loop: asyncio.AbstractEventLoop
    application: Application
    state: State
    metrics: Metrics
    limits: Limits
    ledger: Ledger


class Connection(asyncio.Protocol):
    """One connection, and the HTTP on it."""

    def __init__(self, terms: Terms) -> None:
        self.opening: asyncio.Task[None] | None = None
        self.group: Group | None = None
        self.transport: Any = None
        self._terms = terms
        self._ledger = terms.ledger
        self._parser: Any = H1CProtocol(
            on_headers_complete=self._begin,
            on_body=self._body,
            on_message_complete=self._whole,
            limit_request_line=_MAX_LINE,
            limit_request_fields=_MAX_FIELDS,
            limit_request_field_size=_MAX_FIELD,
        )
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._head_bytes = 0
        self._ahead = bytearray()
        self._last = False
        self._closed = False
        self._unread: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[None] | None = None
        self._addresses: dict[str, Any] = {}

    def move(self, group: Group | None) -> None:
        """This connection is in `group` from now on, as its newest."""
        if self.group is not None:
            self.group.since.pop(self, None)
        self.group = group
        if group is not None:
            group.add(self)

    # What the event loop tells us.

    def connection_made(self, transport: Any) -> None:
        """The connection is open, TLS and all."""
        self.transport = transport
        self._addresses = {
            "scheme": "https" if transport.get_extra_info("ssl_object") else "http",
            "server": tuple(transport.get_extra_info("sockname")[:2]),
            "client": tuple(transport.get_extra_info("peername")[:2]),
        }
        self.move(self._ledger.receiving)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection has gone."""
        self.move(None)
        self._closed = True
        self.resume_writing()
        if self._exchange is not None:
            self._exchange.abandon()

    def data_received(self, data: bytes) -> None:
        """The client has sent something."""
        if self._closed:
            return
        if self._exchange is not None and self._exchange.whole:
            if self._last:
                return
            self._ahead += data
            if len(self._ahead) > _MAX_AHEAD:
                self._last = True
                self._ahead.clear()
            return
        self._feed(data)

    def pause_writing(self) -> None:
        """The client does not read."""
        if self._unread is None:
            loop = self._terms.loop
            self._drained = loop.create_future()
            self._unread = loop.call_later(self._terms.limits.request, self._never_read)

    def resume_writing(self) -> None:
        """It does again, or has gone."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None

    # What the parser tells us.

    def _begin(self) -> bool:
        """The head of a request is there."""
        self._head_bytes = 0
        exchange = self._exchange = Exchange(self, self._parser, self._addresses)
        self._task = self._terms.loop.create_task(self._serve(exchange))
        return False

    def _body(self, piece: bytes) -> None:
        if self._exchange is not None:
            self._exchange.feed(piece)

    def _whole(self) -> None:
        if self._exchange is not None:
            self._exchange.finish()

    def _feed(self, data: bytes | bytearray) -> None:
        """Give `data` to the parser, in slices where it looks at each byte."""
        try:
            if len(data) <= _SLICE:
                self._parser.feed(data)
            else:
                self._feed_slices(memoryview(data))
        except LimitRequestLine as error:
            self._refuse(414, str(error), "malformed")
        except LimitRequestHeaders as error:
            self._refuse(431, str(error), "malformed")
        except ValueError as error:  # each of the parser's is one
            self._refuse(400, str(error), "malformed")
        else:
            self._fed(len(data))

    def _feed_slices(self, data: memoryview) -> None:
        position = 0
        while position < len(data):
            exchange = self._exchange
            # A body with a length is not scanned, so the rest of it can go in one piece.
            step = _SLICE if exchange is None or exchange.chunked else len(data) - position
            self._parser.feed(data[position : position + step])
            position += step
            if exchange is None and self._exchange is None and position > _MAX_HEAD:
                return  # the head is too long, as `_fed` will find
            if self._parser.is_complete:
                self._ahead += data[position:]
                return

    def _fed(self, size: int) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.whole:
            self._ahead[:0] = self._parser.remaining()
            self._last = self._last or self._parser.remaining_truncated
            self.move(self._ledger.busy)
            return
        if self.group is self._ledger.idle:  # a request begins
            self.move(self._ledger.receiving)
        if exchange is None:
            self._head_bytes += size
            if self._head_bytes > _MAX_HEAD:
                self._refuse(431, f"the head of a request may have {_MAX_HEAD} bytes", "malformed")

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self._terms.application(exchange.scope, exchange.receive, exchange.send)
        except Exception:  # noqa: BLE001 - whatever it is, the client is not to wait for it
            _log.exception("the application failed")
            if exchange is self._exchange and not self._closed:
                self._refuse(500, "internal error: see the webhook's log")

    # What an exchange asks of us.

    @property
    def ending(self) -> bool:
        """Whether the answer under way is the last."""
        return self._last or self._terms.state.draining

    def write(self, data: bytes) -> None:
        """Send `data`; nothing happens once the connection has gone."""
        if not self._closed:
            self.transport.write(data)

    def hold(self, *, reading: bool) -> None:
        """Stop reading from the client, or go on."""
        if not self._closed:
            (self.transport.resume_reading if reading else self.transport.pause_reading)()

    async def drained(self) -> None:
        """Wait until the client has read most of what it was sent."""
        if self._drained is not None:
            await asyncio.shield(self._drained)

    def answered(self, exchange: Exchange, *, close: bool) -> None:
        """The answer is complete, and with `close` it was the last one."""
        if exchange is not self._exchange:
            return
        if close or self._last:
            self.close()
            return
        self._exchange = None
        self._parser.reset()
        if self._ahead:
            data, self._ahead = self._ahead, bytearray()
            self.move(self._ledger.receiving)
            self._feed(data)
        else:
            self.move(self._ledger.idle)

    # How it ends.

    def too_slow(self) -> None:
        """A request, or the first byte of one, has not come in time."""
        exchange = self._exchange
        if exchange.begun if exchange is not None else not self._head_bytes:
            self._terms.metrics.refused("timeout")
            self.close()
        else:
            self._refuse(408, "the request took too long to arrive", "timeout")

    def _never_read(self) -> None:
        self._unread = None
        self._terms.metrics.refused("timeout")
        self.abort()

    def _refuse(self, status: int, text: str, cause: str = "") -> None:
        """Answer in the application's place, and close; the application sees its client leave."""
        if cause:
            self._terms.metrics.refused(cause)
        if self._exchange is None or not self._exchange.begun:
            self.write(refusal(status, text))
        self.close()

    def close(self) -> None:
        """Close the connection once everything that was written has been sent."""
        if self._closed:
            return
        self._closed = True
        if self._exchange is not None:
            self._exchange.abandon()
        # A transport that closes waits for ever until the client has read everything; not so this group.
        self.move(self._ledger.closing)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.close()

    def abort(self) -> None:
        """Close the connection with whatever is still to be sent."""
        self.transport.abort()

    def end(self) -> None:
        """Close the connection without an answer, wherever it is."""
        group = self.group
        self.move(None)
        if self.transport is None:
            if self.opening is not None:
                self.opening.cancel()
        elif group is self._ledger.idle:
            self.close()
        else:
            self.abort()

"""Connections: who may have one, for how long, and how many at a time.

Any pod of a cluster can open a connection, so each is held to limits:

    TLS handshake                           `Limits.handshake` seconds, then the connection is dropped
    head and body of a request, together    `Limits.request` seconds from its first byte, then 408
    a connection that sends nothing         `Limits.request` seconds
    an answer that the client does not read `Limits.request` seconds, all its pauses together, and 1 s for each MiB
    between two requests                    `Limits.keep_alive` seconds
    a head, its lines and fields            `webhook.server.request_parser`, then 414 or 431
    a client that may not ask               `webhook.server.callers`, then 403 when its head has arrived
    requests sent before an answer is read  `_MAX_AHEAD` bytes, then that answer is the last
    connections                             `Limits.connections`: the one that has waited longest makes room for a new
                                            one, those without a complete request first; if all are busy, the new one
                                            is closed

Each case is counted in m365wi_connections_refused_total. None is logged above debug level: it is the client's fault.

A connection is in one of the states of `webhook.server.open_connections`:

    state      leads to    when
    opening    receiving   the handshake has succeeded
    receiving  busy        a request is complete
               closing     refused, too slow, or answered before the request was complete
    busy       idle        answered, and nothing has arrived meanwhile
               receiving   answered, and the next request has arrived, at least in part
               closing     answered for the last time
    idle       busy        a request has arrived, complete
               receiving   a request has arrived in part
               closing     too long without a request
    (any)      None        the connection has ended
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from webhook.core.messages import Message
from webhook.server.exchange import Exchange, refusal, success
from webhook.server.flow_control import FlowControl
from webhook.server.known_heads import Later
from webhook.server.open_connections import Waiting
from webhook.server.request_parser import Refused, RequestParser
from webhook.server.shared import Shared

_MAX_UNREAD: Final = 16 * 1024  # bytes that a transport holds before it says that its client does not read
_MAX_AHEAD: Final = 64 * 1024  # 20 requests as kube-apiserver sends them, which does not send any ahead

_INTERNAL: Final = "internal error: see the webhook's log"

_log = logging.getLogger("webhook")


class Connection(asyncio.Protocol):
    """One connection. opening: the task of its handshake. transport: None until that has succeeded."""

    def __init__(self, shared: Shared) -> None:
        self.opening: asyncio.Task[None] | None = None
        self.state: Waiting | None = None
        self.transport: Any = None
        self._shared = shared
        self._states = shared.connections
        self._output = FlowControl(shared.loop, shared.limits.request)
        self._parser: RequestParser | None = None  # of the request that is arriving
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None  # held here: the event loop does not hold it
        self._ahead = bytearray()
        self._last = False
        self._complete = False  # the answer is complete, and its client has not read enough of it
        self._addresses: dict[str, Any] = {}
        self._refusal: Message | None = None  # of every request, because the client may not ask

    def move(self, state: Waiting | None) -> None:
        """This connection is in `state` from now on, as its newest."""
        if self.state is not None:
            self.state.since.pop(self, None)
        self.state = state
        if state is not None:
            state.add(self)

    @property
    def _closed(self) -> bool:
        return self.state is None or self.state is self._states.closing

    # Called by the event loop

    def connection_made(self, transport: Any) -> None:
        """The connection is open, after the handshake."""
        self.transport = transport
        server, client = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        if not server or not client:  # the client has reset the connection: the kernel knows no addresses any more
            self.move(self._states.closing)
            self.abort()
            return
        self._addresses = {
            "scheme": "https" if transport.get_extra_info("ssl_object") else "http",
            "server": tuple(server[:2]),
            "client": tuple(client[:2]),
        }
        if self._shared.callers is not None:
            self._refusal = self._shared.callers.refusal(transport.get_extra_info("ssl_object"))
        transport.set_write_buffer_limits(_MAX_UNREAD)
        self.move(self._states.receiving)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection has ended."""
        self.move(None)
        self._forget_parser()
        self._output.resume()
        if self._exchange is not None:
            self._exchange.abandon()
            self._exchange = None  # the two refer to each other

    def data_received(self, data: bytes) -> None:
        """The client has sent `data`."""
        if self.state is self._states.busy:
            self._keep(data)
        elif not self._closed and not self._answered_at_once(data):
            self._parse(data)

    def pause_writing(self) -> None:
        """The client does not read fast enough."""
        self._output.pause(self._never_read)

    def resume_writing(self) -> None:
        """The client has read most of what was written."""
        self._output.resume()
        if self._complete and not self._closed:
            self._complete = False
            if self.ending:  # since that answer, the client is to connect again
                self.close()
            else:
                self._next()

    def _keep(self, data: bytes) -> None:
        """Keep `data` until the answer under way is complete."""
        if self._last:
            return
        self._ahead += data
        if len(self._ahead) > _MAX_AHEAD:
            self._last = True
            self._ahead.clear()

    def _parse(self, data: bytes, *, at_once: bool = True) -> None:
        """Parse `data`. at_once: a request that it completes may be answered before this returns."""
        parser = self._parser = self._parser or RequestParser()
        try:
            pieces, rest = parser.feed(data)
        except Refused as error:
            self._refuse(error.status, str(error), "malformed")
            return
        exchange, new = self._exchange, False
        if exchange is None and parser.head_complete:
            if self._refusal is not None:
                self._forbid(self._refusal)
                return
            exchange, new = Exchange(self, parser, self._addresses), True
            self._exchange = exchange
        if exchange is not None:
            for piece in pieces:
                exchange.feed(piece)
            if parser.whole:
                self._forget_parser()
                exchange.finish()
                if rest:
                    self._keep(rest)
                elif new and self._shared.known is not None:
                    self._shared.known.learn(data, parser, exchange.scope)
                if new and at_once and self._shared.needs_no_task:
                    self._start_at_once(exchange, self._serve(exchange))
                    return
                self.move(self._states.busy)
            if new:
                self._task = self._shared.loop.create_task(self._serve(exchange))
        if self.state is self._states.idle:
            self.move(self._states.receiving)

    def _answered_at_once(self, data: bytes) -> bool:
        """Answer `data` if it is one complete request whose head is known. Returns whether it was.

        Without parser, exchange and ASGI, which take a fifth of a review.
        """
        known = self._shared.known
        if known is None or self._parser is not None or self._refusal is not None or self.ending:
            return False
        found = known.find(data)
        if found is None:
            return False
        head, body, traceparent = found
        try:
            answer = known.at_once(body, head, traceparent)
        except Exception:  # noqa: BLE001 - the client must not wait for an answer that never comes
            _log.exception("the application failed")
            self._refuse(500, _INTERNAL)
            return True
        if answer is None:
            return False
        if isinstance(answer, bytes):
            self.transport.write(success(answer))
            self._answered()
        else:
            exchange = self._exchange = Exchange(self, head.request, self._addresses)
            exchange.finish()
            self._start_at_once(exchange, self._serve(exchange, answer))
        return True

    def _start_at_once(self, exchange: Exchange, serving: Coroutine[Any, Any, None]) -> None:
        """Run the application without a task, which costs 4 % of a review. If it yields, it goes on in one."""
        try:
            serving.send(None)
        except StopIteration:
            if exchange is self._exchange and not self._closed:  # its client has to read the answer first
                self.move(self._states.busy)
            return
        self.move(self._states.busy)
        self._task = self._shared.loop.create_task(serving)

    def _forget_parser(self) -> None:
        if self._parser is not None:
            self._parser.close()
            self._parser = None

    async def _serve(self, exchange: Exchange, later: Later | None = None) -> None:
        """Have the application answer. later: all that is left of that."""
        try:
            if later is not None:
                await later(exchange.send)
            else:
                await self._shared.application(exchange.scope, exchange.receive, exchange.send)
        except Exception:  # noqa: BLE001 - the client must not wait for an answer that never comes
            _log.exception("the application failed")
            if exchange is self._exchange and not self._closed and not self._complete:
                self._refuse(500, _INTERNAL)

    # Called by an exchange

    @property
    def ending(self) -> bool:
        """Whether the answer under way is the last."""
        return self._last or self._shared.lifecycle.draining

    def write(self, data: bytes) -> None:
        """Send `data`. Does nothing after the end of the connection."""
        if not self._closed:
            self.transport.write(data)

    def hold(self, *, reading: bool) -> None:
        """Stop reading from the client, or go on."""
        if not self._closed:
            (self.transport.resume_reading if reading else self.transport.pause_reading)()

    async def drained(self) -> None:
        """Wait until the client has read most of what was sent."""
        await self._output.drained()

    def answered(self, exchange: Exchange, *, close: bool) -> None:
        """The answer is complete. With `close` it was the last one."""
        if exchange is not self._exchange:
            return
        if close or self._last:
            self.close()
        else:
            self._answered()

    def _answered(self) -> None:
        """The answer is complete, and not the last."""
        if self._output.paused:  # the next answer waits, or a client that does not read would pile answers up
            self._complete = True
            self.move(self._states.busy)
        else:
            self._next()

    def _next(self) -> None:
        """Go on to the next request."""
        self._exchange = None
        self._complete = False
        self._output.answered()
        if self._ahead:
            data, self._ahead = bytes(self._ahead), bytearray()
            self.move(self._states.receiving)
            self._parse(data, at_once=False)  # or requests that came together would be answered by a recursion
        else:
            self.move(self._states.idle)

    # The end

    def too_slow(self) -> None:
        """A request, or its first byte, has not arrived in time."""
        silent = self._parser is None
        if silent or (self._exchange is not None and self._exchange.begun):
            self._shared.metrics.refused("timeout")
            self.close()
        else:
            self._refuse(408, "the request took too long to arrive", "timeout")

    def _never_read(self) -> None:
        self._shared.metrics.refused("timeout")
        self.abort()

    def _refuse(self, status: int, text: str, cause: str = "") -> None:
        """Answer instead of the application, and close. The application sees that its client has gone."""
        if cause:
            self._shared.metrics.refused(cause)
        if self._exchange is None or not self._exchange.begun:
            self.write(refusal(status, text))
        self.close()

    def _forbid(self, reason: Message) -> None:
        if self._shared.callers is not None:
            self._shared.callers.refused(reason, self._addresses["client"][0])
        self._refuse(403, str(reason), "client")

    def renew(self) -> None:
        """Have the client connect again, after the answer under way if there is one."""
        if self.state is self._states.idle:
            self.close()
        self._last = True

    def close(self) -> None:
        """Close the connection as soon as everything that was written has been sent."""
        if self._closed:
            return
        if self._exchange is not None:
            self._exchange.abandon()
        # A transport that closes waits for the client to read everything, without a limit; this state has one.
        self.move(self._states.closing)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.close()

    def abort(self) -> None:
        """Close the connection at once. What has not been sent is dropped."""
        self.transport.abort()

    def end(self) -> None:
        """Close the connection without an answer, in any state."""
        state = self.state
        if self.transport is None:
            self.move(None)
            if self.opening is not None:
                self.opening.cancel()
        elif state is self._states.idle:
            self.close()
        else:
            self.move(None)
            self.abort()

"""A connection without a socket, in a time that the test makes pass, and an application that waits for the test."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any, cast

from tests.server.fake_loop import FakeLoop
from webhook.metrics import CAUSES, Metrics
from webhook.server.connection import Connection
from webhook.server.lifecycle import Lifecycle
from webhook.server.limits import Limits
from webhook.server.open_connections import OpenConnections
from webhook.server.shared import Shared

HEAD = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n"
ANSWER = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}


class Transport:
    """Records what it is asked to do, and what is written."""

    def __init__(self, **information: Any) -> None:
        self.information = {"sockname": ("10.0.0.1", 8443), "peername": ("10.0.0.2", 5000), **information}
        self.calls: list[str] = []
        self.written = b""
        self.high = 0
        self.half_closes = False

    def get_extra_info(self, name: str) -> Any:
        return self.information.get(name)

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def can_write_eof(self) -> bool:
        return self.half_closes

    def write(self, data: bytes) -> None:
        self.written += data

    def __getattr__(self, name: str) -> Any:
        return lambda: self.calls.append(name)


class Application:
    """Answers when the test says so. seen: scopes, bodies, and `gone` for a client that went before its answer."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.seen: list[object] = []
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.seen.append("gone")
                return
            body, more = body + message["body"], message["more_body"]
        self.seen.append(body)
        await self.may_answer.wait()
        await send(ANSWER)
        await send({"type": "http.response.body", "body": b"ok"})


class Case:
    """An open connection of a listener that has no other."""

    def __init__(self, application: Any = None, transport: Transport | None = None, **members: Any) -> None:
        self.loop = cast("Any", FakeLoop())
        self.application = application or Application()
        limits = Limits(request=10, keep_alive=120, shutdown=2)
        shared = Shared(
            loop=self.loop,
            application=self.application,
            lifecycle=Lifecycle(),
            metrics=Metrics(version="1"),
            limits=limits,
            connections=OpenConnections(self.loop, limits),
        )
        self.shared = replace(shared, **members)
        self.transport = transport or Transport()
        self.connection = Connection(self.shared)
        self.connection.connection_made(self.transport)

    @property
    def state(self) -> str:
        """The name of the connection's state."""
        states = ("opening", "receiving", "busy", "idle", "closing")
        return next(
            (name for name in states if getattr(self.shared.connections, name) is self.connection.state), "none"
        )

    @property
    def refused(self) -> dict[str, float]:
        """How often each cause was counted."""
        registry, name = self.shared.metrics.registry, "m365wi_connections_refused_total"
        return {cause: n for cause in CAUSES if (n := registry.get_sample_value(name, {"cause": cause}))}

    @property
    def statuses(self) -> list[str]:
        """Of the answers that were written."""
        return re.findall(r"HTTP/1\.1 (\d+)", self.transport.written.decode())

    async def receive(self, data: bytes) -> None:
        """`data` arrives, and the application does what it can."""
        self.connection.data_received(data)
        await settle()

    async def answer(self) -> None:
        """The application answers what it has."""
        self.application.may_answer.set()
        await settle()
        self.application.may_answer.clear()


async def settle() -> None:
    """Let tasks run until each waits for the test."""
    for _ in range(10):
        await asyncio.sleep(0)

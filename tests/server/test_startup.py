"""/startupz: it waits until the replica is ready for the first time, and not for ever."""

import asyncio
from collections.abc import Callable

from webhook.metrics import Metrics
from webhook.server.asgi import Message, Scope
from webhook.server.lifecycle import Lifecycle
from webhook.server.operations import create_operations, is_ready
from webhook.server.startup import held
from webhook.server.wsgi import on_event_loop


class Probed:
    """An operations port on which pages are asked for."""

    def __init__(self, ready: Callable[[], bool], seconds: float = 60) -> None:
        pages = on_event_loop(create_operations(Lifecycle(started=True), Metrics(version="1")))
        self._application = held(pages, ready, seconds=seconds)

    async def get(self, path: str) -> int:
        """The status of the answer."""
        statuses: list[int] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope: Scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "http_version": "1.1"}
        await self._application({**scope, "scheme": "http", "headers": []}, receive, send)
        return statuses[0]


async def test_it_waits_until_the_replica_is_ready() -> None:
    """Other pages are answered meanwhile; afterwards it no longer asks."""
    ready, asked = False, asyncio.Event()

    def is_so() -> bool:
        asked.set()
        return ready

    port = Probed(is_so)
    waiting = asyncio.create_task(port.get("/startupz"))
    await asked.wait()
    assert await port.get("/readyz") == 200
    assert not waiting.done()
    ready = True
    assert await waiting == 200
    ready = False
    asked.clear()
    assert await port.get("/startupz") == 200
    assert not asked.is_set()


async def test_a_replica_that_does_not_get_ready_is_left_to_the_readiness_probe() -> None:
    """Otherwise the kubelet would start its container again and again."""
    async with asyncio.timeout(60):
        assert await Probed(lambda: False, seconds=0.2).get("/startupz") == 200


def test_ready_is_what_readyz_says() -> None:
    """The server and every check."""
    starting, started = Lifecycle(), Lifecycle(started=True)
    good, bad = {"trust": lambda: (True, "")}, {"trust": lambda: (False, "")}
    assert [is_ready(starting, good), is_ready(started, bad), is_ready(started, good)] == [False, False, True]

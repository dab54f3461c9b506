"""How long a client may leave an answer unread, in a time that the test makes pass."""

import asyncio
from typing import Any, cast

from tests.server.fake_loop import FakeLoop
from webhook.server.flow_control import FlowControl

PIECE = 1 / 16  # seconds for each further pause


class Client:
    """One that has 10 s for each answer. overdue: when its time was over."""

    def __init__(self) -> None:
        self.loop = cast("Any", FakeLoop())
        self.overdue: list[float] = []
        self.flow = FlowControl(self.loop, 10)

    def pause(self) -> None:
        """The transport holds as much as it should."""
        self.flow.pause(lambda: self.overdue.append(self.loop.now))


async def test_a_client_that_never_reads_is_overdue_once() -> None:
    """After its seconds, and not a moment before."""
    client = Client()
    client.pause()
    client.loop.move(9.99)
    assert client.overdue == []
    client.loop.move(100)
    assert client.overdue == [110]


async def test_a_client_that_reads_in_time_is_not_overdue() -> None:
    """And no timer is left of it."""
    client = Client()
    client.pause()
    client.loop.move(9)
    client.flow.resume()
    assert client.loop.waiting == []


async def test_all_pauses_of_an_answer_share_one_limit() -> None:
    """Each of them adds 1/16 s: a client that reads slowly but steadily gets a large answer."""
    client = Client()
    for _ in range(4):
        client.pause()
        client.loop.move(1)
        client.flow.resume()
        client.loop.move(1)
    client.pause()
    assert client.loop.waiting == [110 + 4 * PIECE]


async def test_the_next_answer_has_a_limit_of_its_own() -> None:
    """It begins when the transport first says that the answer is not read."""
    client = Client()
    client.pause()
    client.flow.resume()
    client.flow.answered()
    client.loop.move(50)
    client.pause()
    assert client.loop.waiting == [160]


async def test_a_second_pause_changes_nothing() -> None:
    """A transport says it once, but the limit must not depend on it."""
    client = Client()
    client.pause()
    client.pause()
    assert client.loop.waiting == [110]


async def test_it_is_paused_from_pause_to_resume() -> None:
    """To resume without a pause does nothing: so does each connection that ends."""
    client = Client()
    flow = client.flow
    flow.resume()
    states = [flow.paused]
    client.pause()
    states.append(flow.paused)
    flow.resume()
    states.append(flow.paused)
    assert states == [False, True, False]


async def test_a_writer_waits_from_pause_to_resume() -> None:
    """And not at all while the client reads."""
    client = Client()
    flow = client.flow
    await flow.drained()
    client.pause()
    writer = asyncio.create_task(flow.drained())
    await asyncio.sleep(0)
    assert not writer.done()
    flow.resume()
    await writer


async def test_a_writer_that_is_cancelled_leaves_the_others_waiting() -> None:
    """An application may give up its answer while its client does not read."""
    client = Client()
    flow = client.flow
    client.pause()
    first, second = asyncio.create_task(flow.drained()), asyncio.create_task(flow.drained())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    flow.resume()
    await second
    assert first.cancelled()

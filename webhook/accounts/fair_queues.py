"""Who may ask the source next: how many questions are under way, how many a second, and in which order.

Anybody who reaches the webhook's port can name ServiceAccounts that do not exist, thousands a second. Their questions
must neither flood the API server nor delay the look-ups of other pods. So questions wait in queues, one for each
namespace, and the queues take turns. Namespaces of which no ServiceAccount has been seen are strangers: all of them
together take turns with all the others, however many names somebody makes up.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

# Questions under way in total. kube-apiserver answers 400 reads at a time by default, for everybody; and the client has
# 100 connections, so no question waits there, where nothing is fair, and the certificates' requests find one.
MOST_UNDER_WAY: Final = 64
# For one queue, so that a slow API server leaves places to the others: a quarter.
MOST_OF_A_QUEUE: Final = 16
# For all strangers together: half.
MOST_OF_STRANGERS: Final = 32
# Questions a second that find nothing to keep, so the load on the API server is bounded: about 0.4 ms of processor time
# each, a fifth of one core. No controller creates more pods a second. Answers that are kept do not count.
RATE: Final = 500.0
# Such questions at once, before RATE holds: what a second may have.
BURST: Final = 500
# Questions in one queue. There are at most as many as connections (webhook.server.limits), each with one review at
# work; RATE answers so many in a second.
MOST_WAITING: Final = 512


class Queue(NamedTuple):
    """Questions that wait for each other.

    seen: whether this very ServiceAccount has been seen. It is likelier to exist than one that has not, so the two
    stand in different queues. strange: whether no ServiceAccount of the namespace has been seen.
    """

    namespace: str
    seen: bool = False
    strange: bool = False


class QueueFull(Exception):
    """So many questions wait in this queue that one more would not be answered in time."""


@dataclass
class Turn:
    """A question's turn. kept: whether its answer is kept, so that it does not count towards RATE."""

    kept: bool = False


class FairQueues:
    """Gives questions their turns. For one event loop."""

    def __init__(self) -> None:
        # Queues in which somebody waits, those that take the next turn first: [not strange, strange].
        self._waiting: tuple[dict[Queue, deque[asyncio.Future[None]]], ...] = ({}, {})
        self._under_way: dict[Queue, int] = {}
        self._total = [0, 0]
        self._strangers_next = False
        self._tokens = float(BURST)
        self._counted_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, queue: Queue) -> AsyncIterator[Turn]:
        """Waits for a turn in `queue`, and has it inside `async with`. Raises QueueFull at once."""
        await self._take(queue)
        turn = Turn()
        try:
            yield turn
        finally:
            self._give_back(queue, kept=turn.kept)

    async def _take(self, queue: Queue) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        questions = self._waiting[queue.strange].setdefault(queue, deque())
        if len(questions) >= MOST_WAITING:
            raise QueueFull
        questions.append(future)
        self._go_on()
        if future.done():
            return
        try:
            await future
        except asyncio.CancelledError:
            if future.cancelled():
                questions.remove(future)
                if not questions:
                    del self._waiting[queue.strange][queue]
            else:  # it got its turn and was cancelled in the same moment
                self._give_back(queue, kept=True)
            raise

    def _give_back(self, queue: Queue, *, kept: bool) -> None:
        self._total[queue.strange] -= 1
        self._under_way[queue] -= 1
        if not self._under_way[queue]:
            del self._under_way[queue]
        if kept:
            self._tokens = min(self._tokens + 1, BURST)
        self._go_on()

    def _go_on(self) -> None:
        """Gives turns as long as there is room and somebody waits."""
        self._count_tokens()
        while sum(self._total) < MOST_UNDER_WAY and (queue := self._next()):
            if self._tokens < 1:
                self._come_back()
                return
            queues = self._waiting[queue.strange]
            questions = queues.pop(queue)
            question = questions.popleft()
            if questions:
                queues[queue] = questions  # as the last one
            self._tokens -= 1
            self._total[queue.strange] += 1
            self._under_way[queue] = self._under_way.get(queue, 0) + 1
            self._strangers_next = not queue.strange
            question.set_result(None)

    def _next(self) -> Queue | None:
        """The queue that takes the next turn, if one may."""
        for strange in (self._strangers_next, not self._strangers_next):
            if strange and self._total[True] >= MOST_OF_STRANGERS:
                continue
            for queue in self._waiting[strange]:  # at most MOST_UNDER_WAY / MOST_OF_A_QUEUE of them may not
                if self._under_way.get(queue, 0) < MOST_OF_A_QUEUE:
                    return queue
        return None

    def _count_tokens(self) -> None:
        now = asyncio.get_running_loop().time()
        self._tokens = min(self._tokens + (now - self._counted_at) * RATE, BURST)
        self._counted_at = now

    def _come_back(self) -> None:
        if self._timer is None:
            seconds = max((1 - self._tokens) / RATE, 0.001)  # timers count milliseconds
            self._timer = asyncio.get_running_loop().call_later(seconds, self._come_back_now)

    def _come_back_now(self) -> None:
        self._timer = None
        self._go_on()

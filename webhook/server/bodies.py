"""Reads the bodies of requests, and bounds what they and their answers hold in memory together.

A body is charged with its bytes while it arrives, and with what it may take up once it is parsed from then until it is
decided (`cost`). If room is needed, one of those that still arrive is given up: the one that has held most for longest.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from webhook.server.asgi import Receive

MIB: Final = 1024 * 1024
MAX_BODY: Final = 7 * MIB  # kube-apiserver takes 3 MiB from its clients, and JSON wraps it
BUDGET: Final = 76 * MIB
"""Of all bodies together, and of answers."""
MOST: Final = 44 * MIB
"""Of one body, for the time that parsing it takes the interpreter: about 30 ms at most. The largest pod that a real
cluster took, of 60,000 variables, costs 33."""
RESERVED: Final = 12 * MIB  # in addition for small bodies: 200 usual pods, as many as kube-apiserver has under way
ARRIVING: Final = 40 * MIB  # of the budget for bodies that are not complete: ten of the largest that etcd takes
ANSWERS: Final = 24 * MIB  # of the budget, so that answers that are not read leave room for bodies

_MAX_PIECES: Final = 20_000  # of a body; an honest one of 7 MiB comes in 5 000, a packet each
_SMALL: Final = 64 * 1024  # bytes of a body that may use what is reserved; usual pods have 2 to 8 KiB
_TINY: Final = 8192  # bytes of a body that is not looked at: its worst is charged, which is 32 times its bytes
_ARRIVES_SECONDS: Final = 0.05  # in which an honest body arrives; until then its size alone counts, nearly
SMALL_ANSWER: Final = 64 * 1024  # bytes of an answer that are not charged: the kernel takes as many
_COSTS: Final = ((b"{", 160), (b"[", 136), (b",", 80), (b":", 64))
"""Bytes for each of these characters: a dictionary of one to five members takes 200, a list of one to four 88, a key or
a string 50, each more where it is listed. Measured, the sum is at least 0.9 times what orjson and Python take, about
1.5 times for a pod with many variables, and far more for odd text such as one key repeated: on the safe side. Lists and
commas are charged more than they take up, for their time."""
_MEMBERS: Final = (5, 3)  # so many in so many objects, of what kube-apiserver records of a pod's variables
_MORE_MEMBERS: Final = 210  # bytes for each beyond that: distinct keys take four times as long to parse as others


Lean = Callable[[bytes | bytearray], bytes | bytearray]
"""A body without what is not needed of it."""


class TooBig(Exception):
    """A body of more than MAX_BODY bytes, in more pieces than an honest client sends, or of too many values."""


class NoRoom(Exception):
    """A body or an answer that does not fit into what all of them together may hold."""


def cost(body: bytes | bytearray) -> int:
    """Bytes that `body` takes up in memory, itself and parsed, at most about."""
    size = len(body)
    if size <= _TINY:
        return size * 32
    # One character beyond 8 bits makes each of its string take 4 bytes.
    plain = body.isascii() and (b"\\" not in body or b"\\u" not in body)  # the first search is 20 times as fast
    text = size if plain else 4 * size
    counts = [body.count(character) for character, _ in _COSTS]
    members, objects = _MEMBERS
    unusual = max(objects * counts[3] - members * counts[0], 0) * _MORE_MEMBERS // objects
    return size + text + unusual + sum(count * each for count, (_, each) in zip(counts, _COSTS, strict=True))


def whole(body: bytes | bytearray) -> bytes | bytearray:
    """All of `body`."""
    return body


class _Arriving:
    """A body of which a part has arrived, the first at `since`. given_up: its room was needed."""

    __slots__ = ("data", "given_up", "since")

    def __init__(self, since: float) -> None:
        self.data = bytearray()
        self.given_up = False
        self.since = since


class Bodies:
    """Reads bodies. budget: bytes that bodies of more than 64 KiB and answers may hold together. clock: seconds.

    lean: leaves out of a body of more than 64 KiB what is not needed.
    """

    def __init__(
        self, budget: int = BUDGET, clock: Callable[[], float] = time.monotonic, *, lean: Lean = whole
    ) -> None:
        self._budget = budget
        self._lean = lean
        self._one_by_one = asyncio.Lock()
        self._clock = clock
        self._held = 0  # by all
        self._answers = 0  # of that by answers
        self._arrived = 0  # of that by bodies that are not complete
        self._arriving: dict[_Arriving, None] = {}  # the oldest first

    async def read(self, receive: Receive) -> tuple[bytes | bytearray | None, int]:
        """The body, or None if the client has gone, and what it holds of the budget. Raises TooBig and NoRoom.

        What it holds is given back by `release`; a body that was not read holds nothing.
        """
        message = await receive()
        if message["type"] == "http.request" and not message["more_body"]:
            return self._charged(message["body"])
        arriving = _Arriving(self._clock())
        self._arriving[arriving] = None
        try:
            pieces = 0
            while message["type"] == "http.request":
                pieces += 1
                self._add(arriving, message["body"])
                if pieces > _MAX_PIECES:
                    raise TooBig
                if not message["more_body"]:
                    await self._turn()
                    if arriving.given_up:
                        raise NoRoom
                    body = arriving.data
                    self._forget(arriving)
                    return self._charged(body)
                message = await receive()
            return None, 0
        finally:
            self._forget(arriving)

    async def _turn(self) -> None:
        """Wait for a turn of the loop in which no other body in pieces is charged: looking at 7 MiB takes 10 ms."""
        await asyncio.sleep(0)  # first, because only then the connection makes a task of it (server.application)
        async with self._one_by_one:
            await asyncio.sleep(0)

    def _charged(self, body: bytes | bytearray) -> tuple[bytes | bytearray, int]:
        if len(body) > _SMALL:
            body = self._lean(body)
        return body, self.hold(body)

    def hold(self, body: bytes | bytearray) -> int:
        """What a complete body holds until it is released by `release`. Raises TooBig and NoRoom."""
        needed, limit = cost(body), self._limit(len(body))
        if needed > min(limit, MOST):
            raise TooBig
        self._take(needed, limit)
        return needed

    def hold_answer(self, size: int) -> int:
        """What an answer of `size` bytes holds until it is released by `release_answer`. Raises NoRoom."""
        if size <= SMALL_ANSWER:
            return 0
        if self._answers + size > min(ANSWERS, self._budget):
            raise NoRoom
        self._take(size, self._budget)
        self._answers += size
        return size

    def release_answer(self, held: int) -> None:
        """Give back what an answer held."""
        self._held -= held
        self._answers -= held

    def release(self, held: int) -> None:
        """Give back what a body held."""
        self._held -= held

    def _limit(self, size: int) -> int:
        """What all may hold, for a body of `size` bytes."""
        return self._budget + RESERVED if size <= _SMALL else self._budget

    def _add(self, arriving: _Arriving, piece: bytes) -> None:
        if arriving.given_up:
            raise NoRoom
        if len(arriving.data) + len(piece) > MAX_BODY:
            raise TooBig
        while self._arrived + len(piece) > ARRIVING:
            self._give_up_one(arriving)
        self._take(len(piece), self._limit(len(arriving.data) + len(piece)), arriving)
        self._arrived += len(piece)
        arriving.data += piece

    def _take(self, size: int, limit: int, arriving: _Arriving | None = None) -> None:
        """Hold `size` bytes more, for `arriving` if it is not None. Bodies that arrive make room. Raises NoRoom."""
        while self._held + size > limit:
            self._give_up_one(arriving)
        self._held += size

    def _give_up_one(self, arriving: _Arriving | None) -> None:
        """Give up the body that has held most for longest. Raises NoRoom without one other than `arriving`.

        Neither the largest nor the oldest: many small bodies that never end would take the room of a larger one that is
        just arriving, and large bodies that go on arriving would take the room of small ones that came before them.
        """
        now = self._clock()
        most = max(
            self._arriving,
            key=lambda each: len(each.data) * (now - each.since + _ARRIVES_SECONDS),
            default=arriving,
        )
        if most is arriving or most is None:
            raise NoRoom
        self._forget(most)
        most.given_up = True

    def _forget(self, arriving: _Arriving) -> None:
        """Give back what the body has held while it arrived."""
        if arriving in self._arriving:
            del self._arriving[arriving]
            self._held -= len(arriving.data)
            self._arrived -= len(arriving.data)
            arriving.data = bytearray()

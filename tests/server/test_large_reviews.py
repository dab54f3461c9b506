"""Large reviews take turns; small ones do not wait for them."""

import asyncio
import gc

import pytest

from webhook.server.large_reviews import _SLOW_SECONDS, _SUSPICION_SECONDS, LargeReviews, uncollected

SMALL = b"{}" * 100
LARGE = b"x" * 65 * 1024
MANY_OBJECTS = b"{}," * 1000


async def test_large_reviews_begin_one_in_a_turn_of_the_loop() -> None:
    """In the order in which they came."""
    reviews, turn, begun = LargeReviews(), 0, dict[int, int]()

    async def review(number: int) -> None:
        await reviews.turn()
        begun[number] = turn

    tasks = [asyncio.create_task(review(number)) for number in range(10)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        turn += 1
    assert list(begun) == list(range(10))
    assert len(set(begun.values())) == 10


async def test_a_review_is_large_by_its_bytes_or_after_a_slow_one_by_its_objects() -> None:
    """Objects are counted only for a moment after a review that took long, and a usual one never waits."""
    reviews = LargeReviews(clock=lambda: 1.0)
    assert [reviews.waits(body, 1.0) for body in (SMALL, LARGE, MANY_OBJECTS)] == [False, True, False]
    reviews.done(0.996)
    assert not reviews.waits(MANY_OBJECTS, 1.0)
    reviews.done(0.994)
    assert [reviews.waits(body, 1.05) for body in (SMALL, LARGE, MANY_OBJECTS)] == [False, True, True]
    assert [reviews.waits(body, 1.2) for body in (SMALL, LARGE, MANY_OBJECTS)] == [False, True, False]


async def test_what_is_large_and_what_is_slow_is_exact() -> None:
    """64 KiB and 500 objects are usual, 5 ms are not slow, and the suspicion ends after 100 ms."""
    reviews, end = LargeReviews(clock=lambda: _SLOW_SECONDS), _SLOW_SECONDS + _SUSPICION_SECONDS
    large = (b"x" * 64 * 1024, b"x" * (64 * 1024 + 1))
    objects = (b"{" * 500, b"{" * 501)
    assert [reviews.waits(body, 0.0) for body in large] == [False, True]
    reviews.done(0.0)
    assert [reviews.waits(body, 0.0) for body in objects] == [False, False]
    reviews.done(-0.001)
    assert [reviews.waits(body, 0.0) for body in objects] == [False, True]
    assert [reviews.waits(objects[1], when) for when in (end - 0.001, end)] == [True, False]


async def test_a_review_whose_task_begins_late_waits_its_turn() -> None:
    """The server begins a review without a task, and makes one when the review first yields."""
    reviews = LargeReviews()
    begun = [reviews.turn() for _ in range(3)]
    for each in begun:
        each.send(None)
    assert len(await asyncio.gather(*map(asyncio.create_task, begun))) == 3


def test_garbage_is_not_collected_while_a_large_review_is_read() -> None:
    """A collection visits everything that has been parsed so far. It is on again afterwards, even after an error."""

    def enabled(number: int, *, error: Exception | None = None) -> tuple[int, bool]:
        states.append(gc.isenabled())
        if error is not None:
            raise error
        return number, gc.isenabled()

    states: list[bool] = []
    assert (uncollected(enabled)(7), gc.isenabled()) == ((7, False), True)
    with pytest.raises(OSError, match="away"):
        uncollected(enabled)(1, error=OSError("away"))
    assert (states, gc.isenabled()) == ([False, False], True)


async def test_a_turn_comes_at_once_and_says_when_it_begins() -> None:
    """If no other large review waits."""
    async with asyncio.timeout(0.9):
        assert await LargeReviews(clock=lambda: 7.5).turn() == 7.5

"""Large reviews are done one by one, and not on the event loop; small ones do not wait for them."""

import asyncio
import gc
import threading

import pytest

from webhook.server.large_reviews import _SLOW_SECONDS, _SUSPICION_SECONDS, LargeReviews, uncollected

SMALL = b"{}" * 100
LARGE = b"x" * 65 * 1024
MANY_OBJECTS = b"{}," * 1000


async def test_large_reviews_are_done_one_by_one_in_a_thread() -> None:
    """In the order in which they came; the event loop turns meanwhile."""
    reviews, log = LargeReviews(), list[tuple[int, str]]()
    turned = threading.Event()

    def review(number: int) -> int:
        log.append((number, "begun"))
        assert turned.wait(10)
        log.append((number, "done"))
        return threading.get_ident()

    tasks = [asyncio.create_task(reviews.apart(review, number)) for number in range(4)]
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.01, turned.set)
    threads = await asyncio.gather(*tasks)
    assert log == [(number, what) for number in range(4) for what in ("begun", "done")]
    assert threading.get_ident() not in threads


async def test_after_a_large_review_the_thread_rests_for_as_long_as_it_took() -> None:
    """Otherwise a crowd of them would leave the event loop a few turns a second."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", sleep)
        now = [0.0]
        reviews = LargeReviews(clock=lambda: now[0])

        def review(took: float) -> None:
            now[0] += took

        for took in (0.3, 0.02, 0.0):
            await reviews.apart(review, took)
            now[0] += 0.01
    assert slept == pytest.approx([0, 0.29, 0.01])


async def test_a_large_review_that_fails_fails_its_caller_alone() -> None:
    """The next one is done."""
    reviews = LargeReviews()
    with pytest.raises(ZeroDivisionError):
        await reviews.apart(divmod, 1, 0)
    assert await reviews.apart(int, "7", base=8) == 7


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


async def test_a_slow_large_review_raises_suspicion_too() -> None:
    """Its sender may know that 64 KiB are looked at."""
    now = [0.0]
    reviews = LargeReviews(clock=lambda: now[0])

    def review(took: float) -> None:
        now[0] += took

    await reviews.apart(review, 0.004)
    assert not reviews.waits(MANY_OBJECTS, now[0])
    await reviews.apart(review, 0.006)
    assert reviews.waits(MANY_OBJECTS, now[0])


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

"""The look-up of ServiceAccounts: what is kept, what is shared, what is asked again. The clock stands still here."""

import asyncio
import gc
from collections.abc import Awaitable
from typing import Any

import pytest

from tests.core.cases import CLIENT, USUAL_ANNOTATIONS
from tests.core.support import account
from webhook.accounts.cache import CachedAccounts
from webhook.accounts.source import LookupFailed
from webhook.core import names
from webhook.core.identity import Account

FOUND = account()
BARE = account({names.AZURE_TENANT_ID: "contoso.com"})
WAIT = 60.0  # seconds; no test ever waits that long


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Source:
    """A source whose questions wait until the test answers them, oldest first."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.cancelled = 0
        self._open: list[asyncio.Future[Account | None]] = []

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        self.asked.append((namespace, name))
        self.seconds = seconds
        future: asyncio.Future[Account | None] = asyncio.get_running_loop().create_future()
        self._open.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def answer(self, with_: Account | Exception | None) -> None:
        future = self._open.pop(0)
        if isinstance(with_, Exception):
            future.set_exception(with_)
        else:
            future.set_result(with_)


class Setup:
    """Cached accounts, with everything around them. What is absent may be asked for again at once, unless told."""

    def __init__(self, *, absent_seconds: float = 0.0, **options: Any) -> None:
        self.source, self.clock = Source(), Clock()
        self.counted: list[tuple[str, str]] = []
        self.accounts = CachedAccounts(
            self.source,
            clock=self.clock,
            counter=lambda *each: self.counted.append(each),
            absent_seconds=absent_seconds,
            **options,
        )

    def get(self, name: str = "terraform", namespace: str = "shop", seconds: float = WAIT) -> Awaitable[Account | None]:
        return asyncio.ensure_future(self.accounts.get(namespace, name, seconds=seconds))

    async def answered(self, with_: Account | Exception | None, name: str = "terraform") -> Account | None:
        """Asks, answers, and gives back what came."""
        asking = self.get(name)
        await settled()
        self.source.answer(with_)
        return await asking


@pytest.fixture
def setup() -> Setup:
    return Setup()


async def settled() -> None:
    """Lets every task run until it waits for something that the test has to do."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_answer_is_passed_on(setup: Setup) -> None:
    """Found, without annotation, or absent."""
    assert await setup.answered(BARE) is BARE
    assert await setup.answered(None) is None
    assert await setup.answered(FOUND) is FOUND
    assert setup.source.asked == [("shop", "terraform")] * 3


async def test_a_found_account_is_kept_for_thirty_seconds(setup: Setup) -> None:
    """Not a moment longer: then the source is asked once more."""
    await setup.answered(FOUND)
    setup.clock.now += 29.999
    assert await setup.get() is FOUND
    assert len(setup.source.asked) == 1
    setup.clock.now += 0.001
    newer = account({names.CLIENT_ID: CLIENT})
    assert await setup.answered(newer) is newer
    assert len(setup.source.asked) == 2


async def test_the_thirty_seconds_begin_when_the_answer_comes(setup: Setup) -> None:
    """And are not prolonged by use."""
    asking = setup.get()
    await settled()
    setup.clock.now += 4
    setup.source.answer(FOUND)
    await asking
    setup.clock.now += 29
    assert await setup.get() is FOUND
    setup.clock.now += 1
    assert await setup.answered(None) is None


@pytest.mark.parametrize("key", [names.AZURE_CLIENT_ID, names.CLIENT_ID])
async def test_either_client_id_makes_an_answer_worth_keeping(setup: Setup, key: str) -> None:
    """Azure's or our own."""
    await setup.answered(account({key: CLIENT}))
    assert await setup.get()
    assert len(setup.source.asked) == 1


@pytest.mark.parametrize(
    "negative",
    [None, BARE, account({}), account({names.AZURE_CLIENT_ID: " "}), account({names.CLIENT_ID: "x"})],
    ids=["absent", "no client id", "no annotation", "blank", "no GUID"],
)
async def test_a_negative_answer_is_never_kept(setup: Setup, negative: Account | None) -> None:
    """A stale no would leave a pod without its identity for ever."""
    assert await setup.answered(negative) is negative
    assert await setup.answered(FOUND) is FOUND
    assert len(setup.source.asked) == 2


@pytest.mark.parametrize(
    "annotation",
    [
        {names.AZURE_TENANT_ID: "my tenant"},
        {names.TENANT_ID: "my tenant"},
        {names.CLIENT_ID: "contoso-app"},
        {names.TOKEN_EXPIRATION: "60"},
        {names.CLOUD: "Public"},
        {names.AUTH_METHOD: "password"},
        {names.ENV: "aws"},
        {names.AUDIENCE: "two words"},
    ],
    ids=lambda annotation: next(iter(annotation)),
)
async def test_a_fixed_account_counts_at_once(setup: Setup, annotation: dict[str, str]) -> None:
    """A pod is denied for each of these mistakes, and the next one by what the ServiceAccount says then."""
    mistaken = account({**USUAL_ANNOTATIONS, **annotation})
    assert await setup.answered(mistaken) is mistaken
    assert await setup.answered(FOUND) is FOUND
    assert len(setup.source.asked) == 2


async def test_accounts_are_kept_apart(setup: Setup) -> None:
    """By namespace and name."""
    await setup.answered(FOUND)
    other, elsewhere = setup.get("other"), setup.get(namespace="elsewhere")
    await settled()
    setup.source.answer(None)
    setup.source.answer(BARE)
    assert (await other, await elsewhere) == (None, BARE)
    assert setup.source.asked == [("shop", "terraform"), ("shop", "other"), ("elsewhere", "terraform")]


async def test_callers_that_wait_for_one_account_share_one_question(setup: Setup) -> None:
    """A Deployment of a thousand pods costs one look-up."""
    waiting = [setup.get() for _ in range(1000)]
    await settled()
    assert len(setup.source.asked) == 1
    setup.source.answer(FOUND)
    assert await asyncio.gather(*waiting) == [FOUND] * 1000
    assert len(setup.source.asked) == 1
    assert setup.counted.count(("shared", "found")) == 999
    assert setup.counted.count(("live", "found")) == 1


async def test_a_negative_answer_to_an_older_question_is_not_accepted(setup: Setup) -> None:
    """The annotation may have been added between that question and this pod."""
    early = setup.get()
    await settled()
    late = [setup.get() for _ in range(10)]
    await settled()
    setup.source.answer(BARE)
    assert await early is BARE
    await settled()
    assert len(setup.source.asked) == 2, "all who came late share the second question"
    setup.source.answer(FOUND)
    assert await asyncio.gather(*late) == [FOUND] * 10
    assert len(setup.source.asked) == 2


@pytest.mark.parametrize("negative", [None, BARE], ids=["absent", "no client id"])
async def test_a_negative_answer_to_a_later_question_is_accepted(setup: Setup, negative: Account | None) -> None:
    """A caller waits for two questions at most."""
    early = setup.get()
    await settled()
    late = setup.get()
    await settled()
    setup.source.answer(None)
    await settled()
    setup.source.answer(negative)
    assert (await early, await late) == (None, negative)
    assert len(setup.source.asked) == 2


async def test_a_positive_answer_to_an_older_question_is_accepted(setup: Setup) -> None:
    """It can be no more out of date than a kept one."""
    early = setup.get()
    await settled()
    late = setup.get()
    setup.source.answer(FOUND)
    assert (await early, await late) == (FOUND, FOUND)
    assert len(setup.source.asked) == 1


async def test_a_caller_after_a_negative_answer_asks_again(setup: Setup) -> None:
    """The source has answered already, but before this pod came."""
    early = setup.get()
    await settled()
    setup.source.answer(None)
    late = setup.get()
    assert await early is None
    await settled()
    setup.source.answer(FOUND)
    assert await late is FOUND


async def test_a_caller_waits_no_longer_than_its_time(setup: Setup) -> None:
    """The deadline is the caller's own; the error names the ServiceAccount and the time."""
    with pytest.raises(LookupFailed) as caught:
        await setup.get(seconds=0)
    assert str(caught.value) == "no answer about ServiceAccount shop/terraform within 0.0 s"


async def test_a_kept_account_needs_no_time(setup: Setup) -> None:
    """Even when the deadline has passed."""
    await setup.answered(FOUND)
    assert await setup.get(seconds=0) is FOUND


async def test_a_caller_that_gives_up_does_not_affect_the_others(setup: Setup) -> None:
    """The first caller runs out of time; the question goes on."""
    first, second = setup.get(seconds=0), setup.get()
    with pytest.raises(LookupFailed):
        await first
    setup.source.answer(FOUND)
    assert await second is FOUND
    assert setup.source.cancelled == 0


async def test_a_cancelled_caller_does_not_affect_the_others(setup: Setup) -> None:
    """A caller that disconnects does not end the question, whether it asked first or joined."""
    waiting = [asyncio.ensure_future(setup.get()) for _ in range(3)]
    await settled()
    waiting[0].cancel()
    waiting[2].cancel()
    await settled()
    setup.source.answer(FOUND)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results[1] is FOUND
    assert isinstance(results[0], asyncio.CancelledError)
    assert isinstance(results[2], asyncio.CancelledError)
    assert setup.source.cancelled == 0


async def test_an_answer_without_a_caller_is_kept_too(setup: Setup) -> None:
    """kube-apiserver will ask again."""
    with pytest.raises(LookupFailed):
        await setup.get(seconds=0)
    setup.source.answer(FOUND)
    await settled()
    assert await setup.get() is FOUND
    assert len(setup.source.asked) == 1


async def test_a_failure_without_a_caller_is_not_reported_by_asyncio(setup: Setup) -> None:
    """asyncio would complain of an exception that was never retrieved as soon as its task is thrown away."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
    with pytest.raises(LookupFailed):
        await setup.get(seconds=0)
    setup.source.answer(LookupFailed("late"))
    await settled()
    assert await setup.answered(FOUND) is FOUND
    gc.collect()
    assert complaints == []


async def test_a_failure_reaches_all_callers(setup: Setup) -> None:
    """All callers that share a question get the same error."""
    waiting = [setup.get() for _ in range(3)]
    await settled()
    setup.source.answer(LookupFailed("the API server is away"))
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(each) for each in results] == ["the API server is away"] * 3


@pytest.mark.parametrize("error", [LookupFailed("away"), RuntimeError("our bug")])
async def test_a_failure_is_not_kept(setup: Setup, error: Exception) -> None:
    """The next one asks again."""
    with pytest.raises(type(error)):
        await setup.answered(error)
    assert await setup.answered(FOUND) is FOUND


async def test_a_failure_does_not_remove_kept_accounts(setup: Setup) -> None:
    """A failure concerns its own account only."""
    await setup.answered(FOUND)
    with pytest.raises(LookupFailed):
        await setup.answered(LookupFailed("away"), "other")
    assert await setup.get() is FOUND


async def test_a_look_up_that_hangs_is_counted_once() -> None:
    """Its caller and its question run out of time together, and are one look-up."""
    setup = Setup(request_seconds=0.0)
    with pytest.raises(LookupFailed):
        await setup.get(seconds=0)
    await settled()
    assert setup.source.cancelled == 1
    assert setup.counted == [("live", "failed")]


@pytest.mark.parametrize("error", [LookupFailed("away"), RuntimeError("our bug")])
async def test_a_failure_is_counted_for_each_caller(setup: Setup, error: Exception) -> None:
    """Like an answer: once as live, then as shared."""
    waiting = [setup.get() for _ in range(3)]
    await settled()
    setup.source.answer(error)
    await asyncio.gather(*waiting, return_exceptions=True)
    assert sorted(setup.counted) == [("live", "failed"), ("shared", "failed"), ("shared", "failed")]


async def test_look_ups_are_counted_by_source_and_result(setup: Setup) -> None:
    """For m365wi_account_lookups_total."""
    await setup.answered(None)
    await setup.answered(BARE)
    with pytest.raises(LookupFailed):
        await setup.answered(LookupFailed("away"))
    with pytest.raises(LookupFailed):
        await setup.get("other", seconds=0)
    setup.source.answer(None)  # no review waits for it any more, and the look-up has been counted
    await setup.answered(FOUND)
    await setup.get()
    assert setup.counted == [
        ("live", "absent"),
        ("live", "unannotated"),
        ("live", "failed"),
        ("live", "failed"),
        ("live", "found"),
        ("cache", "found"),
    ]


async def test_the_source_is_told_how_long_it_may_take() -> None:
    """A time of its own, because others may wait for the same answer longer than the first."""
    setup = Setup(request_seconds=7.0)
    asking = setup.get(seconds=1)
    await settled()
    assert setup.source.seconds == 7.0
    setup.source.answer(FOUND)
    await asking


async def test_the_number_of_kept_accounts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is dropped if there are too many."""
    monkeypatch.setattr("webhook.accounts.cache._MOST_KEPT", 2)
    setup = Setup()
    for name in ("a", "b", "c"):
        await setup.answered(account(name=name), name)
    await setup.get("b")
    await setup.get("c")
    assert len(setup.source.asked) == 3
    await setup.answered(account(name="a"), "a")
    assert len(setup.source.asked) == 4


async def test_a_source_that_never_answers_is_asked_again() -> None:
    """A source should answer or fail within its time. If one does not, callers do not wait for it until a restart."""
    setup = Setup(request_seconds=0.0)
    with pytest.raises(LookupFailed):
        await setup.get(seconds=0)
    await settled()
    asking = asyncio.ensure_future(setup.get())
    await settled()
    asked = len(setup.source.asked)
    asking.cancel()
    assert asked == 2

"""Look-ups beside a flood of names: how many are under way, how many a second, whose turn it is. Time is virtual."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.cluster.kubeconfig import Access, render
from testbed.cluster.pki import Authority
from tests.accounts.virtual_time import now, run
from tests.core.cases import USUAL_ANNOTATIONS
from webhook.accounts import fair_queues
from webhook.accounts.cache import ABSENT_SECONDS, KEPT_SECONDS, CachedAccounts, TooManyLookups
from webhook.accounts.fair_queues import FairQueues, Queue, QueueFull
from webhook.accounts.source import LookupFailed
from webhook.cluster.kube import Kube
from webhook.core.identity import Account

QUICK = 0.002  # seconds that a usual API server takes
SLOW = 1.0
WAIT = 9.5  # seconds; what a review has of kube-apiserver's 10
TURN = 0.005  # seconds: "a few milliseconds", in addition to the question itself
CALLERS = 400  # strangers, each with one question at a time, as many as find a connection


class ApiServer:
    """A source that takes `seconds` for each answer. real: the ServiceAccounts that exist."""

    def __init__(self, seconds: float, *real: tuple[str, str]) -> None:
        self.seconds = seconds
        self.real = {key: Account(*key, USUAL_ANNOTATIONS) for key in real}
        self.asked: list[tuple[float, str, str]] = []
        self.under_way = self.most_under_way = 0

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        self.asked.append((now(), namespace, name))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.seconds)
            return self.real.get((namespace, name))
        finally:
            self.under_way -= 1


class Scene:
    """Cached accounts with an API server behind them, and what is counted."""

    def __init__(self, seconds: float, *real: tuple[str, str]) -> None:
        self.server = ApiServer(seconds, *real)
        self.counted: list[tuple[str, str]] = []
        self.accounts = CachedAccounts(
            self.server, clock=now, counter=lambda source, result: self.counted.append((source, result))
        )

    async def get(self, namespace: str, name: str, seconds: float = WAIT) -> tuple[Account | None, float]:
        """The answer, and the seconds that it took."""
        start = now()
        return await self.accounts.get(namespace, name, seconds=seconds), now() - start

    async def flood(self, namespace: Callable[[int], str], callers: int = CALLERS) -> list[asyncio.Task[None]]:
        """Callers that make up a name, wait for the answer and make up the next; each namespace by a number."""
        numbers = itertools.count()

        async def ask() -> None:
            while True:
                number = next(numbers)
                try:
                    await self.accounts.get(namespace(number), f"made-up-{number}", seconds=WAIT)
                except LookupFailed:
                    await asyncio.sleep(QUICK)

        tasks = [asyncio.ensure_future(ask()) for _ in range(callers)]
        await asyncio.sleep(3.3)  # until the burst is used up
        return tasks


async def beside_a_flood(scene: Scene, namespace: Callable[[int], str], ask: Callable[[], Awaitable[Any]]) -> Any:
    """What `ask` returns while strangers make up names."""
    tasks = await scene.flood(namespace)
    try:
        return await ask()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("seconds", [QUICK, SLOW])
def test_a_flood_in_one_namespace_does_not_delay_another(seconds: float) -> None:
    """A ServiceAccount that no caller has asked for before is found in the time of its own question."""

    async def scenario() -> None:
        scene = Scene(seconds, *[("shop", f"app-{number}") for number in range(20)])
        took = await beside_a_flood(scene, lambda _: "evil", lambda: ask_for_all(scene))
        assert max(took) <= seconds + TURN

    async def ask_for_all(scene: Scene) -> list[float]:
        return [(await found(scene, "shop", f"app-{number}")) for number in range(20)]

    run(scenario())


@pytest.mark.parametrize("seconds", [QUICK, SLOW])
@pytest.mark.parametrize("name", ["first", "another"])
def test_a_flood_of_namespaces_does_not_delay_one_that_has_been_seen(seconds: float, name: str) -> None:
    """However many are made up; and it may be another of its ServiceAccounts that has been seen."""

    async def scenario() -> None:
        scene = Scene(seconds, ("shop", "first"), ("shop", "another"))
        await scene.get("shop", "first")
        await asyncio.sleep(KEPT_SECONDS)
        took = await beside_a_flood(scene, lambda number: f"n{number}", lambda: found(scene, "shop", name))
        assert took <= seconds + TURN

    run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [QUICK, SLOW])
def test_a_flood_does_not_delay_accounts_of_its_namespace_that_have_been_seen(seconds: float) -> None:
    """It has a client id or none: that it exists is enough."""

    async def scenario() -> None:
        scene = Scene(seconds, ("shop", "app"), ("shop", "default"))
        scene.server.real["shop", "default"] = Account("shop", "default", {})
        await scene.get("shop", "app")
        await scene.get("shop", "default")
        await asyncio.sleep(KEPT_SECONDS)
        for name in ("app", "default"):
            took = await beside_a_flood(scene, lambda _: "shop", partial(found, scene, "shop", name))
            assert took <= seconds + TURN

    run(scenario())


def test_a_new_account_in_the_flooded_namespace_is_found_in_time() -> None:
    """It waits with the names that are made up, and is found all the same."""

    async def scenario() -> None:
        scene = Scene(QUICK, ("shop", "new"))
        took = await beside_a_flood(scene, lambda _: "shop", lambda: found(scene, "shop", "new"))
        assert took <= fair_queues.MOST_WAITING / fair_queues.RATE + QUICK + TURN

    run(scenario())


async def found(scene: Scene, namespace: str, name: str) -> float:
    """The seconds until the ServiceAccount was found."""
    account, seconds = await scene.get(namespace, name)
    assert account is scene.server.real[namespace, name]
    return seconds


@pytest.mark.slow
@pytest.mark.parametrize("namespace", [lambda _: "evil", lambda number: f"n{number}"], ids=["one", "many"])
def test_the_api_server_gets_no_more_than_the_rate(namespace: Callable[[int], str]) -> None:
    """For ten seconds, counted in each of them."""

    async def scenario() -> None:
        scene = Scene(QUICK)
        await beside_a_flood(scene, namespace, lambda: asyncio.sleep(10))
        for second in range(4, 13):
            asked = sum(second <= moment < second + 1 for moment, _, _ in scene.server.asked)
            assert 0.9 * fair_queues.RATE <= asked <= fair_queues.RATE + 1

    run(scenario())


@pytest.mark.parametrize(
    ("namespace", "most"),
    [(lambda _: "evil", fair_queues.MOST_OF_A_QUEUE), (lambda number: f"n{number}", fair_queues.MOST_OF_STRANGERS)],
    ids=["one", "many"],
)
def test_a_slow_api_server_gets_few_questions_at_once(namespace: Callable[[int], str], most: int) -> None:
    """Those of one namespace leave places to the others, and so do all strangers together."""

    async def scenario() -> None:
        scene = Scene(SLOW)
        await beside_a_flood(scene, namespace, lambda: asyncio.sleep(10))
        assert scene.server.most_under_way == most

    run(scenario())


def test_questions_under_way_are_bounded_in_total() -> None:
    """Even if every one is about a namespace that has been seen."""

    async def scenario() -> None:
        real = [(f"n{number}", name) for number in range(200) for name in ("first", "second")]
        scene = Scene(SLOW, *real)
        await asyncio.gather(*(scene.get(namespace, name, 600) for namespace, name in real if name == "first"))
        await asyncio.gather(*(scene.get(namespace, name, 600) for namespace, name in real if name == "second"))
        assert scene.server.most_under_way == fair_queues.MOST_UNDER_WAY
        assert len(scene.server.asked) == len(real)

    run(scenario())


@pytest.mark.slow
def test_answers_that_are_kept_do_not_count_towards_the_rate() -> None:
    """A cluster that starts again asks for thousands of ServiceAccounts that exist."""

    async def scenario() -> None:
        real = [(f"n{number % 50}", f"app-{number}") for number in range(5000)]
        scene = Scene(QUICK, *real)
        results = await asyncio.gather(*(scene.get(*key) for key in real))
        assert all(account for account, _ in results)
        assert now() < 1, "ten times the rate"

    run(scenario())


def test_a_line_that_is_too_long_is_refused_at_once() -> None:
    """And counted as limited; another queue is open."""

    async def scenario() -> None:
        scene = Scene(SLOW, ("shop", "app"))
        room = fair_queues.MOST_WAITING + fair_queues.MOST_OF_A_QUEUE
        waiting = [asyncio.ensure_future(scene.get("evil", f"n{number}", 600)) for number in range(room)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyLookups, match="no answer about ServiceAccount evil/one-more: too many look-ups"):
            await scene.get("evil", "one-more")
        assert now() == 0
        assert scene.counted == [("live", "limited")]
        assert (await scene.get("shop", "app"))[0]
        await asyncio.gather(*waiting)

    run(scenario())


def test_a_question_that_nobody_waits_for_any_more_is_not_asked() -> None:
    """Callers whose time is over leave nothing to do; they are counted as limited."""

    async def scenario() -> None:
        scene = Scene(SLOW)
        room = fair_queues.MOST_OF_A_QUEUE
        first = [asyncio.ensure_future(scene.get("evil", f"n{number}")) for number in range(room)]
        others = [asyncio.ensure_future(scene.get("evil", f"n{number}", 0.5)) for number in range(room, 100)]
        results = await asyncio.gather(*others, return_exceptions=True)
        assert all(isinstance(each, LookupFailed) for each in results)
        assert str(results[-1]) == "no answer about ServiceAccount evil/n99 within 0.5 s"
        assert scene.counted == [("live", "limited")] * len(others)
        await asyncio.gather(*first)
        assert len(scene.server.asked) == room
        assert (await scene.get("evil", "n99"))[1] == SLOW

    run(scenario())


def test_a_question_is_asked_as_long_as_somebody_waits() -> None:
    """The one who came first gives up while the question waits for its turn; the second gets the answer."""

    async def scenario() -> None:
        scene = Scene(SLOW)
        first_ones = [
            asyncio.ensure_future(scene.get("evil", f"n{number}")) for number in range(fair_queues.MOST_OF_A_QUEUE)
        ]
        await asyncio.sleep(0)
        first, second = scene.get("evil", "both", 0.5), scene.get("evil", "both")
        results = await asyncio.gather(first, second, return_exceptions=True)
        assert isinstance(results[0], LookupFailed)
        assert results[1] == (None, 2 * SLOW)
        await asyncio.gather(*first_ones)

    run(scenario())


def test_a_caller_that_comes_while_the_question_waits_accepts_its_answer() -> None:
    """It is asked after the caller came, so one question is enough."""

    async def scenario() -> None:
        scene = Scene(SLOW)
        first_ones = [
            asyncio.ensure_future(scene.get("evil", f"n{number}")) for number in range(fair_queues.MOST_OF_A_QUEUE)
        ]
        early = asyncio.ensure_future(scene.get("evil", "both"))
        await asyncio.sleep(0.5)
        assert await scene.get("evil", "both") == (None, 1.5 * SLOW)
        await asyncio.gather(early, *first_ones)
        assert [name for _, _, name in scene.server.asked].count("both") == 1

    run(scenario())


class TestAbsent:
    """A name of which nothing was found a moment ago."""

    def test_those_who_come_meanwhile_share_the_next_question(self) -> None:
        """However many they are."""

        async def scenario() -> None:
            scene = Scene(QUICK)
            await scene.get("shop", "none")
            await asyncio.sleep(0.1)
            results = await asyncio.gather(*(scene.get("shop", "none") for _ in range(50)))
            assert now() == pytest.approx(ABSENT_SECONDS + 2 * QUICK)
            assert {account for account, _ in results} == {None}
            assert len(scene.server.asked) == 2

        run(scenario())

    def test_a_flood_of_one_name_costs_four_questions_a_second(self) -> None:
        async def scenario() -> None:
            scene = Scene(QUICK)
            start = len(scene.server.asked)

            async def ask() -> None:
                while now() < 10:
                    await scene.get("shop", "none")

            await asyncio.gather(*(ask() for _ in range(CALLERS)))
            assert 30 < len(scene.server.asked) - start <= 10 / ABSENT_SECONDS + 1

        run(scenario())

    def test_one_that_is_created_meanwhile_is_found(self) -> None:
        """By everyone who comes after it was created, at whatever moment that is."""

        async def scenario(created: float) -> None:
            scene = Scene(QUICK)
            await scene.get("shop", "app")
            waiting = asyncio.ensure_future(scene.get("shop", "app"))
            await asyncio.sleep(created)
            scene.server.real["shop", "app"] = Account("shop", "app", USUAL_ANNOTATIONS)
            assert (await scene.get("shop", "app"))[0]
            await waiting

        for milliseconds in range(0, 300, 7):
            run(scenario(milliseconds / 1000))

    def test_one_without_a_client_id_may_be_asked_for_at_once(self) -> None:
        """Pods of such a ServiceAccount are usual: they must not wait."""

        async def scenario() -> None:
            scene = Scene(QUICK)
            scene.server.real["shop", "default"] = Account("shop", "default", {})
            for _ in range(20):
                assert (await scene.get("shop", "default"))[1] == pytest.approx(QUICK)

        run(scenario())

    @pytest.mark.slow
    def test_no_name_is_remembered_longer_than_it_waits(self) -> None:
        """So the memory that a flood takes is bounded."""

        async def scenario() -> None:
            scene = Scene(QUICK)
            await beside_a_flood(scene, lambda _: "evil", lambda: asyncio.sleep(10))
            assert len(scene.accounts._absent) <= fair_queues.RATE * ABSENT_SECONDS * 1.1

        run(scenario())


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), st.booleans(), st.booleans(), st.floats(0, 0.1), st.floats(0, 0.2), st.booleans()
        ),
        max_size=300,
    )
)
def test_every_turn_is_given_back(asked: list[tuple[str, bool, bool, float, float, bool]]) -> None:
    """Any caller may be cancelled, at any moment: afterwards no caller waits and all places are free."""

    async def one(given: FairQueues, queue: Queue, seconds: float, kept: bool) -> None:
        async with given.turn(queue) as turn:
            await asyncio.sleep(seconds)
            turn.kept = kept

    async def scenario() -> None:
        given = FairQueues()
        tasks = []
        for namespace, seen, strange, seconds, patience, kept in asked:
            work = one(given, Queue(namespace, seen, strange), seconds, kept)
            tasks.append(asyncio.ensure_future(asyncio.wait_for(work, patience)))
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (given._waiting, given._under_way, given._total) == (({}, {}), {}, [0, 0])
        assert given._tokens <= fair_queues.BURST

    run(scenario())


def test_lines_take_turns() -> None:
    """One question of each, in the order in which they came; strangers in every second turn."""

    async def scenario() -> list[str]:
        given, order = FairQueues(), []

        async def one(queue: Queue) -> None:
            async with given.turn(queue):
                order.append(queue.namespace)
                await asyncio.sleep(1)

        first = [asyncio.ensure_future(one(Queue(f"first-{number}"))) for number in range(fair_queues.MOST_UNDER_WAY)]
        await asyncio.sleep(0.5)
        queues = [Queue("a"), Queue("a"), Queue("a"), Queue("b"), Queue("c", strange=True), Queue("d", strange=True)]
        await asyncio.gather(*first, *(one(queue) for queue in queues))
        return order[len(first) :]

    order = run(scenario())
    assert [each for each in order if each in "ab"] == ["a", "b", "a", "a"]
    assert order[:4] in (["c", "a", "d", "b"], ["a", "c", "b", "d"])


def test_a_line_too_long_raises_at_once() -> None:
    """The seam that the cache relies on."""

    async def scenario() -> None:
        given = FairQueues()

        async def one() -> None:
            async with given.turn(Queue("a")):
                await asyncio.sleep(1)

        room = fair_queues.MOST_WAITING + fair_queues.MOST_OF_A_QUEUE
        waiting: list[Coroutine[Any, Any, None]] = [one() for _ in range(room)]
        tasks = [asyncio.ensure_future(each) for each in waiting]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await one()
        await asyncio.gather(*tasks)

    run(scenario())


async def test_no_question_waits_for_a_connection(tmp_path: Path) -> None:
    """The client's own queue is not fair. The certificates' requests find a connection as well."""
    path = tmp_path / "kubeconfig"
    path.write_text(render(Access("https://127.0.0.1:1", Authority().certificate, token="a")))
    async with Kube(path) as kube:
        assert kube._client is not None
        assert kube._client.configuration.connection_pool_maxsize >= fair_queues.MOST_UNDER_WAY + 10

"""The cache in front of a source of ServiceAccounts.

A positive answer, one that an identity can be read from, is kept for KEPT_SECONDS. A negative answer is never kept: the
ServiceAccount is absent, or has no client id, or has wrong annotations. kube-apiserver has just proved that it exists,
so a stale "no" would leave a pod without its identity until somebody restarts it, while a stale "yes" only delays a
changed annotation.

All callers that wait for one ServiceAccount share one question. A caller does not accept a negative answer to a
question that was asked before its own pod came. So a name costs one question at a time, and one that does not exist
costs one each ABSENT_SECONDS: who comes meanwhile waits for the next. `fair_queues` limits all names together.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from webhook.accounts.fair_queues import FairQueues, Queue, QueueFull
from webhook.accounts.source import AccountSource, LookupFailed
from webhook.core.identity import Account, read_account_alone

# A Deployment creates its pods within seconds, so one look-up serves them all; a changed annotation waits no longer.
KEPT_SECONDS: Final = 30.0
# Between two questions about a ServiceAccount that does not exist. kube-apiserver creates no pod of one, so a pod waits
# only if its ServiceAccount was created in this moment; and then a quarter of a second is within every deadline.
ABSENT_SECONDS: Final = 0.25
# ServiceAccounts, so that a cluster with very many of them cannot fill the memory. Each takes about 1.5 kB.
_MOST_KEPT: Final = 10_000
# ServiceAccounts and namespaces that have been seen. Each takes about 60 bytes.
_MOST_SEEN: Final = 20_000


class LookupCounter(Protocol):
    """Counts look-ups: one for each caller, even if callers share an answer."""

    def __call__(self, source: str, result: str) -> None:
        """`source` is `cache`, `shared` or `live`; `result` is `found`, `unannotated`, `absent`, `failed` or `limited`.

        `limited`: too many others ask, so it was not asked at all.
        """


class TooManyLookups(LookupFailed):
    """The ServiceAccount was not looked up, because too many others wait."""


@dataclass
class _Question:
    """A request to the source.

    number: its place in the order of callers and questions; 0 until it is asked. callers: how many wait for it.
    """

    task: asyncio.Task[Account | None] = field(init=False)
    number: int = 0
    callers: int = 0


class CachedAccounts:
    """`source` with a cache of positive answers; callers share questions. For one event loop."""

    def __init__(
        self,
        source: AccountSource,
        *,
        counter: LookupCounter = lambda source, result: None,
        clock: Callable[[], float] = time.monotonic,
        kept_seconds: float = KEPT_SECONDS,
        absent_seconds: float = ABSENT_SECONDS,
        request_seconds: float = 5.0,
    ) -> None:
        self._source = source
        self._counter = counter
        self._clock = clock
        self._kept_seconds = kept_seconds
        self._absent_seconds = absent_seconds
        self._request_seconds = request_seconds
        self._kept: dict[tuple[str, str], tuple[float, Account]] = {}
        self._questions: dict[tuple[str, str], _Question] = {}
        self._turns = FairQueues()
        # When each absent ServiceAccount may be asked for again, by the clock of the loop. RATE bounds their number.
        self._absent: dict[tuple[str, str], float] = {}
        # Hashes of namespaces, and of namespaces with names: what they are for bears a mistake, and they are small.
        self._seen: dict[int, None] = {}
        self._arrivals = 0

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        """See AccountSource."""
        return self.kept(namespace, name) or await self._ask((namespace, name), seconds)

    def kept(self, namespace: str, name: str) -> Account | None:
        """The ServiceAccount, if the source need not be asked."""
        key = (namespace, name)
        kept = self._kept.get(key)
        if kept is None:
            return None
        until, account = kept
        if self._clock() < until:
            self._counter("cache", "found")
            return account
        del self._kept[key]
        return None

    async def _ask(self, key: tuple[str, str], seconds: float) -> Account | None:
        self._arrivals += 1
        arrival = self._arrivals
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            question = self._questions.get(key)
            source = "live" if question is None else "shared"
            question = question or self._new_question(key)
            try:
                account = await self._answer(key, question, deadline)
            except TimeoutError:
                self._counter(source, "failed" if question.number else "limited")
                raise LookupFailed(f"{_no_answer(key)} within {seconds:.1f} s") from None
            except TooManyLookups:
                self._counter(source, "limited")
                raise
            except Exception:
                self._counter(source, "failed")
                raise
            if _is_positive(account) or question.number > arrival:
                self._counter(source, _result(account))
                return account

    def _new_question(self, key: tuple[str, str]) -> _Question:
        question = self._questions[key] = _Question()
        question.task = asyncio.get_running_loop().create_task(self._live(key, question))
        question.task.add_done_callback(_retrieve)
        return question

    async def _answer(self, key: tuple[str, str], question: _Question, deadline: float) -> Account | None:
        question.callers += 1
        try:
            async with asyncio.timeout_at(deadline):
                # Shielded: if one caller gives up, the others still want the answer.
                return await asyncio.shield(question.task)
        finally:
            question.callers -= 1
            if not question.callers and not question.number and not question.task.done():
                # No caller waits for it any more, and it has not been asked. Once asked, its answer is worth keeping.
                self._forget(key, question)
                question.task.cancel()

    async def _live(self, key: tuple[str, str], question: _Question) -> Account | None:
        try:
            await self._wait_if_absent(key)
            async with self._turns.turn(self._queue(key)) as turn:
                self._arrivals += 1
                question.number = self._arrivals
                async with asyncio.timeout(self._request_seconds):
                    account = await self._source.get(*key, seconds=self._request_seconds)
                turn.kept = _is_positive(account)
        except TimeoutError:
            raise LookupFailed(_no_answer(key)) from None
        except QueueFull:
            raise TooManyLookups(f"{_no_answer(key)}: too many look-ups wait") from None
        finally:
            self._forget(key, question)
        self._remember(key, account)
        return account

    def _forget(self, key: tuple[str, str], question: _Question) -> None:
        if self._questions.get(key) is question:
            del self._questions[key]

    async def _wait_if_absent(self, key: tuple[str, str]) -> None:
        seconds = self._absent.get(key, 0.0) - asyncio.get_running_loop().time()
        if seconds > 0:
            await asyncio.sleep(seconds)

    def _queue(self, key: tuple[str, str]) -> Queue:
        namespace, _ = key
        return Queue(namespace, seen=hash(key) in self._seen, strange=hash(namespace) not in self._seen)

    def _remember(self, key: tuple[str, str], account: Account | None) -> None:
        self._absent.pop(key, None)
        if account is None:
            now = asyncio.get_running_loop().time()
            while self._absent and self._absent[first := next(iter(self._absent))] <= now:
                del self._absent[first]
            self._absent[key] = now + self._absent_seconds
            return
        for each in (hash(key), hash(key[0])):
            self._seen.pop(each, None)
            self._seen[each] = None
        while len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        if _is_positive(account):
            while len(self._kept) >= _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (self._clock() + self._kept_seconds, account)


def _retrieve(task: asyncio.Task[Account | None]) -> None:
    """Retrieves the exception of a question that has no caller left: asyncio complains about one that is not."""
    if not task.cancelled():
        task.exception()


def _no_answer(key: tuple[str, str]) -> str:
    return f"no answer about ServiceAccount {key[0]}/{key[1]}"


def _is_positive(account: Account | None) -> bool:
    if account is None:
        return False
    alone = read_account_alone(account)
    return alone.identity is not None and alone.annotated


def _result(account: Account | None) -> str:
    if account is None:
        return "absent"
    return "found" if read_account_alone(account).annotated else "unannotated"

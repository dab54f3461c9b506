"""The cache in front of a source of ServiceAccounts.

A positive answer, one that an identity can be read from, is kept for KEPT_SECONDS. A negative answer is never kept: the
ServiceAccount is absent, or has no client id, or has wrong annotations. kube-apiserver has just proved that it exists,
so a stale "no" would leave a pod without its identity for ever, while a stale "yes" only delays a changed annotation.

All callers that wait for one ServiceAccount share one question. A caller does not accept a negative answer to a
question that was asked before its own pod came.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from webhook.accounts.source import AccountSource, LookupFailed
from webhook.core.identity import Account, read_account_alone

# A Deployment creates its pods within seconds, so one look-up serves them all; a changed annotation waits no longer.
KEPT_SECONDS: Final = 30.0
# ServiceAccounts, so that a cluster with very many of them cannot fill the memory. Each takes about 1 kB.
_MOST_KEPT: Final = 10_000


class LookupCounter(Protocol):
    """Counts look-ups: one for each caller, even if callers share an answer."""

    def __call__(self, source: str, result: str) -> None:
        """`source` is `cache`, `shared` or `live`; `result` is `found`, `unannotated`, `absent` or `failed`."""


@dataclass
class _Question:
    """A request to the source that is under way. number: its place in the order of callers and questions."""

    number: int
    task: asyncio.Task[Account | None]


class CachedAccounts:
    """`source` with a cache of positive answers; callers share questions. For one event loop."""

    def __init__(
        self,
        source: AccountSource,
        *,
        counter: LookupCounter = lambda source, result: None,
        clock: Callable[[], float] = time.monotonic,
        kept_seconds: float = KEPT_SECONDS,
        request_seconds: float = 5.0,
    ) -> None:
        self._source = source
        self._counter = counter
        self._clock = clock
        self._kept_seconds = kept_seconds
        self._request_seconds = request_seconds
        self._kept: dict[tuple[str, str], tuple[float, Account]] = {}
        self._questions: dict[tuple[str, str], _Question] = {}
        self._arrivals = 0

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        """See AccountSource."""
        key = (namespace, name)
        kept = self._kept.get(key)
        if kept:
            if self._clock() < kept[0]:
                self._counter("cache", "found")
                return kept[1]
            del self._kept[key]
        return await self._ask(key, seconds)

    async def _ask(self, key: tuple[str, str], seconds: float) -> Account | None:
        self._arrivals += 1
        arrival = self._arrivals
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            question = self._questions.get(key)
            source = "live" if question is None else "shared"
            if question is None:
                self._arrivals += 1
                task = asyncio.get_running_loop().create_task(self._live(key))
                task.add_done_callback(_retrieve)
                question = _Question(self._arrivals, task)
                self._questions[key] = question
            try:
                async with asyncio.timeout_at(deadline):
                    # Shielded: if one caller gives up, the others still want the answer.
                    account = await asyncio.shield(question.task)
            except TimeoutError:
                self._counter(source, "failed")
                raise LookupFailed(f"{_no_answer(key)} within {seconds:.1f} s") from None
            except Exception:
                self._counter(source, "failed")
                raise
            if _is_positive(account) or question.number > arrival:
                self._counter(source, _result(account))
                return account

    async def _live(self, key: tuple[str, str]) -> Account | None:
        try:
            async with asyncio.timeout(self._request_seconds):
                account = await self._source.get(*key, seconds=self._request_seconds)
        except TimeoutError:
            raise LookupFailed(_no_answer(key)) from None
        finally:
            del self._questions[key]
        if account and _is_positive(account):
            while len(self._kept) >= _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (self._clock() + self._kept_seconds, account)
        return account


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

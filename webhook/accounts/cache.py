"""Finding a pod's ServiceAccount.

A positive answer, one from which an identity can be read, is kept for 30 s. A negative one, absent or without a client
id, is never trusted from memory: kube-apiserver has just proved that the ServiceAccount exists, so a stale "no" would
leave a pod without its identity for ever, while a stale "yes" only delays a changed annotation. One whose annotations
make no sense counts as negative, so that whoever mends it need not wait. All who wait for one ServiceAccount share one
question, but nobody accepts a negative answer to a question that was asked before their own pod came.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from webhook.accounts.source import AccountSource, LookupFailed
from webhook.core.identity import Account, read_account_alone

KEPT_SECONDS: Final = 30.0
_MOST_KEPT: Final = 10_000


class LookupCounter(Protocol):
    """What counts look-ups, each once, whoever else waits for the same answer."""

    def __call__(self, source: str, result: str) -> None:
        """`source` is `cache`, `shared` or `live`; `result` is `found`, `unannotated`, `absent` or `failed`."""


@dataclass
class _Question:
    """One request to the source that is under way, shared by everyone who waits for the same ServiceAccount."""

    asked: int
    task: asyncio.Task[Account | None]


class CachedAccounts:
    """`source` behind a cache of positive answers and single flight. Bound to one event loop."""

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
                task.add_done_callback(_heard)
                question = _Question(self._arrivals, task)
                self._questions[key] = question
            try:
                async with asyncio.timeout_at(deadline):
                    # Shielded: when one of those who wait gives up, the others still want the answer.
                    account = await asyncio.shield(question.task)
            except TimeoutError:
                self._counter(source, "failed")
                raise LookupFailed(f"{_no_answer(key)} within {seconds:.1f} s") from None
            except Exception:
                self._counter(source, "failed")
                raise
            if _positive(account) or question.asked > arrival:
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
        if account and _positive(account):
            while len(self._kept) >= _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = (self._clock() + self._kept_seconds, account)
        return account


def _heard(task: asyncio.Task[Account | None]) -> None:
    """Keeps asyncio from complaining of an answer that all who waited for it have given up on."""
    if not task.cancelled():
        task.exception()


def _no_answer(key: tuple[str, str]) -> str:
    return f"no answer about ServiceAccount {key[0]}/{key[1]}"


def _positive(account: Account | None) -> bool:
    return (
        account is not None
        and read_account_alone(account).identity is not None
        and read_account_alone(account).annotated
    )


def _result(account: Account | None) -> str:
    if account is None:
        return "absent"
    return "found" if read_account_alone(account).annotated else "unannotated"

"""Finding a pod's ServiceAccount.

A positive answer, one from which an identity can be read, is kept for 30 s. A negative one, absent or without a client
id, is never trusted from memory: kube-apiserver has just proved that the ServiceAccount exists, so a stale "no" would
leave a pod without its identity for ever, while a stale "yes" only delays a changed annotation. One whose annotations
make no sense counts as negative, so that whoever mends it need not wait. All who wait for one ServiceAccount share one
question, but nobody accepts a negative answer to a question that was asked before their own pod came.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import yaml

from webhook import names
from webhook.identity import Account, by_itself

KEPT_SECONDS: Final = 30.0
_MOST_KEPT: Final = 10_000


class LookupFailed(Exception):
    """Whether there is a ServiceAccount could not be found out in time. One line, for whoever runs the webhook."""


class AccountSource(Protocol):
    """Where ServiceAccounts come from."""

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        """The ServiceAccount, None when there is none. Raises LookupFailed, at the latest after `seconds`."""


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


class _Loader(yaml.CSafeLoader):
    """Dates stay text, possible ones and others, as for kubectl."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


class BadFiles(Exception):
    """Files that hold no ServiceAccounts, or wrong ones; `problems` has a line for each mistake."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class FileAccounts:
    """ServiceAccounts from YAML files, for machines without a cluster. Read once; all mistakes are told at once."""

    def __init__(self, path: Path, accounts: Mapping[tuple[str, str], Account]) -> None:
        self._path = path
        self._accounts = accounts

    @classmethod
    def read(cls, path: Path) -> "FileAccounts":
        """The ServiceAccounts in a file, or in all *.yaml, *.yml and *.json of a folder. Raises BadFiles."""
        try:
            inside = sorted(path.iterdir()) if path.is_dir() else None
        except OSError as error:
            raise BadFiles([f"{path}: {error.strerror}"]) from None
        files = [path] if inside is None else [file for file in inside if file.suffix in (".yaml", ".yml", ".json")]
        accounts: dict[tuple[str, str], Account] = {}
        problems: list[str] = []
        for file in files:
            try:
                documents = list(yaml.load_all(file.read_text(encoding="utf-8"), _Loader))
            except OSError as error:
                problems.append(f"{file}: {error.strerror}")
                continue
            except (yaml.YAMLError, ValueError) as error:  # the latter for what a tag says and the text is not
                problems.append(f"{file}: no YAML: {' '.join(str(error).split())}")
                continue
            for document in documents:
                for found in _accounts_in(document, f"{file}", problems):
                    accounts[found.namespace, found.name] = found
        if not problems and not accounts:
            problems.append(f"{path}: there is no ServiceAccount in it")
        if problems:
            raise BadFiles(problems)
        return cls(path, accounts)

    def __str__(self) -> str:
        return str(self._path)

    def __len__(self) -> int:
        return len(self._accounts)

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        """See AccountSource; never fails."""
        return self._accounts.get((namespace, name))


def account_from(document: Any, *, place: str = "ServiceAccount") -> Account:
    """An Account from the JSON or YAML of a ServiceAccount. Raises ValueError that names `place`."""
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise ValueError(f"{place}: expected a ServiceAccount with metadata.name")
    annotations = metadata.get("annotations") or {}
    if not isinstance(annotations, dict):
        raise ValueError(f"{place}: metadata.annotations: expected an object of strings")
    annotations = {key: "" if value is None else value for key, value in annotations.items()}  # as kube-apiserver does
    for key, value in annotations.items():
        if not isinstance(value, str):
            raise ValueError(f"{place}: annotation {key} is {value!r}, expected a string: put it in quotes")
    ours = {k: v for k, v in annotations.items() if k.startswith((names.AZURE_PREFIX, names.M365_PREFIX))}
    return Account(str(metadata.get("namespace") or "default"), metadata["name"], ours)


def _accounts_in(document: Any, place: str, problems: list[str]) -> list[Account]:
    if not isinstance(document, dict):
        return []
    kind = document.get("kind")
    if kind in ("List", "ServiceAccountList") and isinstance(document.get("items"), list):
        # What the API server lists does not repeat its kind.
        implied = {"kind": "ServiceAccount"} if kind == "ServiceAccountList" else {}
        items = [implied | item if isinstance(item, dict) else item for item in document["items"]]
        return [account for item in items for account in _accounts_in(item, place, problems)]
    if kind != "ServiceAccount":
        return []
    try:
        return [account_from(document, place=place)]
    except ValueError as error:
        problems.append(str(error))
        return []


def _heard(task: asyncio.Task[Account | None]) -> None:
    """Keeps asyncio from complaining of an answer that all who waited for it have given up on."""
    if not task.cancelled():
        task.exception()


def _no_answer(key: tuple[str, str]) -> str:
    return f"no answer about ServiceAccount {key[0]}/{key[1]}"


def _positive(account: Account | None) -> bool:
    return account is not None and by_itself(account).identity is not None and by_itself(account).annotated


def _result(account: Account | None) -> str:
    if account is None:
        return "absent"
    return "found" if by_itself(account).annotated else "unannotated"

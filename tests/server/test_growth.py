"""Nothing is left of a review: neither objects nor tasks. `python -m bench.soak` is the long version of it."""

import asyncio
import gc
import json
from typing import Any

import pytest

from bench import pods
from webhook.accounts.cache import CachedAccounts
from webhook.accounts.source import account_from
from webhook.core.identity import Account
from webhook.core.policy import Policy
from webhook.logs import Log
from webhook.metrics import Metrics
from webhook.reviewer import Reviewer
from webhook.server.application import Application
from webhook.server.lifecycle import Lifecycle


class Source:
    """Knows the usual ServiceAccount in every namespace, and nothing in `gone`."""

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        await asyncio.sleep(0)
        return None if namespace == "gone" else account_from(pods.service_account())


async def ask(application: Application, body: bytes) -> int:
    """The status of the answer."""
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return messages.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    usual = {"type": "http", "method": "POST", "path": "/mutate", "query_string": b"timeout=5s", "headers": headers}
    await application(usual, receive, send)
    return int(sent[0]["status"])


def bodies() -> list[tuple[int, bytes]]:
    """Reviews that end in different ways, with the status of each."""
    found = [(200, pods.review()), (400, b"[not JSON")]
    for namespace, labels in (("other", None), ("gone", None), ("shop", {})):
        document = json.loads(pods.review())
        document["request"]["namespace"] = namespace
        if labels is not None:
            document["request"]["object"]["metadata"]["labels"] = labels
        found.append((200, json.dumps(document).encode()))
    return found


@pytest.mark.slow
async def test_reviews_leave_neither_objects_nor_tasks_behind() -> None:
    """After 250 of each kind there are as many as after 50."""
    metrics = Metrics(version="1")
    accounts = CachedAccounts(Source(), counter=metrics.lookup, absent_seconds=0)
    reviews = Reviewer(accounts, Policy()).review
    application = Application(reviews, metrics=metrics, log=Log(write=len), lifecycle=Lifecycle(started=True))

    async def run(rounds: int) -> tuple[int, int]:
        for _ in range(rounds):
            for status, body in bodies():
                assert await ask(application, body) == status
        await asyncio.sleep(0)
        gc.collect()
        return len(gc.get_objects()), len(asyncio.all_tasks())

    objects, tasks = await run(50)
    later, tasks_later = await run(200)
    assert tasks_later == tasks
    assert later - objects < 100

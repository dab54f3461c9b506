"""`LookupCounter`: the metric of the webhook, and the list that the tests of the cache use."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client import generate_latest

from tests.core.support import Accounts, account
from webhook.accounts.cache import CachedAccounts, LookupCounter
from webhook.accounts.source import LookupFailed
from webhook.core import names
from webhook.metrics import Metrics

Read = Callable[[str, str], float]


def listed() -> tuple[LookupCounter, Read]:
    """A list of calls."""
    calls: list[tuple[str, str]] = []
    return lambda source, result: calls.append((source, result)), lambda source, result: calls.count((source, result))


def exported() -> tuple[LookupCounter, Read]:
    """The counter that Prometheus reads."""
    metrics = Metrics(version="1")

    def read(source: str, result: str) -> float:
        line = f'm365wi_account_lookups_total{{result="{result}",source="{source}"}} '
        text = generate_latest(metrics.registry).decode()
        return next((float(each.removeprefix(line)) for each in text.splitlines() if each.startswith(line)), 0)

    return metrics.lookup, read


@pytest.mark.parametrize("kind", [listed, exported])
async def test_each_look_up_is_counted_once(kind: Callable[[], tuple[LookupCounter, Read]]) -> None:
    """By its source and its result: all that the cache reports."""
    counter, read = kind()
    failing = False

    def perhaps_fail() -> None:
        if failing:
            raise LookupFailed("away")

    bare = account({names.AZURE_TENANT_ID: "contoso.com"}, name="bare")
    accounts = CachedAccounts(Accounts(account(), bare, before=perhaps_fail), counter=counter)
    for name in ("terraform", "terraform", "terraform", "bare", "absent"):
        await accounts.get("shop", name, seconds=1)
    failing = True
    with pytest.raises(LookupFailed):
        await accounts.get("shop", "other", seconds=1)
    counted = {
        (source, result): read(source, result)
        for source in ("cache", "shared", "live")
        for result in ("found", "unannotated", "absent", "failed", "limited")
    }
    assert {key: count for key, count in counted.items() if count} == {
        ("live", "found"): 1,
        ("cache", "found"): 2,
        ("live", "unannotated"): 1,
        ("live", "absent"): 1,
        ("live", "failed"): 1,
    }

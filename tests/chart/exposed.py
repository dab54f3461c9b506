"""What the webhook, programs and the canary expose at /metrics, and whether a query asks for what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from prometheus_client import CollectorRegistry, generate_latest

from certs import clients
from certs.managed import perform
from m365_identity._commands.canary_rounds import CanaryMetrics
from m365_identity._measured import Measured, Outcome
from m365_identity.metrics import SignInMetrics
from webhook.metrics import OUTCOMES, Metrics

__all__ = ["misspelt"]

# Prometheus adds the first two to what it scrapes, and the Prometheus operator the third.
SCRAPED = {"job", "instance", "namespace"}
# Of kube-apiserver. tests/monitoring reads them from a real one.
APISERVER = {
    "apiserver_admission_webhook_request_total": {"name", "code"},
    "apiserver_admission_webhook_rejection_count": {"name", "error_type"},
    "apiserver_admission_webhook_fail_open_count": {"name"},
    "apiserver_admission_webhook_admission_duration_seconds_bucket": {"name", "le"},
}
# Of kube-state-metrics.
STATE = {
    "kube_cronjob_status_last_schedule_time": {"cronjob"},
    "kube_cronjob_status_last_successful_time": {"cronjob"},
}


@cache
def exposition() -> str:
    """Every series that the webhook can have, but not every reason of a decision."""
    metrics = Metrics(version="0")
    metrics.review("error", "internal", 0.1)
    for result in ("found", "failed", "limited"):
        metrics.lookup("live", result)
    metrics.refused("timeout")
    metrics.serving_not_after(1.0)
    metrics.authority_not_after(1.0)
    metrics.client_ca_not_after(1.0)
    metrics.trust_published(published=True)
    metrics.self_dial(ok=True)
    metrics.spans(lambda: dict.fromkeys(("exported", "failed", "dropped"), 1))
    metrics.certificate_events(dict.fromkeys([*perform.COUNTS, *clients.COUNTS], 1))
    return metrics.exposition("")[0].decode() + sign_in()


def sign_in() -> str:
    """Every series of the canary, which has those of every program that signs in."""
    registry = CollectorRegistry()
    CanaryMetrics(registry, every=300.0)
    metrics = SignInMetrics(registry)
    times = dict.fromkeys(("issued", "expires", "access_expires", "throttled_until"), 1.0)
    metrics.observe(Measured(outcome=Outcome.REFUSED, code="700016", seconds=0.1, **times))
    return generate_latest(registry).decode()


def misspelt(query: str) -> Iterator[str]:
    """The metrics of `query`, its labels and their values, that do not exist: such a query never has an answer."""
    grouped = {label for found in re.findall(r"\b(?:by|on) \(([^)]*)\)", query) for label in found.split(", ")}
    selectors = re.findall(
        r"\b((?:m365wi|m365_identity|apiserver|kube)_\w+)(\{[^}]*\})?", re.sub(r'"[^"]*"', _hidden, query)
    )
    if not selectors:
        yield "no metric"
    known = {name: _labels(name) for name, _ in selectors}
    yield from (f"{selectors[0][0]}: no label {label}" for label in grouped - set[str]().union(*known.values()))
    for name, selector in selectors:
        matchers = re.findall(r"(\w+)(=~|!=|=)<([0-9a-f]*)>", selector)
        yield from (f"{name}: no label {label}" for label in {each[0] for each in matchers} - known[name])
        if name not in APISERVER and name not in STATE:
            if not re.search(rf"^{name}[{{ ]", exposition(), re.MULTILINE):
                yield f"no metric {name}"
            for label, operator, value in matchers:
                yield from (f"{name}: no {each}" for each in _absent(label, operator, bytes.fromhex(value).decode()))


def _hidden(text: re.Match[str]) -> str:
    """A text in quotes, so that no brace of it ends a selector."""
    return f"<{text[0][1:-1].encode().hex()}>"


def _labels(name: str) -> set[str]:
    """The labels of a metric."""
    lines = re.findall(rf"^{name}\{{(.*)\}} ", exposition(), re.MULTILINE)
    return SCRAPED | (APISERVER | STATE).get(name, set()) | {each for line in lines for each in _named(line)}


def _named(line: str) -> list[str]:
    return re.findall(r'(\w+)="', line)


def _absent(label: str, operator: str, value: str) -> list[str]:
    """The values of a matcher that the label never has."""
    choices = value.split("|") if operator == "=~" else [value]
    if label in SCRAPED:
        return []
    reasons = {reason for each in OUTCOMES.values() for reason in each} if label == "reason" else ()
    return [each for each in choices if f'{label}="{each}"' not in exposition() and each not in reasons]

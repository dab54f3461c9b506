"""Metrics of signing in, for Prometheus; docs/monitoring.md explains them. They need prometheus-client.

    from m365_identity import WorkloadIdentityCredential
    from m365_identity.metrics import SignInMetrics

    credential = WorkloadIdentityCredential(metrics=SignInMetrics())

    m365_identity_exchanges_total{outcome,code}                         requests to Entra for an access token
    m365_identity_exchange_seconds                                      how long each took
    m365_identity_service_account_token_issued_timestamp_seconds        of the pod's token
    m365_identity_service_account_token_expires_timestamp_seconds       of the pod's token
    m365_identity_access_token_expires_timestamp_seconds                of the access token that was given last
    m365_identity_throttled_until_timestamp_seconds                     when Entra takes requests again

No label has a name, an id or a resource in it, and their number is bounded (`m365_identity._measured`). The last four
appear when they are first known: before that they would be 0, a time in 1970.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.core import Metric
    from prometheus_client.registry import Collector
except ImportError as error:
    raise ImportError('metrics need prometheus-client: pip install "m365-workload-identity[metrics]"') from error

from m365_identity._measured import NO_CODE, Measured, Outcome
from m365_identity._tokens import assertion, token_file
from m365_identity.errors import TokenFileError

__all__ = ["SignInMetrics"]

_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds; silence ends an attempt after ten
# The locks of prometheus_client are held under this one only. It is taken before a fork, so that no child of the
# process finds one of them held, without end, by a thread that the child does not have.
_LOCK: Final = threading.RLock()
os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)


class SignInMetrics(Collector):
    """Counts the sign-ins of all credentials that it is given to. Threads and forked processes may share it.

    registry: where it is registered, None for nowhere; it is itself a collector of prometheus_client. Raises ValueError
    if the registry has one already. It also works in prometheus_client's multiprocess mode.
    """

    def __init__(self, registry: CollectorRegistry | None = REGISTRY) -> None:
        self._exchanges = Counter(
            "m365_identity_exchanges", "Requests to Entra for an access token.", ("outcome", "code"), registry=None
        )
        # So that the first failure is a rise, and not a new series.
        for outcome in Outcome:
            self._exchanges.labels(outcome.value, NO_CODE)
        self._seconds = Histogram(
            "m365_identity_exchange_seconds",
            "How long a request to Entra for an access token took.",
            buckets=_BUCKETS,
            registry=None,
        )
        self._issued = _Time("service_account_token_issued", "When the pod's token was issued.")
        self._expires = _Time("service_account_token_expires", "When the pod's token expires.")
        self._access_expires = _Time("access_token_expires", "When the access token that was given last expires.")
        self._throttled_until = _Time("throttled_until", "When Entra takes requests again.")
        self._files: dict[Path, None] = {}
        if registry is not None:
            registry.register(self)

    def watch(self, token_file: Path) -> None:
        """The pod's token is in this file: it is read again for each scrape. Of several, the first to expire counts."""
        with _LOCK:
            self._files[token_file] = None

    def observe(self, measured: Measured) -> None:
        """Counts a request to Entra."""
        with _LOCK:
            self._exchanges.labels(measured.outcome.value, measured.code).inc()
            self._seconds.observe(measured.seconds)
            for gauge, when in (
                (self._issued, measured.issued),
                (self._expires, measured.expires),
                (self._access_expires, measured.access_expires),
                (self._throttled_until, measured.throttled_until),
            ):
                if when is not None:
                    gauge.set(when)

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client shows."""
        with _LOCK:
            self._read_files()
            families = [*self._exchanges.collect(), *self._seconds.collect()]
            for gauge in self._times():
                families += gauge.collect()
        for family in families:
            # prometheus_client has a second series for each, with the time of its start.
            family.samples = [each for each in family.samples if not each.name.endswith("_created")]
        return iter(families)

    def describe(self) -> Iterator[Metric]:
        """All names, also of what is not known yet."""
        yield from self._exchanges.describe()
        yield from self._seconds.describe()
        for gauge in self._times():
            yield gauge.describe()

    def _times(self) -> tuple[_Time, ...]:
        return (self._issued, self._expires, self._access_expires, self._throttled_until)

    def _read_files(self) -> None:
        """What the files say now: the token that was sent last may have expired since, and the kubelet renewed it."""
        if not self._files:
            return
        self._issued.forget()
        self._expires.forget()
        known = [found for found in map(_assertion, self._files) if found is not None and found.expires is not None]
        if known:
            first = min(known, key=lambda found: found.expires or 0.0)
            self._expires.set(first.expires or 0.0)
            if first.issued is not None:
                self._issued.set(first.issued)


class _Time:
    """A gauge that is there once it is known. Of several processes, the one that has set it last counts."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = f"m365_identity_{name}_timestamp_seconds", f"{text} Unix time."
        self._gauge: Gauge | None = None
        self._is_known = False

    def set(self, when: float) -> None:
        if self._gauge is None:
            self._gauge = Gauge(self._name, self._text, registry=None, multiprocess_mode="livemostrecent")
        self._gauge.set(when)
        self._is_known = True

    def forget(self) -> None:
        self._is_known = False

    def collect(self) -> list[Metric]:
        return [*self._gauge.collect()] if self._gauge is not None and self._is_known else []

    def describe(self) -> Metric:
        return Metric(self._name, self._text, "gauge")


def _assertion(path: Path) -> assertion.Assertion | None:
    """What the token in `path` says, None if it cannot be read now."""
    try:
        return assertion.decode(token_file.read(path))
    except (TokenFileError, ValueError):
        return None

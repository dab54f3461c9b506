"""The metrics of the webhook, for Prometheus. No caller chooses the value of a label, so there is a bounded number.

    m365wi_reviews_total{outcome,reason}            reviews answered, by decision (webhook.core.decision)
    m365wi_review_seconds                           from the head of a request to its answer
    m365wi_account_lookups_total{source,result}     ServiceAccounts looked up (webhook.accounts.cache)
    m365wi_serving_certificate_not_after_seconds    Unix time at which the certificate that is served expires
    m365wi_ca_not_after_seconds                     Unix time at which the authority that signed it expires
    m365wi_client_ca_not_after_seconds              Unix time at which no client's certificate is accepted any more
    m365wi_trust_published                          1 if caBundle holds our authority, else 0
    m365wi_self_dial_ok                             1 if the last new connection to ourselves succeeded, else 0
    m365wi_certificate_events_total{event}          conflicts, repairs, failures of certificates (certs.managed.perform)
    m365wi_connections_refused_total{cause}         connections ended for the client's fault (CAUSES)
    m365wi_trace_spans_total{result}                spans exported, failed and dropped, if traces are switched on
    m365wi_build_info{version}                      1

The five gauges about certificates appear when they are first set. Before that they would be 0, an expiry in 1970.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

OUTCOMES: Final = {
    "injected": ("injected",),
    "unchanged": (
        "already-injected",
        "opted-out",
        "not-selected",
        "not-annotated",
        "mirror-pod",
        "all-skipped",
        "account-not-found",
    ),
    "denied": ("invalid-annotation", "too-large"),
    "error": ("lookup-failed", "not-ready", "bad-request", "internal"),
}
"""Every outcome with its reasons. Each starts at 0, so that the first error is a rise and not a new series."""

CAUSES: Final = ("handshake", "handshake-timeout", "client", "timeout", "size", "malformed", "connections", "memory")
"""TLS failed or took too long; a client that may not ask; a request took too long, was too big or not HTTP; too many
connections or bodies."""

_BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


# Each review changes the following. The Counter and Histogram of prometheus_client take a lock and several calls for
# each change: 17,000 instructions more, 2 % of a review. These take no lock, because only the event loop uses them.


class _Counts(Collector):
    """A counter with labels. first: the labels of the series that start at 0; others appear when they are counted."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], first: Iterable[tuple[str, ...]] = ()) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._counts = defaultdict[tuple[str, ...], int](int, dict.fromkeys(first, 0))

    def add(self, *labels: str) -> None:
        """Count one."""
        self._counts[labels] += 1

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client shows."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, count in self._counts.items():
            family.add_metric(labels, count)
        yield family


class _Reviews(Collector):
    """How many reviews had which decision, and how many took how long."""

    def __init__(self) -> None:
        pairs = [(outcome, reason) for outcome, reasons in OUTCOMES.items() for reason in reasons]
        self._decisions = _Counts("m365wi_reviews", "Admission reviews answered.", ("outcome", "reason"), pairs)
        self._within = [0] * (len(_BUCKETS) + 1)  # of each bucket alone; the last has the slowest
        self._seconds = 0.0

    def add(self, outcome: str, reason: str, seconds: float) -> None:
        """Count one that took `seconds`."""
        self._decisions.add(outcome, reason)
        self._within[bisect_left(_BUCKETS, seconds)] += 1
        self._seconds += seconds

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client shows."""
        yield from self._decisions.collect()
        buckets = list(zip((*map(str, _BUCKETS), "+Inf"), accumulate(self._within), strict=True))
        family = HistogramMetricFamily("m365wi_review_seconds", "Time taken by a review.")
        family.add_metric((), buckets, self._seconds)
        yield family


class _Spans(Collector):
    """What became of spans. counts: how many, by result."""

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client shows."""
        family = CounterMetricFamily(
            "m365wi_trace_spans", "Spans of reviews, by what became of them.", labels=("result",)
        )
        for result, count in self._counts().items():
            family.add_metric((result,), count)
        yield family


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self, *, version: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second, unused series for each counter
        self.registry: Final = CollectorRegistry()
        self._reviews = _Reviews()
        self.registry.register(self._reviews)
        self._lookups = _Counts("m365wi_account_lookups", "ServiceAccounts looked up.", ("source", "result"))
        self.registry.register(self._lookups)
        self._events = Counter(
            "m365wi_certificate_events", "What happened to certificates.", ("event",), registry=self.registry
        )
        self._events_seen: dict[str, int] = {}
        refused = Counter(
            "m365wi_connections_refused",
            "Connections ended for the client's fault.",
            ("cause",),
            registry=self.registry,
        )
        self._refused = {cause: refused.labels(cause) for cause in CAUSES}
        self._serving = Gauge(
            "m365wi_serving_certificate_not_after_seconds",
            "Expiry of the certificate served, Unix time.",
            registry=None,
        )
        self._authority = Gauge("m365wi_ca_not_after_seconds", "Expiry of the authority, Unix time.", registry=None)
        self._client_ca = Gauge(
            "m365wi_client_ca_not_after_seconds", "Expiry of the last authority of clients, Unix time.", registry=None
        )
        self._trust = Gauge("m365wi_trust_published", "Whether caBundle holds our authority.", registry=None)
        self._dial = Gauge("m365wi_self_dial_ok", "Whether a new connection to ourselves succeeded.", registry=None)
        self._shown: set[Gauge] = set()
        Gauge("m365wi_build_info", "The version.", ("version",), registry=self.registry).labels(version).set(1)

    def review(self, outcome: str, reason: str, seconds: float) -> None:
        """A review was answered after `seconds`."""
        self._reviews.add(outcome, reason, seconds)

    def lookup(self, source: str, result: str) -> None:
        """A ServiceAccount was looked up in `source`, with `result`."""
        self._lookups.add(source, result)

    def refused(self, cause: str) -> None:
        """A connection was ended because of `cause`, one of CAUSES."""
        self._refused[cause].inc()

    def serving_not_after(self, when: float) -> None:
        """The certificate that is served expires at `when`, Unix time in seconds."""
        self._set(self._serving, when)

    def authority_not_after(self, when: float) -> None:
        """The authority that signs it expires at `when`, Unix time in seconds."""
        self._set(self._authority, when)

    def client_ca_not_after(self, when: float) -> None:
        """The last of the authorities of clients expires at `when`, Unix time in seconds."""
        self._set(self._client_ca, when)

    def trust_published(self, *, published: bool) -> None:
        """Whether caBundle holds the authority that signed the certificate served."""
        self._set(self._trust, int(published))

    def self_dial(self, *, ok: bool) -> None:
        """Whether the last new connection to ourselves succeeded, trusting only caBundle."""
        self._set(self._dial, int(ok))

    def certificate_events(self, counts: Mapping[str, int]) -> None:
        """How often each thing has happened since the start."""
        for event, count in counts.items():
            self._events.labels(event).inc(count - self._events_seen.get(event, 0))
        self._events_seen = dict(counts)

    def spans(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Show what became of spans, from now on."""
        self.registry.register(_Spans(counts))

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics, in the format that the Accept header `accept` asks for, and the content type of that."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def _set(self, gauge: Gauge, value: float) -> None:
        gauge.set(value)
        if gauge not in self._shown:
            self._shown.add(gauge)
            self.registry.register(gauge)

"""The names that dashboards and alerts rely on."""

import pytest

from webhook.metrics import Metrics


def names(metrics: Metrics) -> set[str]:
    text = metrics.exposition("")[0].decode()
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


def test_the_names_are_those_that_are_promised() -> None:
    """All of them, and no others: the four about certificates once they are known."""
    metrics = Metrics(version="1.2.3")
    always = {
        "m365wi_reviews_total",
        "m365wi_review_seconds",
        "m365wi_account_lookups_total",
        "m365wi_certificate_events_total",
        "m365wi_connections_refused_total",
        "m365wi_build_info",
    }
    assert names(metrics) == always
    metrics.serving_not_after(2e9)
    metrics.authority_not_after(3e9)
    metrics.client_ca_not_after(4e9)
    metrics.trust_published(published=True)
    metrics.trust_published(published=False)
    metrics.self_dial(ok=True)
    assert names(metrics) - always == {
        "m365wi_serving_certificate_not_after_seconds",
        "m365wi_ca_not_after_seconds",
        "m365wi_client_ca_not_after_seconds",
        "m365wi_trust_published",
        "m365wi_self_dial_ok",
    }
    assert metrics.registry.get_sample_value("m365wi_trust_published") == 0
    assert metrics.registry.get_sample_value("m365wi_self_dial_ok") == 1
    assert metrics.registry.get_sample_value("m365wi_ca_not_after_seconds") == 3e9


def test_every_outcome_starts_at_zero() -> None:
    """So that an alert sees the first error as a rise."""
    registry = Metrics(version="1").registry
    for outcome, reason in (("injected", "injected"), ("error", "lookup-failed"), ("unchanged", "mirror-pod")):
        labels = {"outcome": outcome, "reason": reason}
        assert registry.get_sample_value("m365wi_reviews_total", labels) == 0


@pytest.mark.parametrize(("seconds", "bound"), [(0.0, "0.0005"), (0.001, "0.001"), (10.0, "10.0"), (10.1, "+Inf")])
def test_a_bucket_holds_its_bound_and_all_that_is_faster(seconds: float, bound: str) -> None:
    """As prometheus_client's own Histogram: a bucket counts those before it too, and the last counts all."""
    metrics = Metrics(version="1")
    metrics.review("injected", "injected", seconds)
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    buckets = {each.labels["le"]: each.value for each in samples if each.name == "m365wi_review_seconds_bucket"}
    assert list(buckets)[list(buckets.values()).index(1)] == bound
    assert sorted(buckets.values()) == list(buckets.values())
    assert buckets["+Inf"] == 1
    assert metrics.registry.get_sample_value("m365wi_review_seconds_count") == 1


def test_a_review_is_counted_and_timed() -> None:
    """A reason that is not in the table makes a series of its own rather than an error."""
    metrics = Metrics(version="1")
    metrics.review("injected", "injected", 0.003)
    metrics.review("unchanged", "brand-new", 0.004)
    value = metrics.registry.get_sample_value
    assert value("m365wi_reviews_total", {"outcome": "injected", "reason": "injected"}) == 1
    assert value("m365wi_reviews_total", {"outcome": "unchanged", "reason": "brand-new"}) == 1
    assert value("m365wi_review_seconds_bucket", {"le": "0.005"}) == 2
    assert value("m365wi_review_seconds_sum") == pytest.approx(0.007)


def test_lookups_and_refusals_are_counted() -> None:
    """An unknown cause is a mistake in our code."""
    metrics = Metrics(version="1")
    metrics.lookup("live", "found")
    metrics.refused("handshake")
    value = metrics.registry.get_sample_value
    assert value("m365wi_account_lookups_total", {"source": "live", "result": "found"}) == 1
    assert value("m365wi_connections_refused_total", {"cause": "handshake"}) == 1
    with pytest.raises(KeyError):
        metrics.refused("bad luck")


def test_certificate_events_are_passed_as_totals() -> None:
    """The caller passes totals; the metric never falls behind or counts one twice."""
    metrics = Metrics(version="1")
    for counts in ({"conflict": 1}, {"conflict": 1, "repair": 2}, {"conflict": 4, "repair": 2}):
        metrics.certificate_events(counts)
    value = metrics.registry.get_sample_value
    assert value("m365wi_certificate_events_total", {"event": "conflict"}) == 4
    assert value("m365wi_certificate_events_total", {"event": "repair"}) == 2


def test_two_processes_worth_of_metrics_do_not_mix() -> None:
    """Each has a registry of its own, so tests and commands may make as many as they like."""
    one, two = Metrics(version="1"), Metrics(version="2")
    one.lookup("live", "found")
    assert b'found"} 1' not in two.exposition("")[0]

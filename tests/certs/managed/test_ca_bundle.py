"""What a caBundle should be."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from certs.managed.ca_bundle import (
    PublishedBundle,
    WebhookConfiguration,
    WebhookEntry,
    our_bundles,
    trusted_by_all,
    trusted_since,
    wanted_bundle,
)
from certs.pem import bundle_pem, fingerprint, parse_bundle
from tests.authorities import make_authority
from tests.certs.fakes import SERVICE, START

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
POOL = [make_authority(now=START - n * 10 * DAY, lifetime=25 * DAY).certificate for n in range(6)]
"""The first three are valid at START; the others have expired, the third of them 5 days ago."""


def entry(*certificates: object, rest: bytes = b"", name: str = "a") -> PublishedBundle:
    return PublishedBundle(name=name, bundle=parse_bundle(bundle_pem(certificates) + rest))  # type: ignore[arg-type]


@given(ours=st.sets(st.sampled_from(POOL)), there=st.lists(st.sampled_from(POOL)), ended=st.sets(st.sampled_from(POOL)))
def test_a_bundle_becomes_right_in_one_step_and_stays(
    ours: set[object], there: list[object], ended: set[object]
) -> None:
    """All our authorities and every other valid one, except those that ended or expired; then it is right."""
    arguments = {"ours": ours, "ended": {fingerprint(c) for c in ended}, "now": START, "skew": HOUR}  # type: ignore[arg-type]
    before = entry(*there)
    certificates = wanted_bundle(before, **arguments)  # type: ignore[arg-type]
    after = entry(*certificates) if certificates is not None else before
    kept = {c for c in ours | set(there) if c not in ended and c.not_valid_after_utc >= START}  # type: ignore[attr-defined]
    assert set(after.bundle.certificates) == kept or not kept
    assert wanted_bundle(after, **arguments) is None  # type: ignore[arg-type]


def test_an_expired_certificate_goes_only_when_every_clock_agrees() -> None:
    """The clock that reads it may be ahead of kube-apiserver's."""
    certificate, other = POOL[0], make_authority(now=START, lifetime=100 * DAY).certificate
    end = certificate.not_valid_after_utc
    at = {"ours": [other], "ended": (), "skew": HOUR}
    there = entry(certificate, other)
    assert wanted_bundle(there, now=end + HOUR, **at) is None  # type: ignore[arg-type]
    assert wanted_bundle(there, now=end + 2 * HOUR, **at) == (other,)  # type: ignore[arg-type]


def test_what_is_not_a_certificate_is_dropped_even_if_nothing_else_changes() -> None:
    """Some clients read a bundle up to the first thing that they cannot read."""
    assert wanted_bundle(entry(POOL[0], rest=b"-----BEGIN X-----"), ours=[POOL[0]], ended=(), now=START, skew=HOUR) == (
        POOL[0],
    )


def test_a_bundle_is_never_emptied() -> None:
    """An empty caBundle means the roots of the system."""
    assert wanted_bundle(entry(POOL[5]), ours=[], ended=(), now=START, skew=HOUR) is None


def test_trusted_by_all_is_what_each_of_our_webhooks_trusts() -> None:
    """Without a webhook nothing is trusted."""
    assert trusted_by_all([entry(POOL[0], POOL[1]), entry(POOL[1], POOL[2])]) == {fingerprint(POOL[1])}
    assert trusted_by_all([]) == frozenset()


def test_a_wait_begins_anew_when_a_certificate_was_missed() -> None:
    """By one webhook at one reading."""
    known = fingerprint(POOL[0])
    seen = trusted_since({}, [entry(POOL[0])], ticks=5)
    assert trusted_since(seen, [entry(POOL[0])], ticks=65) == {known: 5}
    assert trusted_since(seen, [entry(POOL[0]), entry(name="b")], ticks=65) == {}


def test_our_webhooks_are_found_by_name_or_service() -> None:
    """Never by their place."""
    configuration = WebhookConfiguration(
        entries=(
            WebhookEntry(name="other", bundle=b"", service="other/service"),
            WebhookEntry(name="by-service", bundle=b"", service=SERVICE),
            WebhookEntry(name="by-name", bundle=b""),
            WebhookEntry(name="url", bundle=b""),
        ),
        version="1",
    )
    mine = our_bundles(configuration, names={"by-name"}, service=SERVICE)
    assert [entry.name for entry in mine] == ["by-service", "by-name"]

"""What a caBundle should be."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from certs.authority import make_authority
from certs.managed.ca_bundle import Configuration, Entry, Published, common, observe, published, wanted
from certs.pem import bundle_pem, fingerprint, parse_bundle
from tests.certs.fakes import SERVICE, START

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
POOL = [make_authority(now=START - n * 10 * DAY, lifetime=25 * DAY).certificate for n in range(6)]
"""The first three are valid at START; the others have expired, the third of them 5 days ago."""


def entry(*certificates: object, rest: bytes = b"", name: str = "a") -> Published:
    return Published(name=name, bundle=parse_bundle(bundle_pem(certificates) + rest))  # type: ignore[arg-type]


@given(ours=st.sets(st.sampled_from(POOL)), there=st.lists(st.sampled_from(POOL)), gone=st.sets(st.sampled_from(POOL)))
def test_a_bundle_becomes_right_in_one_step_and_stays(
    ours: set[object], there: list[object], gone: set[object]
) -> None:
    """All of ours and every valid stranger, none that is gone or expired; and then nothing is left to do."""
    arguments = {"ours": ours, "gone": {fingerprint(c) for c in gone}, "now": START, "skew": HOUR}  # type: ignore[arg-type]
    before = entry(*there)
    certificates = wanted(before, **arguments)  # type: ignore[arg-type]
    after = entry(*certificates) if certificates is not None else before
    kept = {c for c in ours | set(there) if c not in gone and c.not_valid_after_utc >= START}  # type: ignore[attr-defined]
    assert set(after.bundle.certificates) == kept or not kept
    assert wanted(after, **arguments) is None  # type: ignore[arg-type]


def test_an_expired_certificate_goes_only_when_every_clock_agrees() -> None:
    """The clock that reads it may be ahead of kube-apiserver's."""
    certificate, other = POOL[0], make_authority(now=START, lifetime=100 * DAY).certificate
    end = certificate.not_valid_after_utc
    at = {"ours": [other], "gone": (), "skew": HOUR}
    there = entry(certificate, other)
    assert wanted(there, now=end + HOUR, **at) is None  # type: ignore[arg-type]
    assert wanted(there, now=end + 2 * HOUR, **at) == (other,)  # type: ignore[arg-type]


def test_rubbish_is_dropped_even_if_nothing_else_changes() -> None:
    """Some clients read a bundle up to the first thing that they cannot read."""
    assert wanted(entry(POOL[0], rest=b"-----BEGIN X-----"), ours=[POOL[0]], gone=(), now=START, skew=HOUR) == (
        POOL[0],
    )


def test_a_bundle_is_never_emptied() -> None:
    """An empty caBundle means the system's roots, whoever they are."""
    assert wanted(entry(POOL[5]), ours=[], gone=(), now=START, skew=HOUR) is None


def test_common_is_what_every_webhook_of_ours_trusts() -> None:
    """With no webhook there is nothing that is trusted."""
    assert common([entry(POOL[0], POOL[1]), entry(POOL[1], POOL[2])]) == {fingerprint(POOL[1])}
    assert common([]) == frozenset()


def test_a_wait_begins_anew_when_a_certificate_was_missed() -> None:
    """By one webhook at one reading."""
    known = fingerprint(POOL[0])
    seen = observe({}, [entry(POOL[0])], ticks=5)
    assert observe(seen, [entry(POOL[0])], ticks=65) == {known: 5}
    assert observe(seen, [entry(POOL[0]), entry(name="b")], ticks=65) == {}


def test_webhooks_of_ours_are_found_by_name_or_service() -> None:
    """Never by their place."""
    configuration = Configuration(
        entries=(
            Entry(name="other", bundle=b"", service="other/service"),
            Entry(name="by-service", bundle=b"", service=SERVICE),
            Entry(name="by-name", bundle=b""),
            Entry(name="url", bundle=b""),
        ),
        version="1",
    )
    mine = published(configuration, names={"by-name"}, service=SERVICE)
    assert [entry.name for entry in mine] == ["by-service", "by-name"]

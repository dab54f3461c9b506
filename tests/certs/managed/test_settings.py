"""Settings that cannot work are refused before anything is done with them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from certs.authority import renewal_time
from certs.managed.settings import Settings
from tests.certs.fakes import START, settings

SECOND = timedelta(seconds=1)


def test_the_defaults_are_those_of_the_design() -> None:
    """Two years, fourteen days, and a wall clock that is looked at more often than each minute."""
    names = {"secret": "n/s", "configuration": "c", "service": "n/w", "names": ("w.n.svc",), "name": "w.n.svc"}
    default = Settings(**names)  # type: ignore[arg-type]
    assert default.authority_lifetime == timedelta(days=730)
    assert default.leaf_lifetime == timedelta(days=14)
    assert default.interval <= timedelta(seconds=30)


def test_everything_wrong_is_told_at_once() -> None:
    """One start is enough to learn it: each setting by its flag, its value, what was expected."""
    with pytest.raises(ValueError) as refused:
        settings(
            name="other",
            authority_lifetime=60 * SECOND,
            leaf_lifetime=40 * SECOND,
            interval=10 * SECOND,
            settle=2.5 * SECOND,
            skew=SECOND / 2,
            call_limit=timedelta(0),
        )
    assert str(refused.value).split("; ") == [
        "the name other is not among the names of the leaf",
        "--skew is 0.5s, expected 2s to 1h",
        "the time limit of a call is 0s, expected 0.001s to 36500d",
        "--leaf-lifetime is 40s, expected at most half of --ca-lifetime: 30s",
        "--leaf-lifetime is 40s, expected at least 61.5s: --skew (0.5s) and two of --interval (10s) fit into its last"
        " third",
        "--ca-lifetime is 1m, expected at least 129s: --skew (0.5s), --settle (2.5s) and four of --interval (10s) fit"
        " into its last third",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"skew": 1.9 * SECOND}, "--skew is 1.9s, expected 2s to 1h"),
        ({"skew": 3601 * SECOND}, "--skew is 3601s, expected 2s to 1h"),
        ({"interval": 0.05 * SECOND}, "--interval is 0.05s, expected 0.1s to 36500d"),
        ({"settle": -SECOND}, "--settle is -1s, expected 0s to 36500d"),
        ({"leaf_lifetime": 0 * SECOND}, "--leaf-lifetime is 0s, expected 1s to 36500d"),
        ({"authority_lifetime": timedelta(days=36501)}, "--ca-lifetime is 36501d, expected 1s to 36500d"),
        ({"leaf_lifetime": timedelta(days=31)}, "--leaf-lifetime is 31d, expected at most half of --ca-lifetime: 30d"),
        ({"interval": timedelta(hours=20)}, "--leaf-lifetime is 5d, expected at least 123h"),
        ({"settle": timedelta(days=20)}, "--ca-lifetime is 60d, expected at least"),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, timedelta], words: str) -> None:
    """Alone, with everything else as it should be."""
    with pytest.raises(ValueError) as refused:
        settings(**changes)
    assert str(refused.value).split("; ")[0].startswith(words)


def test_what_only_just_works_is_allowed() -> None:
    """The tests on a real cluster rotate five times in a few minutes."""
    settings(
        authority_lifetime=18 * SECOND,
        leaf_lifetime=9 * SECOND,
        interval=SECOND / 2,
        settle=2 * SECOND,
        skew=2 * SECOND,
    )


def test_a_replica_as_late_as_skew_allows_never_serves_what_others_call_expired() -> None:
    """The reason for what is asked of a leaf's lifetime: it is renewed while the API server's clock finds it good."""
    least = settings(
        leaf_lifetime=18 * SECOND, authority_lifetime=60 * SECOND, interval=SECOND, settle=SECOND, skew=4 * SECOND
    )
    renewed = renewal_time(START, START + least.leaf_lifetime) + 2 * least.interval
    assert renewed + least.skew <= START + least.leaf_lifetime

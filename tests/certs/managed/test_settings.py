"""Settings that cannot work are refused before anything is done with them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from certs import messages
from certs.authority import renewal_time
from certs.managed.settings import InvalidSettings, RotationSettings
from tests.certs.fakes import START, settings

SECOND = timedelta(seconds=1)


def test_the_defaults_are_those_of_the_design() -> None:
    """Two years, fourteen days, and a reading more often than each minute."""
    names = {"secret": "n/s", "configuration": "c", "service": "n/w", "names": ("w.n.svc",), "name": "w.n.svc"}
    default = RotationSettings(**names)  # type: ignore[arg-type]
    assert default.authority_lifetime == timedelta(days=730)
    assert default.leaf_lifetime == timedelta(days=14)
    assert default.interval <= timedelta(seconds=30)


def test_everything_wrong_is_reported_at_once() -> None:
    """With each setting, its value, and what was expected."""
    with pytest.raises(InvalidSettings) as refused:
        settings(
            name="other",
            authority_lifetime=60 * SECOND,
            leaf_lifetime=40 * SECOND,
            interval=10 * SECOND,
            publish_wait=2.5 * SECOND,
            skew=SECOND / 2,
            call_limit=timedelta(0),
        )
    assert [(problem.kind, problem.text) for problem in refused.value.problems] == [
        (messages.NAME_NOT_COVERED, "the name other is not among the names of the leaf certificate"),
        (messages.OUT_OF_BOUNDS, "skew is 0.5s, expected 2s to 1h"),
        (messages.OUT_OF_BOUNDS, "call_limit is 0s, expected 0.001s to 36500d"),
        (messages.LEAF_OVER_HALF, "leaf_lifetime is 40s, expected at most half of authority_lifetime: 30s"),
        (
            messages.LEAF_TOO_SHORT,
            "leaf_lifetime is 40s, expected at least 61.5s: skew (0.5s) and two of interval (10s) fit into its last "
            "third",
        ),
        (
            messages.AUTHORITY_TOO_SHORT,
            "authority_lifetime is 1m, expected at least 129s: skew (0.5s), publish_wait (2.5s) and four of interval "
            "(10s) fit into its last third",
        ),
    ]
    assert str(refused.value).splitlines() == [str(problem) for problem in refused.value.problems]


def test_a_problem_names_settings_as_its_reader_does() -> None:
    """The webhook's flags have other names than the fields here."""
    with pytest.raises(InvalidSettings) as refused:
        settings(leaf_lifetime=timedelta(days=31))
    (problem,) = refused.value.problems
    flags = {"leaf_lifetime": "--leaf-lifetime", "authority_lifetime": "--ca-lifetime"}
    assert problem.with_names(flags).text == "--leaf-lifetime is 31d, expected at most half of --ca-lifetime: 30d"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"skew": 1.9 * SECOND}, "skew is 1.9s, expected 2s to 1h"),
        ({"skew": 3601 * SECOND}, "skew is 3601s, expected 2s to 1h"),
        ({"interval": 0.05 * SECOND}, "interval is 0.05s, expected 0.1s to 36500d"),
        ({"publish_wait": -SECOND}, "publish_wait is -1s, expected 0s to 36500d"),
        ({"leaf_lifetime": 0 * SECOND}, "leaf_lifetime is 0s, expected 1s to 36500d"),
        ({"authority_lifetime": timedelta(days=36501)}, "authority_lifetime is 36501d, expected 1s to 36500d"),
        (
            {"leaf_lifetime": timedelta(days=31)},
            "leaf_lifetime is 31d, expected at most half of authority_lifetime: 30d",
        ),
        ({"interval": timedelta(hours=20)}, "leaf_lifetime is 5d, expected at least 123h"),
        ({"publish_wait": timedelta(days=20)}, "authority_lifetime is 60d, expected at least"),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, timedelta], words: str) -> None:
    """Alone, while everything else is as it should be."""
    with pytest.raises(InvalidSettings) as refused:
        settings(**changes)
    assert refused.value.problems[0].text.startswith(words)


def test_the_smallest_values_that_work_are_allowed() -> None:
    """The tests on a real cluster rotate five times in a few minutes."""
    settings(
        authority_lifetime=18 * SECOND,
        leaf_lifetime=9 * SECOND,
        interval=SECOND / 2,
        publish_wait=2 * SECOND,
        skew=2 * SECOND,
    )


def test_a_replica_as_late_as_skew_allows_never_serves_what_others_call_expired() -> None:
    """The reason for the limits of a leaf's lifetime: it is renewed while it is valid by the API server's clock."""
    least = settings(
        leaf_lifetime=18 * SECOND, authority_lifetime=60 * SECOND, interval=SECOND, publish_wait=SECOND, skew=4 * SECOND
    )
    renewed = renewal_time(START, START + least.leaf_lifetime) + 2 * least.interval
    assert renewed + least.skew <= START + least.leaf_lifetime

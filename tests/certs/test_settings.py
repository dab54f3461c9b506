"""Settings that cannot work are refused before anything is done with them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from certs.settings import Settings
from tests.certs.fakes import settings


def test_the_defaults_are_those_of_the_design() -> None:
    """Two years, fourteen days, and a wall clock that is looked at more often than each minute."""
    names = {"secret": "n/s", "configuration": "c", "service": "n/w", "names": ("w.n.svc",), "name": "w.n.svc"}
    default = Settings(**names)  # type: ignore[arg-type]
    assert default.authority_lifetime == timedelta(days=730)
    assert default.leaf_lifetime == timedelta(days=14)
    assert default.interval <= timedelta(seconds=30)


def test_everything_wrong_is_told_at_once() -> None:
    """One start is enough to learn it."""
    with pytest.raises(ValueError) as refused:
        settings(
            name="other",
            leaf_lifetime=timedelta(seconds=40),
            authority_lifetime=timedelta(seconds=60),
            call_limit=timedelta(0),
        )
    assert str(refused.value).split("; ") == [
        "the name other is not among the names of the leaf",
        "call_limit must be more than nothing",
        "leaf_lifetime must be at most half of authority_lifetime",
        "two intervals must fit into the last third of leaf_lifetime",
        "settle and four intervals must fit into the last third of authority_lifetime",
    ]


def test_short_lives_are_allowed_where_the_rest_is_short_too() -> None:
    """The tests on a real cluster rotate five times in a few minutes."""
    second = timedelta(seconds=1)
    settings(authority_lifetime=60 * second, leaf_lifetime=20 * second, interval=second, settle=4 * second, skew=second)

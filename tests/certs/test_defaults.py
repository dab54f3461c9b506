"""The defaults have one home, `RotationSettings`: --help, the docs and the chart's alerts say the same figures."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta
from pathlib import Path

import pytest

from certs.development import DevelopmentSource
from certs.managed.settings import RotationSettings, duration_text
from webhook.settings import Rotation, add_flags
from webhook.settings.read import _contradictions
from webhook.settings.values import duration

ROOT = Path(__file__).parents[2]
DAY, HOUR, MINUTE, SECOND = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))
LEAF, AUTHORITY = RotationSettings.leaf_lifetime, RotationSettings.authority_lifetime
INTERVAL, WAIT, SKEW = RotationSettings.interval, RotationSettings.publish_wait, RotationSettings.skew
FLAGS = {"ca_lifetime": AUTHORITY, "leaf_lifetime": LEAF, "interval": INTERVAL, "settle": WAIT, "skew": SKEW}
WORDS = {1: "an", 2: "two", 3: "three", 4: "four", 9: "nine"}


def words(span: timedelta, unit: timedelta) -> str:
    """How many whole units are in `span`, as prose has it."""
    return WORDS[span // unit]


@pytest.mark.parametrize("name", FLAGS)
def test_the_webhooks_settings_have_these_defaults(name: str) -> None:
    """Its flags are named otherwise; the values are the same."""
    assert getattr(Rotation(), name) == FLAGS[name]


@pytest.mark.parametrize("name", FLAGS)
def test_help_names_the_default(name: str) -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser, only=[name])
    assert f"({duration_text(FLAGS[name])})" in " ".join(parser.format_help().split())


@pytest.mark.parametrize("name", FLAGS)
def test_the_table_of_settings_names_the_default(name: str) -> None:
    """In docs/serve.md, in a unit of its own choice."""
    flag = "--" + name.replace("_", "-")
    found = re.search(rf"^\| `{flag}` \| `\w+` \| `(\w+)` \|", (ROOT / "docs/serve.md").read_text(), re.M)
    assert found is not None
    assert duration(found[1]) == FLAGS[name]


def test_settings_that_do_not_fit_together_are_named_by_their_flags() -> None:
    """`certs` has other names for some of them, and knows no flags."""
    found = [*_contradictions(Rotation(ca_lifetime=HOUR, leaf_lifetime=HOUR, settle=-SECOND, skew=SECOND), "m365")]
    assert [message.text for message in found] == [
        "--settle is -1s, expected 0s to 36500d",
        "--skew is 1s, expected 2s to 1h",
        "--leaf-lifetime is 1h, expected at most half of --ca-lifetime: 30m",
    ]
    assert [message.kind.code for message in found] == ["WIC402", "WIC402", "WIC403"]
    (long,) = _contradictions(Rotation(settle=300 * DAY), "m365")
    assert long.text.startswith("--ca-lifetime is 730d, expected at least")
    assert long.text.endswith("--skew (1h), --settle (300d) and four of --interval (30s) fit into its last third")


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("certificates", f"An authority lives {AUTHORITY // DAY} days, a leaf {LEAF // DAY} days"),
        ("certificates", f"Every {INTERVAL // SECOND} s each replica reads"),
        ("certificates", f"after {words(WAIT, MINUTE)} minutes in which every reading found it there"),
        ("certificates", f"not ready for up to {words(WAIT, MINUTE)} minutes (`--settle`)"),
        ("certificates", f"more than {words(SKEW, HOUR)} hour off the API server's"),
        ("certificates", f"the last third of a leaf's life (more than {words(LEAF / 3, DAY)} days)"),
        ("certificates", f"at most 2, 4, 8, 16 and then {INTERVAL // SECOND} s"),
        ("certificates", f"the old one stays trusted for {LEAF // DAY} days more"),
        ("certificates", f"there is one in {words(LEAF * 2 / 3, DAY)} days"),
        ("security", f"{LEAF // DAY} days and {words(3 * SKEW, HOUR)} hours later"),
        ("runbook", f"more than {words(LEAF / 3, DAY)} days"),
    ],
)
def test_the_docs_have_the_figures(page: str, sentence: str) -> None:
    """Each sentence follows from the defaults, so a default that changes finds it."""
    assert sentence in " ".join((ROOT / f"docs/{page}.md").read_text().split())


def test_the_alerts_come_after_a_renewal_has_failed_and_before_the_end() -> None:
    """A leaf and an authority are renewed when a third of their life is left."""
    template = (ROOT / "manifests/chart/templates/monitoring.yaml").read_text()
    (leaf_seconds,) = re.findall(r"\$left := (\d+) ", template)
    assert DAY <= int(leaf_seconds) * SECOND < LEAF / 3
    alerts = (ROOT / "manifests/chart/files/alerts.yaml").read_text()
    (authority_days,) = re.findall(r"m365wi_ca_not_after_seconds\) - time\(\) < (\d+) \* 86400", alerts)
    assert DAY <= int(authority_days) * DAY < AUTHORITY / 3


def test_a_development_leaf_lives_as_long() -> None:
    source = DevelopmentSource()
    leaf, not_after = source.serving.certificate, source.serving.not_after
    assert leaf is not None
    assert not_after is not None
    assert not_after - leaf.not_valid_before_utc == LEAF + HOUR

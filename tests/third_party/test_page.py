"""docs/tools.md has a result for every row that is tried, of the version that the lock files pin."""

from dataclasses import replace

import pytest
import yaml

from testbed.third_party import page
from testbed.third_party.build import HERE
from testbed.third_party.rows import ROWS


def test_the_page_is_what_the_last_run_wrote() -> None:
    """If a row or a pinned version has changed: make test-tools."""
    text = page.PAGE.read_text()
    assert page.rendered(text, {}) == text
    assert "| not run yet |" not in text


def test_at_least_twelve_rows_have_run() -> None:
    """With the result of each."""
    text = page.PAGE.read_text()
    assert sum(result.startswith(("signs in", "fails")) for result in page.recorded(text).values()) >= 12


def test_a_run_of_some_rows_keeps_the_results_of_the_others() -> None:
    """And leaves the text around the table alone."""
    first, second = map(page.key_of, ROWS[:2])
    text = page.rendered(f"Before.\n{page.BEGIN}{page.END}After.\n", {first: "signs in, by itself"})
    text = page.rendered(text, {second: "fails: `why`"})
    assert page.recorded(text)[first] == "signs in, by itself"
    assert page.recorded(text)[second] == "fails: `why`"
    assert text.startswith("Before.\n")
    assert text.endswith("After.\n")


def test_another_version_is_not_run_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result of the version before is not its result."""
    (row,) = ROWS[:1]
    text = page.rendered(page.BEGIN + page.END, {page.key_of(row): "signs in"})
    monkeypatch.setattr(page, "version", lambda _: "999.0")
    assert page.recorded(page.rendered(text, {}))[page.key_of(row)] == "not run yet"


def test_no_two_rows_have_the_same_key() -> None:
    """One would overwrite the result of the other."""
    assert len({page.key_of(row) for row in ROWS}) == len(ROWS)
    assert page.key_of(replace(ROWS[0], endpoint=True)) != page.key_of(ROWS[0])


def test_the_example_of_terraform_is_what_is_run() -> None:
    """The configuration in examples/terraform/pod.yaml, to the letter."""
    example = HERE.parents[1] / "examples" / "terraform" / "pod.yaml"
    config = next(yaml.safe_load_all(example.read_text()))
    assert config["data"]["main.tf"] == (HERE / "terraform" / "microsoft365" / "main.tf").read_text()

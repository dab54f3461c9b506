"""The examples are what lint would have them be."""

from pathlib import Path

import pytest

from webhook.commands import main

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_lint_finds_nothing_in_the_examples(capfd: pytest.CaptureFixture[str]) -> None:
    """People copy them."""
    assert main(["lint", str(EXAMPLES)], "m365wi") == 0
    assert capfd.readouterr().out.startswith("nothing found in ")


def test_each_example_says_what_one_sees_and_what_ran() -> None:
    """In its README, and in a row of the index."""
    index = (EXAMPLES / "README.md").read_text()
    for folder in EXAMPLES.iterdir():
        if folder.is_dir():
            text = (folder / "README.md").read_text()
            assert "ne sees" in text, folder
            assert "**What ran**:" in text, folder
            assert f"]({folder.name}/README.md)" in index

"""docs/variables.md is what the table of tools says."""

from pathlib import Path

import pytest

from tools import variables


def test_the_page_is_that_of_the_table() -> None:
    """`make variables` writes it."""
    assert variables.main(["--check"]) == 0


def test_a_page_that_differs_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the lines and the command; then it is written anew."""
    monkeypatch.setattr(variables, "PAGE", tmp_path / "variables.md")
    assert variables.main(["--check"]) == 1
    assert "+## Families" in capsys.readouterr().out
    variables.PAGE.write_text("# Old\n")
    assert variables.main(["--check"]) == 1
    assert capsys.readouterr().out.endswith("docs/variables.md does not match the table: make variables\n")
    assert variables.main([]) == 0
    assert variables.main(["--check"]) == 0

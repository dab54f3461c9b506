"""docs/messages.md is made from the tables of messages."""

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from tools import messages


@dataclass(frozen=True)
class Kind:
    """A row, as each package has its own class for."""

    code: str
    severity: str
    text: str
    fix: str = ""
    help: str = ""


SECOND = Kind("XX201", "error", "a_b is {{}} and {value}, expected <name> [1]")
FIRST = Kind("XX101", "warning", "no id on {object}", "run `kubectl annotate {object} id=*`", "It matters.")


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A table of two rows in place of all others, and a page to write."""
    module = ModuleType(
        "pretend_messages", "Pretended.\n\n    XX1xx  some.py  what is pretended\n    XX3xx  not there\n"
    )
    module.__dict__.update(TABLE={kind.code: kind for kind in (FIRST, SECOND)})
    monkeypatch.setitem(sys.modules, "pretend_messages", module)
    monkeypatch.setattr(messages, "TABLES", {"pretend_messages": "Pretended"})
    monkeypatch.setattr(messages, "PAGE", tmp_path / "messages.md")
    return tmp_path / "messages.md"


def test_a_row_becomes_a_section(table: Path) -> None:
    """With an anchor that is its code; values are in italics, and signs of Markdown are only signs."""
    assert messages.main([]) == 0
    text = table.read_text()
    assert text.startswith("# Messages\n")
    assert text.endswith(
        """
## Pretended

### XX1xx: what is pretended

#### XX101

warning: no id on *object*

Fix: run `kubectl annotate OBJECT id=*`

It matters.

### XX2xx: other messages

#### XX201

error: a\\_b is {} and *value*, expected \\<name\\> \\[1\\]
"""
    )


def test_the_check_fails_if_the_page_is_not_what_the_tables_say(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It changes nothing, and says what to run."""
    assert messages.main(["--check"]) == 1
    assert not table.exists()
    assert messages.main([]) == 0
    assert messages.main(["--check"]) == 0
    table.write_text(table.read_text().replace("It matters.", "It does not."))
    capsys.readouterr()
    assert messages.main(["--check"]) == 1
    printed = capsys.readouterr().out
    assert "-It does not.\n+It matters.\n" in printed
    assert printed.endswith("docs/messages.md does not match the tables: make messages\n")


@pytest.mark.parametrize("name", messages.TABLES)
def test_every_row_is_on_the_page_once(name: str) -> None:
    """Under a title of its table's docstring."""
    assert "other messages" not in messages.page()
    headings = [line.removeprefix("#### ") for line in messages.page().splitlines() if line.startswith("#### ")]
    assert len(headings) == len(set(headings))
    assert set(messages.table(name)) <= set(headings)

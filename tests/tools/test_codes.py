"""A message for users is a row of a table, with a code."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.tools.test_messages import FIRST, SECOND, Kind
from tools import codes


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small tree: one table, which is in `product/messages`, and the folder `product`."""
    name = "product.messages"
    module = ModuleType(name)
    module.__dict__.update(TABLE={row.code: row for row in (FIRST, SECOND)})
    monkeypatch.setitem(sys.modules, "product", ModuleType("product"))
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(codes, "ROOT", tmp_path)
    monkeypatch.setattr(codes, "TABLES", {name: "Product"})
    monkeypatch.setattr(codes, "CHECKED", ("product",))
    (tmp_path / "product" / "messages").mkdir(parents=True)
    return tmp_path


def found(root: Path, source: str) -> list[str]:
    """What is wrong with a module of the folder."""
    (root / "product" / "module.py").write_text(source)
    return list(codes.problems())


def test_a_row_is_written_in_a_table_only(root: Path) -> None:
    """By whatever name it is imported; another class of that name does not count."""
    source = "from product.messages import {}\n\nx = {}('XX901', 'error', 'text')\n"
    (root / "product" / "messages" / "pods.py").write_text(source.format("Kind", "Kind"))
    for imported, called in (("Kind", "Kind"), ("Kind as Row", "Row")):
        assert found(root, source.format(imported, called)) == [
            "product/module.py:3: a row of the table is written here: move it to its table, with a code"
        ]
    assert found(root, source.format("Kind", "Kind").replace("'XX901'", "problem.code")) == []
    assert found(root, "from product.workloads import Kind\n\nx = Kind('Pod')\n") == []
    assert found(root, "from product.messages import Kind, message\n\nx: Kind = message(y)\n") == []


@pytest.mark.parametrize("text", ["'no such file'", "f'no {x}'", "['no such file']", "place, f'{x}'"])
def test_an_exception_does_not_carry_a_sentence(root: Path, text: str) -> None:
    """Not in a list either."""
    assert found(root, f"raise BadFiles({text})\n") == [
        "product/module.py:1: BadFiles carries a sentence: give it a message of the table"
    ]


@pytest.mark.parametrize(
    "statement",
    ["raise BadFiles(message(kinds.MISSING))", "raise BadFiles", "raise", "raise NoPlace('a list within a list')"],
)
def test_an_exception_with_a_message_passes(root: Path, statement: str) -> None:
    """So does one whose text goes elsewhere, by the list."""
    assert found(root, f"{statement}\n") == []


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        (Kind("", "error", "text"), "the code is '', expected letters and three digits"),
        (Kind("XX12", "error", "text"), "the code is 'XX12', expected letters and three digits"),
        (Kind("XX101", "error", "text"), "the code is 'XX101', expected letters and three digits"),
        (Kind("XX301", "error", ""), "the text is empty"),
        (Kind("XX301", "error", "{}"), "the value {} is not a plain name"),
        (Kind("XX301", "error", "text", "{a.b}"), "the value {a.b} is not a plain name"),
        (Kind("XX301", "error", "{a!r}"), "the value {a} is not a plain name"),
    ],
)
def test_a_row_has_a_code_a_text_and_plain_values(root: Path, row: Kind, wrong: str) -> None:
    """A row under another code than its own is wrong as well."""
    sys.modules["product.messages"].__dict__["TABLE"]["XX301"] = row
    assert list(codes.problems()) == [f"product.messages: XX301: {wrong}"]


def test_the_command_fails_if_it_finds_something(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a line for each."""
    assert codes.main([]) == 0
    found(root, "raise BadFiles('no')\n")
    assert codes.main([]) == 1
    assert capsys.readouterr().out == (
        "product/module.py:1: BadFiles carries a sentence: give it a message of the table\n"
    )

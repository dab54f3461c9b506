"""The checker of shape counts lines of code, and reports what is too long."""

from pathlib import Path

import pytest

from tools import shape


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small tree in place of the repository, with an empty `webhook`."""
    monkeypatch.setattr(shape, "ROOT", tmp_path)
    monkeypatch.setattr(shape, "CODE", ("webhook", "bench"))
    monkeypatch.setattr(shape, "EXCEPTIONS", {})
    for name in ("webhook", "bench"):
        (tmp_path / name).mkdir()
    return tmp_path


def function(lines: int) -> str:
    """A function with so many lines of code, and with others that do not count."""
    return '"""M."""\n\n\nasync def f():\n    """One.\n\n    Two.\n    """\n\n    # why\n' + "    x = 1\n" * (lines - 1)


def test_a_function_has_at_most_forty_lines_of_code(root: Path) -> None:
    """Its first line counts; docstring, comments and blank lines do not. Programs around the product count, too."""
    for folder in ("webhook", "bench"):
        (root / folder / "good.py").write_text(function(40))
        (root / folder / "long.py").write_text(function(41))
    assert list(shape.problems()) == [
        "webhook/long.py:4: f has 41 lines, expected at most 40",
        "bench/long.py:4: f has 41 lines, expected at most 40",
    ]


def test_every_line_of_a_call_or_a_text_counts(root: Path) -> None:
    """So does a function inside another: it is read where it stands."""
    inner = "    def g():\n        '''Inner.'''\n" + "        x = 1\n" * 30
    text = "    x = '''\n" + "text\n" * 7 + "'''\n"
    (root / "webhook" / "long.py").write_text("def f():\n" + inner + text)
    assert list(shape.problems()) == ["webhook/long.py:1: f has 41 lines, expected at most 40"]


def test_a_module_of_the_product_has_at_most_350_lines(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All its lines; an exception is listed, and goes when it is no longer needed."""
    (root / "webhook" / "good.py").write_text("# why\n" * 350)
    (root / "webhook" / "long.py").write_text("# why\n" * 351)
    (root / "bench" / "long.py").write_text("# why\n" * 351)
    assert list(shape.problems()) == ["webhook/long.py: 351 lines, expected at most 350"]
    monkeypatch.setattr(shape, "EXCEPTIONS", {"webhook/long.py": "a reason", "webhook/good.py": "a reason"})
    assert list(shape.problems()) == ["webhook/good.py: 350 lines, so it needs no exception"]
    monkeypatch.setattr(shape, "EXCEPTIONS", dict.fromkeys(("webhook/long.py", "a", "b"), "a reason"))
    assert list(shape.problems()) == [
        "3 modules are excepted from the limit of 350 lines, expected at most 2",
        "a: excepted from the limit of 350 lines, and missing",
        "b: excepted from the limit of 350 lines, and missing",
    ]


def test_webhook_has_at_most_18_entries(root: Path) -> None:
    """Byte code aside."""
    (root / "webhook" / "__pycache__").mkdir()
    for number in range(18):
        (root / "webhook" / f"m{number}.py").write_text("")
    assert list(shape.problems()) == []
    (root / "webhook" / "folder").mkdir()
    assert list(shape.problems()) == ["webhook: 19 entries, expected at most 18"]


def test_the_command_fails_if_something_is_too_long(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a line for each."""
    assert shape.main([]) == 0
    assert capsys.readouterr().out == ""
    (root / "webhook" / "long.py").write_text(function(41))
    assert shape.main([]) == 1
    assert capsys.readouterr().out == "webhook/long.py:4: f has 41 lines, expected at most 40\n"


def test_every_folder_with_code_is_checked() -> None:
    """A package that the list forgets is missed here."""
    packages = {path.parent.name for path in shape.ROOT.glob("*/__init__.py")}
    assert packages <= set(shape.CODE)
    assert all((shape.ROOT / name).exists() for name in shape.CODE)

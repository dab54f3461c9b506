"""The checker of shape reports what is too long, and modules that their package does not list."""

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


def test_a_package_with_many_modules_lists_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests need not: they mirror the code. A package in the package is one of them; `__main__` is not."""
    monkeypatch.setattr(shape, "CODE", ("webhook", "tests"))
    for folder in ("webhook/part", "tests/part"):
        (root / folder / "last").mkdir(parents=True)
        for name in (*(f"m{number}.py" for number in range(7)), "__init__.py", "__main__.py", "last/__init__.py"):
            (root / folder / name).write_text("")
    assert list(shape.problems()) == [
        "webhook/part/__init__.py: the docstring does not list last, m0, m1, m2, m3, m4, m5, m6"
    ]
    (root / "webhook/part/last/__init__.py").unlink()
    assert not list(shape.problems())


def test_a_list_of_modules_is_complete_and_names_none_that_is_gone(root: Path) -> None:
    """In any package, however small. A line may name several modules; an example of code is not a list."""
    (root / "bench/part").mkdir()
    for name in ("one.py", "two.py", "three.py"):
        (root / "bench/part" / name).write_text("")
    package = root / "bench/part/__init__.py"
    package.write_text('"""Parts.\n\n    one, two   the first\n    four       the last\n"""\n')
    assert list(shape.problems()) == [
        "bench/part/__init__.py: the docstring does not list three",
        "bench/part/__init__.py: the docstring lists four, which is not there",
    ]
    package.write_text('"""Parts.\n\n    one, two\n               the first\n    three      the last\n"""\n')
    assert not list(shape.problems())
    package.write_text('"""Parts.\n\n    with one() as two:\n        two.three()\n"""\n')
    assert not list(shape.problems())

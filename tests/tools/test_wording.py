"""The checker of words finds what is not plain, where it stands, and nothing else."""

from pathlib import Path

import pytest

from tools import wording


def found(folder: Path, name: str, text: str) -> list[tuple[int, str]]:
    """The lines and phrases that the checker reports in a file with this text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return [(each.line, each.phrase) for each in wording.find(path)]


@pytest.mark.parametrize(
    "phrase",
    [
        "leafs",
        "Leafs",
        "is no",
        "are no",
        "was no",
        "were no",
        "is none",
        "are none",
        "mends",
        "mended",
        "nobody",
        "whom",
        "of ours",
        ", where there is",
        "lacking",
        "whoever",
        "anew",
        "in vain",
        "as good as",
        "for ever",
        "in truth",
        "of now",
    ],
)
def test_each_phrase_is_found_in_a_page(tmp_path: Path, phrase: str) -> None:
    """With the number of its line."""
    assert found(tmp_path, "page.md", f"First line.\nThis text{' ' * (phrase[0] != ',')}{phrase} one.\n") == [
        (2, phrase)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "is no longer",
        "are no longer",
        "is not",
        "is None",
        "are no-ops",
        "leaf certificates",
        "amend",
        "slack",
        "of our own",
        "where it is",
    ],
)
def test_plain_text_passes(tmp_path: Path, text: str) -> None:
    """Among it phrases that only look like one of the list."""
    assert found(tmp_path, "page.md", f"This {text} here.\n") == []


def test_else_is_found_where_it_begins_a_sentence_or_its_part(tmp_path: Path) -> None:
    """Not within one, nor in code."""
    text = "The first; else the second. Else the third.\nIf a, b, or else c.\n{{- else }}\nelse: pass\n"
    assert found(tmp_path, "page.md", text) == [(1, "else"), (1, "Else")]


def test_a_phrase_is_found_across_a_line_break(tmp_path: Path) -> None:
    """In a page, and in a comment of a file that is not Python."""
    assert found(tmp_path, "page.md", "One\nthis is\nno page\n") == [(2, "is no")]
    assert found(tmp_path, "values.yaml", "a: 1\n# This is\n#   no value.\n") == [(2, "is no")]


def test_docstrings_strings_and_comments_of_python_are_read(tmp_path: Path) -> None:
    """The line is that of the phrase, not that of the start of the docstring."""
    source = '''"""First line.

This is no module.
"""
x = f"{1} is none of {2}"  # nobody
y = (
    "this is "
    "no string, and that "
    "has leafs"
)
# a comment is
# no code
'''
    assert found(tmp_path, "module.py", source) == [
        (3, "is no"),
        (5, "nobody"),
        (5, "is none"),
        (6 + 1, "is no"),
        (9, "leafs"),
        (11, "is no"),
    ]


def test_names_in_code_are_searched_for_leafs_only(tmp_path: Path) -> None:
    """Code is not prose: an operator next to a name makes no phrase."""
    assert found(tmp_path, "module.py", "renew_leafs = 1\nnobody = whom = 2\n") == [(1, "renew_leafs")]
    assert found(tmp_path, "module.py", "a = b is None\n# no\n") == []
    assert found(tmp_path, "module.py", "is_ = 1  # is\nno = 2  # no\n") == []


def test_a_quotation_of_somebody_else_is_marked(tmp_path: Path) -> None:
    """On its line."""
    assert found(tmp_path, "module.py", 'x = "there is no package"  # wording: quoted\n') == []


def test_what_is_reported_names_file_line_text_and_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command fails with a line to click on."""
    path = tmp_path / "page.md"
    path.write_text("This is no page.\n")
    (each,) = wording.find(path)
    assert str(each) == f"{path}:1: This is no page.\n    instead of “is no”: not a, without, is missing"


def test_the_command_fails_if_it_finds_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--count` never does; files that are named are read alone, and only if they are among those that are read."""
    (tmp_path / "docs").mkdir()
    bad, good, other = tmp_path / "docs" / "bad.md", tmp_path / "README.md", tmp_path / "other.md"
    bad.write_text("nobody\nnobody\n")
    good.write_text("plain\n")
    other.write_text("nobody\n")
    monkeypatch.setattr(wording, "ROOT", tmp_path)
    assert wording.main([]) == 1
    assert capsys.readouterr().out.startswith("docs/bad.md:1: nobody\n")
    assert wording.main(["--count"]) == 0
    assert capsys.readouterr().out == "   2 docs\n   2 in all\n"
    assert wording.main([str(good), str(other)]) == 0
    assert wording.main([str(good), str(bad)]) == 1


def test_every_folder_of_the_product_is_read() -> None:
    """A folder that the list forgets, or that is renamed, is missed here."""
    read = {path.relative_to(wording.ROOT).parts[0] for path in wording.files()}
    packages = {path.parent.name for path in wording.ROOT.glob("*/__init__.py")}
    assert packages - {"tests"} <= read
    assert {"docs", "manifests", "image", "README.md", "Makefile", "Dockerfile"} <= read

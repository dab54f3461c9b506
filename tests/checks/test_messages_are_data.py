"""Code decides by the kind of a message and by its place, never by its wording."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import webhook

FOLDER = Path(webhook.__file__).parent
# Folders in which `x.text` is the text of a message; elsewhere it may be that of a file or of an annotation.
FOLDERS = ("checks", "commands", "entra")
FILES = [*sorted(file for name in FOLDERS for file in (FOLDER / name).rglob("*.py")), FOLDER / "findings.py"]
# What is shown of a message or of a finding, and the names that variables with one have.
WORDING = {"detail", "fix", "text"}
MESSAGES = {"finding", "hint", "message", "problem", "warning"}
LOOKS_INTO = {"startswith", "endswith", "find", "index", "count", "partition", "rpartition", "split", "removeprefix"}
PATTERNS = {"match", "search", "fullmatch", "findall", "finditer"}


def branches_on_wording(source: str) -> Iterator[int]:
    """The lines where the wording of a message is searched or compared."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, arguments = node.func.attr, [*node.args, *(each.value for each in node.keywords)]
            if (name in LOOKS_INTO and is_wording(node.func.value)) or (
                name in PATTERNS and any(map(is_wording, arguments))
            ):
                yield node.lineno
        if isinstance(node, ast.Compare) and any(map(is_wording, node.comparators)):
            yield node.lineno


def is_wording(node: ast.expr) -> bool:
    """Whether an expression is `x.text`, `x.fix`, `x.detail`, or a message as text: `str(message)`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str":
        return any(isinstance(each, ast.Name) and each.id in MESSAGES for each in node.args)
    return isinstance(node, ast.Attribute) and node.attr in WORDING


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(FOLDER).as_posix())
def test_no_branch_depends_on_the_wording_of_a_message(file: Path) -> None:
    """A sentence may be reworded without a change of what is reported."""
    assert [*branches_on_wording(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "line",
    [
        'message.text.startswith("no ")',
        '"annotation" not in warning.text',
        "re.match(pattern, finding.detail)",
        'str(warning).partition(":")',
    ],
)
def test_such_a_branch_is_found(line: str) -> None:
    """The search finds what it is for."""
    assert [*branches_on_wording(line)] == [1]

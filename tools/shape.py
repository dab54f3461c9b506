"""Checks the shape of the code: short functions, small modules, few folders, packages that say what is inside.

    python -m tools.shape    prints what is too long or not listed, with its file; exit status 1 if it finds any

A line of code is a line with code on it: docstrings, comments and blank lines do not count. A package with many modules
lists them in the docstring of its `__init__`; a list in any package is complete and names no module that is gone. Tests
need no list: they mirror the code.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["EXCEPTIONS", "LONGEST_FUNCTION", "LONGEST_MODULE", "MOST_ENTRIES", "MOST_UNLISTED", "main", "problems"]

ROOT: Final = Path(__file__).parent.parent
PRODUCT: Final = ("webhook", "certs", "m365_identity")
CODE: Final = (*PRODUCT, "demo", "bench", "testbed", "tools", "image", "manifests", "tests", "conftest.py")
# What fits on a screen, and what a newcomer reads in one go.
LONGEST_FUNCTION: Final = 40
LONGEST_MODULE: Final = 350  # all its lines
MOST_ENTRIES: Final = 18  # of `ls webhook`
MOST_UNLISTED: Final = 7  # modules of a package whose docstring does not list them
# The list of `webhook` is the table in docs/architecture.md; the docstring of `m365_identity` is for its users.
UNLISTED: Final = ("webhook", "m365_identity")
# Modules that may be longer, each with the reason. Two at most.
EXCEPTIONS: Final[Mapping[str, str]] = {}


def problems() -> Iterator[str]:
    """One line for each thing that is too long."""
    if len(EXCEPTIONS) > 2:
        yield f"{len(EXCEPTIONS)} modules are excepted from the limit of {LONGEST_MODULE} lines, expected at most 2"
    yield from (
        f"{name}: excepted from the limit of {LONGEST_MODULE} lines, and missing"
        for name in EXCEPTIONS
        if not (ROOT / name).is_file()
    )
    entries = [path for path in (ROOT / "webhook").iterdir() if path.name != "__pycache__"]
    if len(entries) > MOST_ENTRIES:
        yield f"webhook: {len(entries)} entries, expected at most {MOST_ENTRIES}"
    for name in CODE:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield from _of_file(file)
            if file.name == "__init__.py":
                yield from _of_package(file)


def _of_file(path: Path) -> Iterator[str]:
    name = path.relative_to(ROOT).as_posix()
    source = path.read_text(encoding="utf-8")
    lines = len(source.splitlines())
    if name.partition("/")[0] in PRODUCT:
        if lines > LONGEST_MODULE and name not in EXCEPTIONS:
            yield f"{name}: {lines} lines, expected at most {LONGEST_MODULE}"
        if lines <= LONGEST_MODULE and name in EXCEPTIONS:
            yield f"{name}: {lines} lines, so it needs no exception"
    code = _lines_of_code(source)
    for function, own in _functions(ast.parse(source)):
        size = len(code & own)
        if size > LONGEST_FUNCTION:
            yield f"{name}:{function.lineno}: {function.name} has {size} lines, expected at most {LONGEST_FUNCTION}"


# A line of a list: modules, and after two spaces what they are, there or on the next line.
_LISTED: Final = re.compile(r"^ *([a-z_0-9]+(?:\.py)?(?:, [a-z_0-9]+)*)(?: {2,}\S|$)", re.MULTILINE)


def _of_package(path: Path) -> Iterator[str]:
    """What is wrong with the list of modules in the docstring of a package."""
    folder, name = path.parent, path.relative_to(ROOT).as_posix()
    modules = {each.stem for each in folder.glob("*.py")} | {each.parent.name for each in folder.glob("*/__init__.py")}
    modules -= {"__init__", "__main__"}
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    listed = {each.removesuffix(".py") for line in _LISTED.findall(text) for each in line.split(", ")}
    many = len(modules) > MOST_UNLISTED and folder.relative_to(ROOT).as_posix() not in UNLISTED
    if not listed & modules and not (many and name.partition("/")[0] != "tests"):
        return
    missing = sorted(each for each in modules if not re.search(rf"\b{each}\b", text))
    gone = sorted(listed - modules) if listed & modules else []
    if missing:
        yield f"{name}: the docstring does not list {', '.join(missing)}"
    if gone:
        yield f"{name}: the docstring lists {', '.join(gone)}, which is not there"


_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(tree: ast.AST) -> Iterator[tuple[_Function, set[int]]]:
    """Each function and its lines, those of its docstring and of the docstrings inside it apart."""
    for node in ast.walk(tree):
        if isinstance(node, _Function):
            own = {*range(node.lineno, (node.end_lineno or node.lineno) + 1)}
            for inner in ast.walk(node):
                if isinstance(inner, _Function):
                    own -= _docstring(inner)
            yield node, own


def _docstring(node: _Function) -> set[int]:
    first = node.body[0]
    text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return {*range(first.lineno, (first.end_lineno or first.lineno) + 1)} if text else set()


def _lines_of_code(source: str) -> set[int]:
    """The lines that hold a token other than a comment or the end of a line."""
    passive = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    return {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in passive
        for line in range(token.start[0], token.end[0] + 1)
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring. Returns its exit status."""
    argparse.ArgumentParser(prog="python -m tools.shape", description="Check the shape of the code.").parse_args(
        arguments
    )
    found = [*problems()]
    print(*found, sep="\n", end="\n" * bool(found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

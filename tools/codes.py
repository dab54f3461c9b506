"""Finds messages for users that are not rows of a table, so that they have no code.

    python -m tools.codes    prints file:line and what is wrong; exit status 1 if it finds any

Three rules. A row (`Kind`) is written in a module of the tables only. Each row has a code, a text, and values that a
message can fill in. An exception does not carry a sentence, except those of `TEXTS`, which says where each goes.
"""

from __future__ import annotations

import argparse
import ast
import re
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tools.messages import TABLES, Row, table

__all__ = ["CHECKED", "TEXTS", "main", "problems"]

ROOT: Final = Path(__file__).parent.parent
# The folders whose sentences reach users.
CHECKED: Final = ("webhook",)
# Exceptions that carry a text of their own, and where it goes. All others carry a Message, or what they are named for.
TEXTS: Final[Mapping[str, str]] = {
    "BadScalar": "the value {reason} of a message about YAML",
    "LookupFailed": "the log of the webhook: the client gets 503",
    "NoDocument": "the value {reason} of a message about an issuer",
    "NoPlace": "not shown: the whole file is written again instead",
    "NotYaml": "the value {reason} of a message about YAML, with its line and column",
    "Refused": "the answer to a client that does not speak HTTP, so is not kube-apiserver",
    "RuntimeError": "the log: it is our bug",
    "TooManyLookups": "the log of the webhook: the client gets 503",
    "Unavailable": "the value {reason} of a message about the API server, or the log",
    "UnsoundPatch": "the log: it is our bug",
    "ValueError": "the caller, who puts it into a message or catches it",
}
_CODE: Final = re.compile(r"[A-Z]{2,3}[0-9]{3}")


def problems() -> Iterator[str]:
    """One line for each message without a code."""
    for name in TABLES:
        for code, row in table(name).items():
            yield from (f"{name}: {code}: {wrong}" for wrong in _row(code, row))
    tables = {name.replace(".", "/") for name in TABLES}
    for folder in CHECKED:
        for path in sorted((ROOT / folder).rglob("*.py")):
            file = path.relative_to(ROOT).as_posix()
            if not any(file == f"{each}.py" or file.startswith(f"{each}/") for each in tables):
                found = sorted(_module(path.read_text(encoding="utf-8")))
                yield from (f"{file}:{line}: {wrong}" for line, wrong in found)


def _row(code: str, row: Row) -> Iterator[str]:
    if not _CODE.fullmatch(row.code) or row.code != code:
        yield f"the code is {row.code!r}, expected letters and three digits"
    if not row.text:
        yield "the text is empty"
    for template in (row.text, row.fix):
        for _, name, spec, conversion in string.Formatter().parse(template):
            if name is not None and (not name.isidentifier() or spec or conversion):
                yield f"the value {{{name}}} is not a plain name"


def _module(source: str) -> Iterator[tuple[int, str]]:
    """The lines of a module that write a row, or that give an exception a sentence."""
    tree = ast.parse(source)
    rows = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and "messages" in (node.module or "").split(".")
        for alias in node.names
        if alias.name == "Kind"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in rows and _written(node):
            yield node.lineno, "a row of the table is written here: move it to its table, with a code"
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            name = node.exc.func.id
            is_class = name[:1].isupper()  # a function that makes the exception is checked where it is defined
            if is_class and name not in TEXTS and any(_sentence(argument) for argument in node.exc.args):
                yield node.lineno, f"{name} carries a sentence: give it a message of the table"


def _written(call: ast.Call) -> bool:
    """Whether the code of a row is written here. A row may be made with a code from another package's table."""
    return not call.args or isinstance(call.args[0], ast.Constant)


def _sentence(node: ast.expr) -> bool:
    """Whether an argument is text that is written here, or a list of such texts."""
    if isinstance(node, ast.List | ast.Tuple):
        return any(_sentence(each) for each in node.elts)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring. Returns its exit status."""
    argparse.ArgumentParser(prog="python -m tools.codes", description="Find messages without a code.").parse_args(
        arguments
    )
    found = [*problems()]
    print(*found, sep="\n", end="\n" * bool(found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

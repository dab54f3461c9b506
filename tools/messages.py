"""Makes docs/messages.md from the tables of messages.

python -m tools.messages            writes the page
python -m tools.messages --check    prints how the page differs from the tables; exit status 1 if it does
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import pkgutil
import re
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final, Protocol

__all__ = ["PAGE", "TABLES", "Row", "main", "page", "table"]

PAGE: Final = Path(__file__).parent.parent / "docs" / "messages.md"
# The module of each table, and what the page calls it. Each has its rows by code in TABLE.
TABLES: Final = {
    "webhook.core.messages": "The webhook and its commands",
    "certs.messages": "Certificates",
}
_HEADER: Final = """\
# Messages

Every warning, problem, hint and finding has a code, such as `WI101`. Texts may change in any release; a code keeps its
meaning, and the code of a message that is gone is not given to another one. Words in *italics* stand for values.

<!-- `make messages` writes this page from the tables of messages: change those. -->
"""


class Row(Protocol):
    """A row of a table: what the Kind of each package has in common."""

    @property
    def code(self) -> str:
        """Such as WI101."""

    @property
    def severity(self) -> str:
        """Such as `warning`."""

    @property
    def text(self) -> str:
        """With values in braces."""

    @property
    def fix(self) -> str:
        """What to do, with values in braces; may be empty."""

    @property
    def help(self) -> str:
        """Why it matters; may be empty."""


@dataclass(frozen=True)
class _Group:
    """The rows of one module, under the first line of its docstring."""

    title: str
    rows: Sequence[Row]


def table(name: str) -> Mapping[str, Row]:
    """The rows of the table in the module `name`, by code."""
    rows: Mapping[str, Row] = importlib.import_module(name).TABLE
    return rows


def page() -> str:
    """The text of docs/messages.md."""
    parts = [_HEADER]
    for name, title in TABLES.items():
        module = importlib.import_module(name)
        parts.append(f"## {title}\n")
        for group in _groups(module):
            parts += [f"### {group.title}\n", *(_section(row) for row in group.rows)]
    return "\n".join(parts).rstrip("\n") + "\n"


def _groups(module: ModuleType) -> Iterator[_Group]:
    """The rows of a table, by the module that defines them and in the order of their codes."""
    rows_by_code = table(module.__name__)
    modules = [module]
    if hasattr(module, "__path__"):
        names = [found.name for found in pkgutil.iter_modules(module.__path__, module.__name__ + ".")]
        modules = [*(importlib.import_module(name) for name in names), module]
    left = dict(rows_by_code)
    groups = []
    for each in modules:
        own = {id(value) for value in vars(each).values()}
        rows = [row for row in rows_by_code.values() if row.code in left and (each is module or id(row) in own)]
        if rows:
            groups.append(_Group(_title(each), rows))
        for row in rows:
            del left[row.code]
    yield from sorted(groups, key=lambda group: group.rows[0].code)


def _title(module: ModuleType) -> str:
    """The first line of a docstring, without the range of codes that it may begin with."""
    first = (module.__doc__ or module.__name__).splitlines()[0].rstrip(".")
    title = re.sub(r"^[A-Z]+[0-9]xx: ", "", first)
    return title[:1].upper() + title[1:]


def _section(row: Row) -> str:
    lines = [f"#### {row.code}", "", f"{row.severity}: {_marked(row.text)}", ""]
    if row.fix:
        lines += [f"Fix: {_marked(row.fix)}", ""]
    if row.help:
        lines += [row.help, ""]
    return "\n".join(lines)


def _marked(template: str) -> str:
    """A template as Markdown: what stands for a value in italics, everything else as it is."""
    return "".join(
        _escaped(literal) + (f"*{name}*" if name else "") for literal, name, _, _ in string.Formatter().parse(template)
    )


def _escaped(text: str) -> str:
    """`text` with a backslash before each sign that Markdown would take for its own."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", text)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.messages", description="Make docs/messages.md.")
    parser.add_argument("--check", action="store_true", help="change nothing; print what differs")
    options = parser.parse_args(arguments)
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    after = page()
    if not options.check:
        PAGE.write_text(after, encoding="utf-8")
    elif before != after:
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), PAGE.name, "the tables", lineterm="")
        print("\n".join(lines) + "\ndocs/messages.md does not match the tables: make messages")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

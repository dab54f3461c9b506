"""Makes docs/messages.md from the tables of messages.

python -m tools.messages            writes the page
python -m tools.messages --check    prints how the page differs from the tables; exit status 1 if it does
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import itertools
import re
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

__all__ = ["PAGE", "TABLES", "Row", "main", "page", "table"]

PAGE: Final = Path(__file__).parent.parent / "docs" / "messages.md"
# The module of each table, and what the page calls it. Each has its rows by code in TABLE.
TABLES: Final = {
    "webhook.core.messages": "The webhook and its commands",
    "certs.messages": "Certificates",
    "m365_identity._messages": "The helper",
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


def table(name: str) -> Mapping[str, Row]:
    """The rows of the table in the module `name`, by code."""
    rows: Mapping[str, Row] = importlib.import_module(name).TABLE
    return rows


def page() -> str:
    """The text of docs/messages.md."""
    parts = [_HEADER]
    for name, title in TABLES.items():
        parts.append(f"## {title}\n")
        for group, rows in _groups(name):
            parts += [f"### {group}\n", *(_section(row) for row in rows)]
    return "\n".join(parts).rstrip("\n") + "\n"


def _groups(name: str) -> Iterator[tuple[str, list[Row]]]:
    """The rows of a table by the hundreds of their codes, each with the title that the module's docstring has for it.

    Such a line of the docstring is `WI1xx  annotations.py  annotations of a pod`, with or without the file.
    """
    documented = importlib.import_module(name).__doc__ or ""
    titles = dict(re.findall(r"^ +([A-Z]+[0-9])xx +(?:\w+\.py +)?(.+)$", documented, flags=re.MULTILINE))
    rows = sorted(table(name).values(), key=lambda row: row.code)
    for hundred, group in itertools.groupby(rows, key=lambda row: row.code[:-2]):
        title = titles.get(hundred, "other messages")
        yield f"{hundred}xx: {title}", list(group)


def _section(row: Row) -> str:
    lines = [f"#### {row.code}", "", f"{row.severity}: {_marked(row.text)}", ""]
    if row.fix:
        lines += [f"Fix: {_marked(row.fix)}", ""]
    if edit := getattr(row, "edit", ""):
        lines += [f"In a manifest: {_marked(edit)}", ""]
    if row.help:
        lines += [row.help, ""]
    return "\n".join(lines)


def _marked(template: str) -> str:
    """A template as Markdown: values in italics, or in capitals inside backticks; everything else as it is."""
    parts, code = [], False
    for literal, name, _, _ in string.Formatter().parse(template):
        for index, text in enumerate(literal.split("`")):
            code ^= index > 0
            parts.append("`" * (index > 0) + (text if code else _escaped(text)))
        if name:
            # Two values in a row get a space: their stars would make one word of them.
            follows = not code and "".join(parts).endswith("*")
            parts.append(name.upper() if code else " " * follows + f"*{name}*")
    return "".join(parts)


def _escaped(text: str) -> str:
    """`text` with a backslash before each sign that Markdown would take for its own."""
    return re.sub(r"([\\*_\[\]<>#|~])", r"\\\1", text)


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

"""The tables of docs/tools.md, and the lines that an earlier run wrote there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from testbed.third_party.rows import READ, ROWS, Row
from testbed.third_party.versions import version

__all__ = ["PAGE", "Key", "key_of", "recorded", "rendered", "write"]

PAGE = Path(__file__).parents[2] / "docs" / "tools.md"
BEGIN, END = "<!-- `make test-tools` writes from here … -->\n", "<!-- … to here -->\n"
_RAN = "| tool | version | way in | in the pod | result |\n|---|---|---|---|---|\n"
_NOT_RUN = "not run yet"

Key = tuple[str, str, str, str]
"""What identifies a line: tool, version, way in, and what is special about the pod."""


def key_of(row: Row) -> Key:
    """The key of a row, with the version of the lock files."""
    return row.tool, version(row.package), row.way, row.pod


def recorded(text: str) -> dict[Key, str]:
    """The results in a page, in its order."""
    found: dict[Key, str] = {}
    for line in text.partition(BEGIN)[2].partition(END)[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 5 and cells[0] not in ("tool", "---"):
            tool, number, way, pod, result = cells
            found[tool, number, way, pod] = result
    return found


def rendered(text: str, results: Mapping[Key, str]) -> str:
    """A page with these results. A row without one keeps what an earlier run wrote for its version."""
    before = recorded(text)
    lines = []
    for row in ROWS:
        key = key_of(row)
        lines.append(f"| {' | '.join((*key, results.get(key) or before.get(key) or _NOT_RUN))} |\n")
    table = "".join((_RAN, *lines))
    if READ:
        table += "\nNot part of the run: read in the source, or tried by hand if the line says so.\n\n" + _RAN
        table += "".join(
            f"| {each.tool} | {each.version} | {each.way} | {each.pod} | {each.result} |\n" for each in READ
        )
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}"


def write(results: Mapping[Key, str]) -> None:
    """Writes the page."""
    PAGE.write_text(rendered(PAGE.read_text(), results))

"""Lists as GitHub reads them, written as Python-Markdown reads them.

GitHub lets a list follow a line of text at once, and takes what is below an item for the item's if it stands under the
item's text. Python-Markdown wants an empty line before a list, and four columns for each level.
"""

from __future__ import annotations

import re
from typing import Final

from tools.site.links import outside_code

__all__ = ["widened"]

_ITEM: Final = re.compile(r"( *)([-*]|\d+\.)( +)\S")
_INTERRUPTS: Final = (
    "-",
    "*",
    "1.",
)  # what begins a list right after a line of text; a year at a line's start does not
_COLUMNS: Final = 4


def widened(text: str) -> str:
    """The Markdown of a page with each list set off, and four columns of indent for each level of it."""
    lines: list[str] = []
    texts: list[int] = []  # where the text of each item begins that is open, from the outermost
    before = ""  # the line before, if it is text that a list cannot follow at once
    paragraphs = False  # whether the open item has more than one
    fenced = False
    for line, is_text in outside_code(text):
        indent = len(line) - len(line.lstrip(" "))
        item = _ITEM.match(line) if is_text else None
        if item and before and not texts and item[2] not in _INTERRUPTS:
            item = None
        if not line.strip():
            paragraphs = bool(texts)
        set_off = bool(texts) and not paragraphs
        # A line of text right after another one belongs to the same paragraph, whatever its indent.
        opens = not is_text and not fenced
        fenced = not is_text
        if line.strip() and (item or not before) and (is_text or opens):
            while texts and indent < texts[-1]:
                texts.pop()
        if item and before and not set_off:
            lines.append("")
        inner = max(indent - texts[-1], 0) if texts else indent
        lines.append(" " * (_COLUMNS * len(texts) + inner) + line.lstrip(" ") if line.strip() else "")
        if item:
            texts.append(item.end(3))
            paragraphs = False
        before = line.strip() if is_text and not line.startswith("#") else ""
    return "\n".join(lines) + "\n"

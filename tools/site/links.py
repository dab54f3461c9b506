"""Links between files of the repository, as links of the site."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

__all__ = ["outside_code", "rewritten"]

_LINK: Final = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_FENCE: Final = re.compile(r"\s*(```+|~~~+)")


def outside_code(text: str) -> Iterator[tuple[str, bool]]:
    """The lines of a page, each with whether it is text: neither in a fenced block nor one of its fences."""
    fence = ""
    for line in text.splitlines():
        found = _FENCE.match(line)
        if fence:
            yield line, False
            fence = "" if line.strip() == fence else fence
        else:
            fence = found[1] if found else ""
            yield line, not found


def rewritten(text: str, *, source: str, pages: Mapping[str, str], elsewhere: Callable[[str], str]) -> str:
    """The Markdown of a page whose links lead to the site's files, or to the repository.

    `source` is the page's path in the repository, and `pages` the path in the site of each file that the site has, by
    its path in the repository. `elsewhere(path)` is the address of any other file, or "" if it does not exist: such a
    link stays, so that MkDocs reports it.
    """

    def target(match: re.Match[str]) -> str:
        name, hash_, anchor = match[1].partition("#")
        if not name or "://" in name or name.startswith(("mailto:", "/")):
            return match[1]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), name))
        if path in pages:
            return os.path.relpath(pages[path], posixpath.dirname(pages[source]) or ".") + hash_ + anchor
        return (elsewhere(path) or name) + hash_ + anchor

    return "\n".join(_LINK.sub(target, line) if is_text else line for line, is_text in outside_code(text)) + "\n"


def github_address(repository: str, ref: str, root: Path) -> Callable[[str], str]:
    """The address of a file or folder below `root` on GitHub, at a branch or tag; "" for what does not exist."""

    def address(path: str) -> str:
        kind = "tree" if (root / path).is_dir() else "blob"
        return f"{repository}/{kind}/{ref}/{path}" if (root / path).exists() else ""

    return address

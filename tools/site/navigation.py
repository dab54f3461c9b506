"""The site's navigation, from the index in docs/README.md: who reads, and the pages for them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["Group", "groups", "in_site", "targets"]

# A heading `## Developer: use it in a pod`, and below it items `- [The guide](guide.md): …, [its commands](…)`.
_HEADING: Final = re.compile(r"^## ([^:]+): ")
_LINKS: Final = re.compile(r"\[([^\]]+)\]\(([^)#]+)[^)]*\)")

# The title of each group, and below it the title and the target of each page, as the index writes it.
Group = Mapping[str, Sequence[tuple[str, str]]]


def groups(index: str) -> Group:
    """The pages of the index by reader. A link belongs to the navigation if it stands in an item, before its colon."""
    found: dict[str, list[tuple[str, str]]] = {}
    title = ""
    for line in index.splitlines():
        if line.startswith("#"):
            heading = _HEADING.match(line)
            title = heading[1] if heading else ""
        elif title and line.startswith("- "):
            listed = re.sub(r"\): .*", ")", line)
            found.setdefault(title, []).extend((name.strip("`"), target) for name, target in _LINKS.findall(listed))
    return found


def targets(index: str) -> list[str]:
    """The pages of the index, in its order."""
    return [target for pages in groups(index).values() for _, target in pages]


def in_site(path: str) -> str:
    """Where the site has a page of the repository; one that is not in docs/ is such as examples/terraform/README.md."""
    folder, name = posixpath.split(path)
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if not folder:
        return f"project/{name.lower()}"
    return f"{folder}/index.md" if folder == "examples" else f"{folder}.md"

"""What MkDocs calls while it builds the site. PYTHONPATH is the root of the repository: `make docs` sets it."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tools.site.links import github_address, rewritten
from tools.site.lists import widened
from tools.site.navigation import groups, in_site, targets

ROOT: Final = Path(__file__).parents[2]
_INDEX: Final = ROOT / "docs" / "README.md"
# What the search takes for more, and for less, important than other pages: it would find most words in the long ones.
_BOOST: Final = {"guide.md": 3.0, "faq.md": 1.5, "messages.md": 0.2}
_CONTRIBUTORS: Final = 0.2
# The path in the site of each file of it, by its path in the repository. Filled by on_files.
_pages: dict[str, str] = {}


def _repository_path(target: str) -> str:
    return posixpath.normpath(posixpath.join("docs", target))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation by reader, and the selector of versions if mike builds the site."""
    nav: list[dict[str, Any]] = []
    for title, pages in groups(_INDEX.read_text(encoding="utf-8")).items():
        section: list[dict[str, Any]] = []
        for name, target in pages:
            path = _repository_path(target)
            place = in_site(path)
            below = sorted((ROOT / path).parent.glob("[0-9]*.md")) if place.endswith("/README.md") else []
            folder = posixpath.dirname(place)
            section.append({name: [place, *(f"{folder}/{page.name}" for page in below)]} if below else {name: place})
        nav.append({title: section})
    config.nav = [{"Home": "README.md"}, *nav]
    if "MIKE_DOCS_VERSION" in os.environ:
        config.extra["version"] = {"provider": "mike"}
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the pages of the index that are not in docs/, and notes where everything is."""
    _pages.clear()
    _pages.update({f"docs/{file.src_uri}": file.src_uri for file in files.documentation_pages()})
    _pages.update({f"docs/{file.src_uri}": file.src_uri for file in files.media_files()})
    for path in map(_repository_path, targets(_INDEX.read_text(encoding="utf-8"))):
        if not path.startswith("docs/"):
            text = (ROOT / path).read_text(encoding="utf-8")
            files.append(File.generated(config, in_site(path), content=text))
            _pages[path] = in_site(path)
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with its links and its lists as MkDocs wants them."""
    if page.file.src_uri == "README.md":
        page.meta["hide"] = ["navigation", "toc"]  # it is the index itself, and its table needs the width
    for_contributors = page.ancestors and page.ancestors[-1].title == "Contributor"
    page.meta["search"] = {"boost": _BOOST.get(page.file.src_uri, _CONTRIBUTORS if for_contributors else 1.0)}
    source = next(path for path, place in _pages.items() if place == page.file.src_uri)
    version = os.environ.get("MIKE_DOCS_VERSION", "")
    elsewhere = github_address(config.repo_url or "", f"v{version}" if version[:1].isdigit() else "main", ROOT)
    return widened(rewritten(markdown, source=source, pages=_pages, elsewhere=elsewhere))

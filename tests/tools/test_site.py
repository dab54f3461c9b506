"""What makes the docs a site: its links, its lists, its navigation. tests/browser has the site itself."""

from pathlib import Path

import pytest

from tools.site.links import github_address, rewritten
from tools.site.lists import widened
from tools.site.navigation import groups, in_site

PAGES = {
    "docs/guide.md": "guide.md",
    "docs/decisions/0001.md": "decisions/0001.md",
    "docs/pictures/a.png": "pictures/a.png",
    "CONTRIBUTING.md": "project/contributing.md",
}


@pytest.mark.parametrize(
    ("source", "before", "after"),
    [
        ("docs/guide.md", "[a](decisions/0001.md#b)", "[a](decisions/0001.md#b)"),
        ("docs/decisions/0001.md", "[a](../guide.md), [b](#c)", "[a](../guide.md), [b](#c)"),
        ("docs/guide.md", "![a](pictures/a.png)", "![a](pictures/a.png)"),
        ("docs/guide.md", "[a](../CONTRIBUTING.md#b)", "[a](project/contributing.md#b)"),
        ("CONTRIBUTING.md", "[a](docs/guide.md)", "[a](../guide.md)"),
        ("docs/guide.md", "[a](../LICENSE#b)", "[a](at/LICENSE#b)"),
        ("docs/guide.md", "[a](missing.md#b)", "[a](missing.md#b)"),
        ("docs/guide.md", "[a](https://example.com/x.md)", "[a](https://example.com/x.md)"),
        ("docs/guide.md", "```\n[a](../LICENSE)\n```", "```\n[a](../LICENSE)\n```"),
    ],
)
def test_a_link_leads_to_the_page_or_to_the_repository(source: str, before: str, after: str) -> None:
    """Relative to the page in the site. What exists nowhere stays, for MkDocs to report; code stays."""
    found = rewritten(before, source=source, pages=PAGES, elsewhere=lambda path: "at/LICENSE" * (path == "LICENSE"))
    assert found == after + "\n"


def test_what_the_site_does_not_have_is_on_github(tmp_path: Path) -> None:
    """A file as a blob and a folder as a tree, of the tag or branch; nothing else."""
    (tmp_path / "a").write_text("")
    (tmp_path / "b").mkdir()
    address = github_address("https://github.com/me/it", "v1", tmp_path)
    assert address("a") == "https://github.com/me/it/blob/v1/a"
    assert address("b") == "https://github.com/me/it/tree/v1/b"
    assert address("c") == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Text\n- a\n- b\n", "Text\n\n- a\n- b\n"),
        ("## Title\n- a\n  b\n- c\n", "## Title\n- a\n    b\n- c\n"),
        ("- a\n  - b\n    c\n- d\n\ne\n", "- a\n    - b\n        c\n- d\n\ne\n"),
        (
            "1. a\n\n   ```\n   b\n    c\n   ```\n\n   d\n2. e\n",
            "1. a\n\n    ```\n    b\n     c\n    ```\n\n    d\n\n2. e\n",
        ),
        ("- a\nb\n\nc\n", "- a\n    b\n\nc\n"),
        ("```\na\n- b\n```\n", "```\na\n- b\n```\n"),
        ("It is of\n2026. So it\n- is\n", "It is of\n2026. So it\n\n- is\n"),
        ("- a\n\n```\nb\n```\n", "- a\n\n```\nb\n```\n"),
    ],
)
def test_a_list_of_github_is_one_of_python_markdown(before: str, after: str) -> None:
    """An empty line before it, four columns for each level; code as it is."""
    assert widened(before) == after


def test_the_navigation_is_the_index() -> None:
    """By reader, with the links that stand before an item's colon; other headings and texts have no part in it."""
    index = "# T\n[x](x.md)\n\n## Developer: use it\n- [a](a.md) and [`b`](b.md#c): d, [e](e.md)\n- [f](../F.md)\n"
    index += "\n## Other\n- [g](g.md)\n"
    assert groups(index) == {"Developer": [("a", "a.md"), ("b", "b.md"), ("f", "../F.md")]}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("docs/guide.md", "guide.md"),
        ("docs/decisions/README.md", "decisions/README.md"),
        ("SECURITY.md", "project/security.md"),
        ("examples/README.md", "examples/index.md"),
        ("examples/flux/README.md", "examples/flux.md"),
    ],
)
def test_a_page_has_its_place(path: str, place: str) -> None:
    """No two have the same: docs/security.md and SECURITY.md."""
    assert in_site(path) == place

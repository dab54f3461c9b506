"""The versions of the docs' site, as `make docs-version` puts them beside each other for GitHub Pages."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from m365_identity import __version__
from tests.browser.serving import serving

pytestmark = [pytest.mark.slow, pytest.mark.browser]

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "build" / "docs-venv"
AUTHOR = {f"GIT_{who}_{what}": "docs@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def run(*command: str, cwd: Path) -> None:
    """A command in a clone, with this checkout's MkDocs."""
    done = subprocess.run(command, cwd=cwd, env=os.environ | AUTHOR, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What GitHub Pages would show after a release and a change on main: the commit that is checked out, twice."""
    folder = tmp_path_factory.mktemp("versions")
    clone, pages = folder / "clone", folder / "pages"
    run("git", "clone", "--quiet", str(ROOT), str(clone), cwd=folder)
    run("git", "tag", "--force", f"v{__version__}", cwd=clone)
    for version in (f"v{__version__}", "dev"):
        run(
            "make", "--old-file", f"{DOCS}/set-up", f"DOCS={DOCS}", "docs-version", f"DOCS_VERSION={version}", cwd=clone
        )
    run("git", "clone", "--quiet", "--branch=gh-pages", str(clone), str(pages), cwd=folder)
    return pages


def test_a_reader_chooses_a_version(browser: Browser, pages: Path) -> None:
    """The site opens with the newest release; the selector leads to main. Links to sources are of the version."""
    with serving(pages) as address, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{address}/")
        expect(page).to_have_url(re.compile(r"/latest/"))
        expect(page.locator(".md-version__current")).to_have_text(__version__)
        page.locator(".md-version").hover()
        page.get_by_role("link", name="dev", exact=True).click()
        expect(page).to_have_url(re.compile(r"/dev/"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert f"/blob/v{__version__}/README.md" in (pages / "latest" / "install.html").read_text()
    assert "/blob/main/README.md" in (pages / "dev" / "install.html").read_text()

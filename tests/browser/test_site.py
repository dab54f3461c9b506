"""The docs' site, as `make docs` built it: opened from its files, and from a server."""

import html.parser
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import Browser, Page, expect

from tests.browser.contrast import too_faint
from tests.browser.serving import serving
from tools.messages import TABLES, table
from tools.site.navigation import in_site, targets

pytestmark = [pytest.mark.slow, pytest.mark.browser]

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "site"
INDEX = ROOT / "docs" / "README.md"
# A newcomer's questions, written down before the site was made, in words for a search and as a sentence; and where the
# answer is.
QUESTIONS = [
    ("access Graph without secret", "How do I give my pod access to Microsoft Graph without a secret?", "guide"),
    ("pod refused admission", "My pod was refused, what now?", "runbook"),
    ("AADSTS70021", "Entra says AADSTS70021: no matching federated identity record found", "faq"),
    ("install helm", "How do I install it with Helm?", "install"),
    ("certificate renewal", "The certificate of the webhook expired", "certificates"),
    ("migrate azure-workload-identity", "How do I migrate from azure-workload-identity?", "coexistence"),
    ("WI221", "What does WI221 mean?", "messages"),
    ("terraform", "How do I use it in Terraform?", "guide"),
    ("federated credential", "Which federated credential does the application need?", "federated-credential"),
    ("webhook down", "What happens if the webhook is down?", "faq"),
]
# What a page has on GitHub and on the site alike.
TAGS = {"a", "code", "em", "h1", "h2", "h3", "h4", "img", "li", "ol", "pre", "strong", "table", "td", "th", "tr", "ul"}


class Counted(html.parser.HTMLParser):
    """How many of each tag a text has, without the links that the theme adds to headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.feed(re.sub(r'<a [^>]*class="headerlink".*?</a>', "", text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += tag in TAGS


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """The site is there."""
    assert (SITE / "index.html").exists(), "run `make docs` first"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server of the site's files."""
    with serving(SITE) as address:
        yield address


@pytest.fixture(params=["file", "server"])
def home(request: pytest.FixtureRequest) -> str:
    """Where the site begins: opened from its files, or from a server."""
    return SITE.as_uri() if request.param == "file" else str(request.getfixturevalue("server"))


@pytest.fixture
def site(browser: Browser, home: str) -> Iterator[Page]:
    """The front page. A test fails if a page logs an error, or asks for anything elsewhere."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        problems: list[str] = []
        page.on("console", lambda line: problems.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        context.on("request", lambda sent: None if sent.url.startswith(f"{home}/") else problems.append(sent.url))
        page.goto(f"{home}/index.html")
        yield page
        assert problems == []


def found(page: Page, question: str) -> list[str]:
    """The pages that the search finds first, three at most, such as `guide`."""
    box = page.get_by_role("textbox", name="Search")
    box.fill(question)
    box.press("End")  # the page reads the box when a key goes up
    expect(page.locator(".md-search-result__meta")).to_contain_text("matching")
    shown = page.locator(".md-search-result__item > a:first-child")
    expect(shown.first).to_be_visible()
    links = [link.get_attribute("href") or "" for link in shown.all()[:3]]
    return [re.sub(r".*/([^/]+)\.html.*", r"\1", link) for link in links]


@pytest.mark.parametrize(("words", "sentence", "page"), QUESTIONS, ids=[each[0] for each in QUESTIONS])
def test_a_newcomers_question_is_answered_in_the_first_three_results(
    site: Page, home: str, words: str, sentence: str, page: str
) -> None:
    """In words for a search, from the files; as a sentence, from a server."""
    assert page in found(site, words if home.startswith("file:") else sentence)


def test_each_message_has_an_address_and_is_found() -> None:
    """`messages.html#wi123`, as docs/messages.md has it on GitHub; the search's index has a section for each."""
    index = json.loads((SITE / "search" / "search_index.json").read_text())
    sections = {each["location"] for each in index["docs"]}
    codes = {code.lower() for name in TABLES for code in table(name)}
    anchors = set(re.findall(r' id="([^"]+)"', (SITE / "messages.html").read_text()))
    assert {code for code in codes if code not in anchors or f"messages.html#{code}" not in sections} == set()


def test_a_messages_code_leads_to_it(site: Page) -> None:
    """One click from the search."""
    assert found(site, "WIH302")[0] == "messages"
    site.locator(".md-search-result__item a[href$='#wih302']").click()
    expect(site).to_have_url(re.compile(r"messages\.html.*#wih302$"))
    expect(site.get_by_role("heading", name="WIH302")).to_be_in_viewport()


def test_the_front_page_says_what_it_is_in_one_screen(site: Page) -> None:
    """What, for whom, and the whole comparison."""
    expect(site.get_by_role("heading", level=1)).to_be_in_viewport()
    table = site.get_by_role("table").bounding_box()
    assert table
    assert table["y"] + table["height"] <= 900


def test_every_page_is_two_clicks_away() -> None:
    """By links of the front page, and of the pages that it leads to."""
    pages = {path for path in SITE.rglob("*.html") if path.name != "404.html"}

    def linked(page: Path) -> set[Path]:
        article = page.read_text().partition("<article")[2].partition("</article")[0]
        targets = re.findall(r'href="([^"#:]+\.html)', article)
        return {(page.parent / target).resolve() for target in targets}

    first = linked(SITE / "index.html")
    assert pages - first - {page for each in first for page in linked(each)} - {SITE / "index.html"} == set()


PAGES = sorted(
    {*(ROOT / "docs").rglob("*.md"), *((ROOT / "docs" / each).resolve() for each in targets(INDEX.read_text()))}
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_the_same_parts_as_on_github(page: Path) -> None:
    """Headings, lists, tables, code and links, as CommonMark reads the page."""
    name = Path(in_site(str(page.relative_to(ROOT)))).with_suffix(".html")
    built = SITE / (name.with_name("index.html") if name.stem == "README" else name)
    on_github = MarkdownIt("commonmark").enable("table").render(page.read_text())
    on_site = built.read_text().partition("<article")[2].partition("</article")[0]
    assert Counted(on_site).tags == Counted(on_github).tags


def test_no_page_loads_anything_from_another_host() -> None:
    """Scripts, styles, pictures and frames; links that a reader may follow are another thing."""
    loading = re.compile(r'<(?:script|img|iframe|source)[^>]* src="?(?:https?:)?//|<link[^>]* href="?(?:https?:)?//')
    pages = {path for path in SITE.rglob("*.html") if loading.search(path.read_text())}
    styles = {path for path in SITE.rglob("*.css") if re.search(r"(?:url\(|@import )[\"']?https?:", path.read_text())}
    assert pages | styles == set()


def test_it_works_with_the_keyboard_alone(site: Page) -> None:
    """The skip link is first; a key opens the search; arrows and Enter choose a result."""
    site.keyboard.press("Tab")
    expect(site.get_by_role("link", name="Skip to content")).to_be_focused()
    site.keyboard.press("/")
    expect(site.get_by_role("textbox", name="Search")).to_be_focused()
    site.keyboard.type("AADSTS70021")
    expect(site.locator(".md-search-result__item > a").first).to_be_visible()
    site.keyboard.press("ArrowDown")
    site.keyboard.press("Enter")
    expect(site).to_have_url(re.compile(r"faq\.html"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["index", "install", "messages", "cli", "runbook"])
def test_everything_can_be_read(browser: Browser, scheme: Any, page: str) -> None:
    """Every text has a contrast of 4.5 to what is behind it."""
    with browser.new_context(color_scheme=scheme) as context:
        shown = context.new_page()
        shown.goto(f"{SITE.as_uri()}/{page}.html")
        assert too_faint(shown) == []


def test_every_page_fits_a_phone(browser: Browser) -> None:
    """Nothing but tables and code scrolls sideways."""
    with browser.new_context(viewport={"width": 360, "height": 640}) as context:
        page = context.new_page()
        wide = []
        for path in sorted(SITE.rglob("*.html")):
            page.goto(path.as_uri())
            if page.evaluate("() => document.documentElement.scrollWidth") > 360:
                wide.append(path.name)
        assert wide == []

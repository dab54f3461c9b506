"""The report as an HTML file: nothing in it runs or loads but its own style and script."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

from webhook.checks.report import page
from webhook.checks.report.rows import AccountRow, Problem, Report
from webhook.core.messages import Place, workloads
from webhook.findings import finding

HOSTILE = "<script>alert(1)</script>\"'&"


def a_report(rows: int = 1, problems: int = 1) -> Report:
    """With names that a stranger chose."""
    found = finding(
        "pods",
        workloads.OLDER_THAN_INSTALLATION,
        Place(HOSTILE),
        pods=(HOSTILE,) * 30,
        count="30 pods",
        restart=HOSTILE,
    )
    return Report(
        datetime(2026, 1, 2, tzinfo=UTC),
        rows=[AccountRow(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)] * rows,
        problems=[Problem(found, HOSTILE, HOSTILE, HOSTILE, HOSTILE)] * problems,
        versions={HOSTILE: 2},
    )


class Elements(HTMLParser):
    """Counts elements, and collects attributes and the text of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: set[str] = set()
        self.inside: dict[str, str] = {}
        self.open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open = tag

    def handle_endtag(self, tag: str) -> None:
        self.open = ""

    def handle_data(self, data: str) -> None:
        if self.open in ("style", "script"):
            self.inside[self.open] = self.inside.get(self.open, "") + data


def test_names_of_strangers_are_text() -> None:
    """One style, one script, none of them a stranger's; no attribute with style or script."""
    text = page.page(a_report())
    elements = Elements(text)
    assert HOSTILE not in text
    assert [elements.names.count(each) for each in ("style", "script", "link", "img", "iframe")] == [1, 1, 0, 0, 0]
    assert not [each for each in elements.attributes if each == "style" or each.startswith("on") or each == "src"]


def test_the_policy_allows_its_own_style_and_script_only() -> None:
    """By their hashes."""
    text = page.page(a_report())
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; ")
    for name, inside in Elements(text).inside.items():
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}';" in policy[1]
    assert "http://" not in text
    assert "https://" not in text


def test_what_is_left_out_is_counted() -> None:
    """Rows of a table, and names of pods in a row."""
    text = page.page(a_report(rows=page.MOST_ROWS + 7, problems=1))
    assert "7 more are left out" in text
    assert "and 10 more" in text
    assert text.count("<tr data-status") == page.MOST_ROWS + 2

"""The report of a whole cluster as a person uses it: a file that is opened without a server."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PICTURES
from tests.browser.contrast import too_faint
from webhook.checks.report import page as report_page
from webhook.checks.report.rows import AccountRow, Problem, Report
from webhook.core.messages import Place, workloads
from webhook.findings import finding

pytestmark = [pytest.mark.slow, pytest.mark.browser]

ACCOUNTS = 2000
CLIENT = "11111111-2222-3333-4444-555555555555"


def a_report() -> Report:
    """2,000 ServiceAccounts; each twentieth has a Deployment whose pods are older than the installation."""
    report = Report(
        datetime(2026, 1, 2, 3, 4, tzinfo=UTC), versions={"0.1.0": 2}, pods=5000, accounts=4000, namespaces=50
    )
    for number in range(ACCOUNTS):
        row = AccountRow(f"shop-{number % 50}", f"worker-{number}", CLIENT, tenant="contoso.onmicrosoft.com", running=2)
        report.rows.append(row)
        if number % 20:
            row.current = 2
            continue
        row.without = 2
        command = f"kubectl rollout restart deployment/web-{number} -n {row.namespace}"
        place, pods = Place(f"Deployment {row.namespace}/web-{number}"), (f"web-{number}-a", f"web-{number}-b")
        found = finding("pods", workloads.OLDER_THAN_INSTALLATION, place, pods=pods, count="2 pods", restart=command)
        report.problems.append(Problem(found, row.namespace, row.name, f"Deployment web-{number}", command))
    report.sort()
    return report


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report as a file."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report_page.page(a_report()), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    """It is opened. A test fails if it logs an error, such as a breach of its policy, or asks for anything."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    found = context.new_page()
    problems: list[str] = []
    found.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    found.on("pageerror", lambda error: problems.append(str(error)))
    found.on("request", lambda sent: None if sent.url == file.as_uri() else problems.append(sent.url))
    found.goto(file.as_uri())
    yield found
    context.close()
    assert problems == []


def test_rows_can_be_filtered(page: Page) -> None:
    """By a word, and by what is wrong; how many rows are left is said."""
    shown = page.locator("#shown")
    expect(shown).to_have_text("2200 of 2200 rows")
    page.get_by_label("Only rows with these words").fill("worker-40")
    page.get_by_label("Only rows that are").select_option("wrong")
    rows = page.locator("#accounts + div tbody tr:visible")
    expect(rows).to_have_count(2)  # and worker-400
    expect(rows.first).to_contain_text("worker-40")


def test_rows_can_be_sorted_with_the_keyboard(page: Page) -> None:
    """Each press of Enter turns it round, and the header says so."""
    header = page.locator("#accounts + div thead th").nth(2)
    header.get_by_role("button").focus()
    page.keyboard.press("Enter")
    first = page.locator("#accounts + div tbody tr").first
    expect(first).to_contain_text("worker-0")
    expect(header).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press("Enter")
    expect(first).to_contain_text("worker-1999")
    expect(header).to_have_attribute("aria-sort", "descending")


def test_without_script_everything_is_there(browser: Browser, file: Path) -> None:
    """And no control that would not work."""
    context = browser.new_context(java_script_enabled=False)
    found = context.new_page()
    found.goto(file.as_uri())
    expect(found.locator("#accounts + div tbody tr")).to_have_count(ACCOUNTS)
    expect(found.locator("#controls")).to_be_hidden()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read(page: Page, scheme: str) -> None:
    """Enough contrast, in light and in dark."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.get_by_label("Only rows with these words").fill("worker-40")
    page.get_by_label("Only rows that are").select_option("wrong")
    assert too_faint(page) == []
    if scheme == "light":
        page.screenshot(path=PICTURES / "check-all.png")

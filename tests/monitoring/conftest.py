"""Leaves the tests out that need Prometheus, unless the marker is named: its build takes minutes. Draws dashboards."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from testbed.prometheus import perses
from testbed.prometheus.running import Prometheus
from testbed.third_party.build import build
from tests.chart.test_dashboards import DASHBOARDS

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"

Draw = Callable[[str, Prometheus], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The flag of `make pictures`."""
    parser.addoption("--pictures", action="store_true", help="draw the dashboards into docs/pictures; needs chromium")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects them, unless the marker was named, as `make test-prometheus` does."""
    if "prometheus" in config.option.markexpr:
        return
    config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("prometheus")])
    items[:] = [item for item in items if not item.get_closest_marker("prometheus")]


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> Draw:
    """Draws a dashboard with the last two minutes of a Prometheus; without `--pictures` it does nothing."""
    if not request.config.getoption("--pictures"):
        return lambda name, prometheus: None
    page = build("perses")
    return lambda name, prometheus: _draw(DASHBOARDS[name], page, prometheus, PICTURES / f"dashboard-{name}.png")


def _draw(dashboard: dict[str, Any], page: Path, prometheus: Prometheus, picture: Path) -> None:
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    translated = perses.translated(dashboard, minutes=2)
    problems: list[str] = []
    with perses.served(page, translated, prometheus.url) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        window = browser.new_page(viewport={"width": 1500, "height": perses.height(dashboard)})
        window.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        window.on("pageerror", lambda error: problems.append(str(error)))
        window.goto(address)
        window.set_default_timeout(120_000)  # charts take long on a machine that is busy
        for panel in dashboard["panels"]:
            window.get_by_text(panel["title"], exact=True).first.wait_for()
        window.wait_for_load_state("networkidle")
        window.screenshot(path=picture, animations="disabled")
        browser.close()
    assert problems == []

"""A browser, and the page of `explain` as the command serves it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import compress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"

expect.set_options(timeout=60_000)  # milliseconds, for what takes a few of them: the machine may be busy


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what needs a browser, unless the marker or this folder was named: Playwright keeps an event loop."""
    if "browser" in config.option.markexpr or any("tests/browser" in argument for argument in config.args):
        return
    marked = [bool(item.get_closest_marker("browser")) for item in items]
    config.hook.pytest_deselected(items=[*compress(items, marked)])
    items[:] = compress(items, [not each for each in marked])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium. As root it runs without its sandbox, which needs user namespaces."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        yield found
        found.close()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where `m365wi explain` serves its page."""
    command = [
        sys.executable,
        "-m",
        "webhook",
        "explain",
        "--port",
        "0",
        "--no-browser",
        "--helper-image",
        "example/m365:1",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        found = re.search(r"http://\S+/explain", process.stderr.readline())
        assert found
        yield found[0]
        process.terminate()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, in a window of its own. A test fails if the page logs an error, or asks for anything elsewhere."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    found = context.new_page()
    problems: list[str] = []
    found.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    found.on("pageerror", lambda error: problems.append(str(error)))
    found.on(
        "request", lambda sent: None if sent.url.startswith(address.rpartition("/")[0]) else problems.append(sent.url)
    )
    found.goto(address)
    yield found
    context.close()
    # A refused form is an error to the browser's console; the tests look at it on the page.
    assert [each for each in problems if "422" not in each and "413" not in each] == []

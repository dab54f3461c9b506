"""Leaves the tests out that need Prometheus, unless the marker is named: its build takes minutes."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects them, unless the marker was named, as `make test-prometheus` does."""
    if "prometheus" in config.option.markexpr:
        return
    config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("prometheus")])
    items[:] = [item for item in items if not item.get_closest_marker("prometheus")]

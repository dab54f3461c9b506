"""Loads the fixtures (fixtures.py), unless a conftest.py above has loaded them."""

from __future__ import annotations

import pytest

FIXTURES = "testbed.cluster.fixtures"


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Loads the plugin as early as possible, so that its options are known."""
    if not pluginmanager.has_plugin(FIXTURES):
        pluginmanager.import_plugin(FIXTURES)

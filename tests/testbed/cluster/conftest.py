"""Loads the fixtures (fixtures.py), unless a conftest.py above has."""

from __future__ import annotations

import pytest

FIXTURES = "testbed.cluster.fixtures"


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """The earliest moment: the options of the plugin are known then, too."""
    if not pluginmanager.has_plugin(FIXTURES):
        pluginmanager.import_plugin(FIXTURES)

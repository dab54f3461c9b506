"""Builds Helm and fetches others' kinds before the first test that needs them: a test's time limit is no compiler's."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.chart import helm
from testbed.cluster.build import BuildError
from tests.chart import kinds


def pytest_collection_finish(session: pytest.Session) -> None:
    """Does so when a test of this folder was chosen and the cache lacks one."""
    chosen = any(Path(__file__).parent in item.path.parents for item in session.items)
    there = helm.place().exists() and kinds.place().exists()
    if session.config.option.collectonly or not chosen or there:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            helm.binary()
            kinds.definitions()
        except BuildError:
            return  # the first test does so again and says what is wrong

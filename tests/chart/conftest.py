"""Builds Helm before the first test that needs it: a test's time limit is no compiler's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chart import helm
from tests.cluster.build import BuildError


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds Helm when a test of this folder was chosen and the cache lacks it."""
    chosen = any(Path(__file__).parent in item.path.parents for item in session.items)
    if session.config.option.collectonly or not chosen or helm.place().exists():
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            helm.binary()
        except BuildError:
            return  # the first test builds again and says what is wrong

"""Builds Helm and fetches foreign kinds before the first test: a test's time limit is too short for a compiler."""

from __future__ import annotations

import pytest

from testbed.chart import helm
from testbed.cluster.build import BuildError
from tests.chart import kinds


def pytest_collection_finish(session: pytest.Session) -> None:
    """Does so if a test of this folder was chosen and the cache does not have them all."""
    chosen = any(item.nodeid.startswith("tests/chart/") for item in session.items)
    there = all(place.exists() for place in (helm.place(), kinds.place(), kinds.place(kinds.EXAMPLES)))
    if session.config.option.collectonly or not chosen or there:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            helm.binary()
            kinds.definitions()
            kinds.definitions(kinds.EXAMPLES)
        except BuildError:
            return  # the first test tries again and reports the error

"""The corpus of public charts only where it is asked for: it is a download of some minutes."""

from __future__ import annotations

from itertools import compress

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what needs the corpus, unless the marker was named, as `make test-corpus` does."""
    if "corpus" in config.option.markexpr:
        return
    marked = [bool(item.get_closest_marker("corpus")) for item in items]
    config.hook.pytest_deselected(items=[*compress(items, marked)])
    items[:] = compress(items, [not each for each in marked])

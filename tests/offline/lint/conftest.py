"""The corpus of public charts only where it is asked for: it is a download of some minutes."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what needs the corpus, unless the marker was named, as `make test-corpus` does."""
    if "corpus" in config.option.markexpr:
        return
    kept = [item for item in items if not item.get_closest_marker("corpus")]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept

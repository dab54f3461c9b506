"""Fleets for tests. A test runs on the newest minor chosen only, unless it is marked `every_minor`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import compress

import pytest

from testbed.cluster.cluster import Cluster
from testbed.fleet.fleet import Fleet, fleet


def pytest_configure(config: pytest.Config) -> None:
    """Adds the marker."""
    config.addinivalue_line("markers", "every_minor: runs on each Kubernetes minor, not on the newest alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what only repeats on an older minor: certificates are the same there, and rotation takes real time."""
    repeated = [item.nodeid.startswith("tests/rotation/") and repeats(item) for item in items]
    if any(repeated):
        config.hook.pytest_deselected(items=[*compress(items, repeated)])
        items[:] = compress(items, [not each for each in repeated])


def repeats(item: pytest.Item) -> bool:
    """Whether a test runs on an older minor for no reason."""
    chosen = getattr(item, "callspec", None)  # none where a test has no parameters
    return (
        chosen is not None
        and chosen.indices.get("control_plane", 0) > 0
        and item.get_closest_marker("every_minor") is None
    )


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints what was measured, captured or not."""

    def written(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return written


@pytest.fixture
def bare(control_plane: Cluster) -> Iterator[Fleet]:
    """An installation with no rights, no webhook configuration, no Secret and no replica."""
    with fleet(control_plane) as made:
        yield made


@pytest.fixture
def installed(bare: Fleet) -> Fleet:
    """An installation with its rights and its webhook configuration; no Secret and no replica yet."""
    installation = bare.installation
    installation.grant_all()
    installation.register()
    return bare

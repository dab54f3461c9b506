"""Gives the tests of every folder the cluster's fixtures."""

import pytest

pytest_plugins = ["tests.cluster.fixtures"]


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes are keys and bodies: not to be printed, and not the same twice, which xdist needs of a test's name."""
    return argname if isinstance(val, bytes) else None

"""Fixtures: Entra, a pod, and both kinds of credential."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.entra import Entra, running
from tests.helper.support import FLAVOURS, Flavour, Pod


@pytest.fixture
def entra() -> Iterator[Entra]:
    """An emulator of its own for each test: requests that were given up end, and are logged, when it stops."""
    with running() as emulator:
        yield emulator


@pytest.fixture
def pod(entra: Entra, tmp_path: Path) -> Pod:
    """A pod that Entra knows and does not trust yet."""
    return Pod(entra, tmp_path)


@pytest.fixture(params=FLAVOURS)
def kind(request: pytest.FixtureRequest) -> Flavour:
    """Each behaviour is that of both credentials."""
    kind: Flavour = request.param
    return kind

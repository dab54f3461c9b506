"""The small world of `tests.certs.fakes`, and a replica in it."""

from __future__ import annotations

import pytest

from tests.certs.fakes import Replica, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def replica(world: World) -> Replica:
    """A replica that has started."""
    replica = Replica(world)
    await replica.round()
    return replica

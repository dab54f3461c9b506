"""The API server goes away for ten minutes, in a twenty-fifth of the time: see `testbed.fleet.outage`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.cluster.control_plane import ControlPlane
from testbed.fleet.clocks import Clocks
from testbed.fleet.fleet import Fleet
from testbed.fleet.outage import How, outage

LENGTH = 600.0
RATE = 25.0


@pytest.mark.parametrize("how", ["stop", "pause"])
def test_serving_goes_on_while_the_api_server_is_away(
    owned_control_plane: ControlPlane, installed: Fleet, tmp_path: Path, report: Callable[[str], None], how: How
) -> None:
    """Every handshake succeeds and every review is answered, for longer than a leaf's renewal can wait."""
    clocks = Clocks(tmp_path / "clock")
    seen = outage(owned_control_plane, installed, clocks, how=how, length=LENGTH, rate=RATE, pulse=0.2)
    report(str(seen))

"""The names by which scripts outside the repository use the testbed and two modules of the tests.

Such a script finds `testbed.entra` under the older name `tests.entra`, `testbed.cluster` under `tests.cluster`,
`testbed.node` under `tests.node` and `testbed.fleet` under `tests.rotation`. What it imports must stay where it is.
"""

from __future__ import annotations

import importlib

import pytest

NAMES = {
    "testbed.entra": ["Entra", "running"],
    "testbed.entra.proxy": ["proxying"],
    "testbed.cluster": [],
    "testbed.cluster.control_plane": ["ControlPlane"],
    "testbed.cluster.kubeconfig": ["Access", "render"],
    "testbed.node": [],
    "testbed.fleet": [],
    "tests.certs.fakes": ["Replica", "World", "live"],
    "tests.chart.objects": ["installed", "one"],
}


@pytest.mark.parametrize("module", NAMES)
def test_a_name_that_scripts_import_exists(module: str) -> None:
    imported = importlib.import_module(module)
    missing = [name for name in NAMES[module] if not hasattr(imported, name)]
    assert missing == []

"""The webhook as a process, for commands that look at a live cluster."""

from collections.abc import Iterator

import pytest

from demo.server import Running, running
from testbed.cluster.cluster import Cluster
from tests.offline.mutating import mutate

__all__ = ["live_webhook", "mutate"]


@pytest.fixture(scope="module")
def live_webhook(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The webhook itself; a test that wants it called uses `ours`."""
    with running(tmp_path_factory.mktemp("webhook"), ["--kubeconfig", str(control_plane.kubeconfig)]) as process:
        yield process

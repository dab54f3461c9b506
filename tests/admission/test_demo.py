"""The demo shows the same on a real control plane."""

import subprocess
from pathlib import Path

import pytest

from testbed.cluster.control_plane import ControlPlane

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.since("1.37")  # the one that the demo starts for itself
def test_the_demo_runs_on_a_cluster_too(owned_control_plane: ControlPlane) -> None:
    """`make demo CLUSTER=1`: the pod's variables, and kubectl's messages to three users with wrong set-ups."""
    done = subprocess.run(
        ["make", "demo", "CLUSTER=1"], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for text in (
        "Kubernetes 1.37 runs at https://",
        "+    - name: M365_CLOUD",
        "+      - serviceAccountToken:",
        "expected the application's GUID",
        "Warning: no client id",
        "token expiration 600 not",
    ):
        assert text in done.stdout
    lines = done.stdout.splitlines()
    assert not [line for line in lines if line.startswith("-") and line != "--- before"], "something is only added"
    assert done.stdout.count("The pod is refused.") == 2
    assert done.stdout.count("The pod is created.") == 1

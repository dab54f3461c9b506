"""Nothing of a node outlives the run, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from testbed.cluster.processes import ClusterError, Workshop, wait_until
from testbed.node.house import House, Names, cgroup_roots, clear, leftovers, make_cgroup
from testbed.node.images import CHECKOUT
from testbed.node.ready import on_kind

pytestmark = [
    pytest.mark.node,
    pytest.mark.timeout(600),
    pytest.mark.skipif(on_kind(), reason="kind removes its cluster itself"),
]

# So that the node of the run is not in the way.
OWN, SLOW = Names(1), Names(2)
TENANT = """
import sys, signal
from testbed.cluster.processes import Workshop
from testbed.node.house import House, Names, cgroup_roots

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs are born to ignore
workshop = Workshop("m365wi-house-")
house = House(workshop, Names(1))
try:
    house.open()
    house.run("sh", "-c", "mkdir mounted && mount -t tmpfs tmpfs mounted && touch mounted/file")
    for root in cgroup_roots():
        (root / "m365wi-node1" / "pod").mkdir()
    tenant = workshop.start("tenant", house.inside(["sh", "-c", "setsid sleep 1234567 & exec sleep 1234567"]))
    print(workshop.directory, flush=True)
    signal.pause()
finally:
    workshop.close()
    house.close()
"""


def sleepers() -> list[str]:
    """The processes of the house that sleep."""
    files = (Path(f"/proc/{path.name}/cmdline") for path in Path("/proc").glob("[0-9]*"))
    return [str(file) for file in files if read(file).startswith(b"sleep\0001234567")]


def read(file: Path) -> bytes:
    """What is in a file that may be gone."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_what_a_node_made_is_gone_with_its_run(how: signal.Signals) -> None:
    """Processes, mounts, the network and files go at once; what is left of a killed run, the next one removes."""
    with subprocess.Popen([sys.executable, "-c", TENANT], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout is not None
            directory = Path(run.stdout.readline().strip() or "/none")
            assert directory.is_dir(), "the house did not open"
            wait_until(lambda: len(sleepers()) == 2, "two processes in the house")
            assert len(leftovers(OWN)) > 1
            with closing(Workshop("m365wi-other-")) as workshop, closing(House(workshop, OWN, patience=0.2)) as other:
                with pytest.raises(ClusterError, match="another run has"):
                    other.open()
            assert str(directory) not in Path("/proc/self/mounts").read_text()
            run.send_signal(how)
            run.wait(60)
        finally:
            run.kill()
    wait_until(lambda: not directory.exists() and not sleepers(), "the house is gone")
    if how == signal.SIGKILL:
        clear(OWN)
    assert leftovers(OWN) == []


def test_what_is_still_ending_is_waited_for() -> None:
    """A cgroup goes with its last process, and one that was killed may need a moment to end."""
    with subprocess.Popen(["sleep", "0.5"]) as ending:
        for root in cgroup_roots():
            make_cgroup(root / SLOW.link)
            (root / SLOW.link / "cgroup.procs").write_text(str(ending.pid))
        assert leftovers(SLOW)
        clear(SLOW)
    assert leftovers(SLOW) == []

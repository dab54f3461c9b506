"""The Linux namespaces that a node lives in: its own network, mounts and processes.

All that the node makes is in one of them: bridges, routes and nftables rules in the network, mounts in the mounts,
containers and their shims among the processes. The first process of the house is in the process group that the
workshop's reaper kills. The kernel then ends all others, and with the last one the mounts and the network. It keeps
cgroups, so this module removes them. If a run was killed, the next one removes its cgroups.

/run, /var/lib and /var/log are empty in the house, so that the node neither meets nor changes what the machine has.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from testbed.cluster.build import cache_root
from testbed.cluster.processes import ClusterError, Workshop, wait_until

__all__ = ["NODE", "House", "Names", "clear", "leftovers"]

CGROUPS = Path("/sys/fs/cgroup")
COMMAND_SECONDS = 120
CLEAR_SECONDS = 30.0

# Process 1: it reaps the shims that containerd leaves to it.
INIT = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
open("init", "w").close()
while True:
    signal.sigwait({signal.SIGCHLD})
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
"""
MOUNTS = """
set -e
mount --make-rshared /
for folder in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
exec "$@"
"""


@dataclass(frozen=True)
class Names:
    """The names of a house on the machine. There is one house of a number at a time; numbers are 0 to 63."""

    number: int = 0

    @property
    def link(self) -> str:
        """The name of both ends of the link between the machine and the house, and of the cgroup of its pods."""
        return f"m365wi-node{self.number}"

    @property
    def address(self) -> str:
        """The house's address, which only this machine can reach."""
        return f"169.254.213.{4 * self.number + 2}"

    @property
    def host_address(self) -> str:
        """The machine's address, as the house sees it."""
        return f"169.254.213.{4 * self.number + 1}"


NODE = Names()


class House:
    """A house, from `open` until `close`. The workshop closes first."""

    def __init__(self, workshop: Workshop, names: Names = NODE, *, patience: float = 60.0) -> None:
        self._names = names
        self._workshop = workshop
        self._patience = patience
        self._pid = 0
        self._lock = contextlib.ExitStack()

    def open(self) -> None:
        """Makes the namespaces, a link between machine and node, and the cgroup of the pods.

        Raises ClusterError, also if another run still has them after `patience` seconds.
        """
        cache_root().mkdir(parents=True, exist_ok=True)
        lock = self._lock.enter_context((cache_root() / f"{self._names.link}.lock").open("a"))
        wait_until(
            lambda: is_ours(lock), f"another run has {lock.name}, and one can be at a time", seconds=self._patience
        )
        self._lock.callback(clear, self._names)
        sweep(self._names)
        for program in ("unshare", "nsenter", "ip"):
            if not shutil.which(program):
                raise ClusterError(f"{program} is not on PATH")
        isolate = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        first = [sys.executable, "-I", "-S", "-c", INIT]
        init = self._workshop.start("init", [*isolate, "sh", "-c", MOUNTS, "sh", *first])
        ready = self._workshop.directory / "init"
        wait_until(ready.exists, "the node's namespaces", alive=[init])
        parent = init.popen.pid
        self._pid = int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])
        for root in cgroup_roots():
            make_cgroup(root / self._names.link)
        self._connect()

    def close(self) -> None:
        """Removes what the kernel leaves, and unlocks the house for the next run. It may be called again."""
        self._lock.close()

    def inside(self, command: Sequence[str | Path]) -> list[str | Path]:
        """The command that runs `command` in the house, in the workshop's directory."""
        enter = ["nsenter", f"--target={self._pid}", "--net", "--mount", "--pid"]
        return [*enter, "env", f"--chdir={self._workshop.directory}", *command]

    def run(self, *command: str | Path) -> str:
        """Runs a command in the house and returns its output. Raises ClusterError if it fails."""
        shown = " ".join(map(str, command))
        try:
            done = subprocess.run(
                self.inside(command),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            said = b"".join(part for part in (error.stdout, error.stderr) if part).decode(errors="replace")
            raise ClusterError(f"{shown}: not within {COMMAND_SECONDS} s. It has said: {said}") from error
        if done.returncode:
            raise ClusterError(f"{shown}: exit status {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def _connect(self) -> None:
        names = self._names
        peer = ["peer", "name", names.link, "netns", str(self._pid)]
        host("ip", "link", "add", names.link, "type", "veth", *peer)
        host("ip", "address", "add", f"{names.host_address}/30", "dev", names.link)
        host("ip", "link", "set", names.link, "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "address", "add", f"{names.address}/30", "dev", names.link)
        self.run("ip", "link", "set", names.link, "up")


def host(*command: str) -> None:
    """Runs a command outside. Raises ClusterError if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.strip()}")


def cgroup_roots() -> Iterator[Path]:
    """Where cgroups are: one tree in version 2, one for each controller in version 1."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2") and Path(where).is_relative_to(CGROUPS):
            yield Path(where)


def make_cgroup(path: Path) -> None:
    """Makes a cgroup. In version 1, one of cpuset has no processor until some are written to it."""
    path.mkdir(exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):
        own = path / name
        if own.exists() and not (path.parent / "cgroup.controllers").exists() and not own.read_text().strip():
            own.write_text((path.parent / name).read_text())


def sweep(names: Names = NODE) -> None:
    """Removes the link and the cgroups of a node that has ended. A cgroup with processes stays.

    The kernel would remove the link itself, some seconds after the last process.
    """
    with contextlib.suppress(ClusterError):
        host("ip", "link", "delete", names.link)
    for root in cgroup_roots():
        tree = root / names.link
        for path in sorted((*tree.rglob("*/"), tree), key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):  # in use, or gone
                path.rmdir()


def clear(names: Names = NODE) -> None:
    """Sweeps until nothing is left: what was killed takes a moment to end. Who cares asks for `leftovers`."""

    def is_clear() -> bool:
        sweep(names)
        return not leftovers(names)

    with contextlib.suppress(ClusterError):
        wait_until(is_clear, "nothing left of the node", seconds=CLEAR_SECONDS)


def is_ours(lock: IO[str]) -> bool:
    """Whether this process now holds the lock. The kernel releases it when the process ends, in any way."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def leftovers(names: Names = NODE) -> list[str]:
    """What exists of a house on this machine: its link and its cgroups."""
    places = [Path("/sys/class/net") / names.link, *(root / names.link for root in cgroup_roots())]
    return [str(place) for place in places if place.exists()]

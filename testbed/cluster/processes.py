"""Processes that never outlive the tests. Each is in its own process group, and a reaper knows all of them.

The reaper is one small process that holds the reading end of a pipe. The pipe ends when its owner closes it, or ends
itself in any way: by a signal, a kill or os._exit. Then the reaper kills what still runs and removes the directory. So
neither a signal handler nor atexit is needed.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["PATIENCE", "ClusterError", "Process", "Workshop", "free_ports", "wait_until"]

# Reads "+PID" and "-PID" lines until its owner is gone; argument: the directory to remove.
REAPER = """
import os, shutil, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""
POLL_SECONDS = 0.02
PATIENCE = 120.0  # seconds for what takes a second on an idle machine; only a test that fails waits so long
RESERVED_PORTS = 64


class ClusterError(Exception):
    """The test cluster, or a command against it, failed. The text is one sentence and the end of the log."""


@dataclass(frozen=True)
class Process:
    """One running program with its log."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def check(self) -> None:
        """Raises ClusterError if the program has ended."""
        if (status := self.popen.poll()) is not None:
            raise ClusterError(f"{self.name} ended with status {status}; its log ends with\n{self.tail()}")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the whole process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)


@dataclass
class Workshop:
    """A temporary directory and the processes that run in it; closing ends the processes and removes the directory."""

    prefix: str
    directory: Path = field(init=False)
    running: list[Process] = field(init=False, default_factory=list)
    reaper: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=self.prefix))
        command = [sys.executable, "-I", "-S", "-c", REAPER, str(self.directory)]
        self.reaper = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, bufsize=1, start_new_session=True)

    def start(self, name: str, command: Sequence[str | Path]) -> Process:
        """Starts a program whose output is appended to NAME.log."""
        log = self.directory / f"{name}.log"
        with log.open("ab") as output:
            popen = subprocess.Popen(
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._tell_reaper(f"+{popen.pid}")
        process = Process(name, popen, log)
        self.running.append(process)
        return process

    def kill(self, process: Process) -> None:
        """Kills a program at once, even if SIGSTOP has stopped it. Its data is lost."""
        process.signal(signal.SIGKILL)
        process.popen.wait()
        self._tell_reaper(f"-{process.popen.pid}")
        self.running.remove(process)

    def close(self) -> None:
        """Ends every program, the last first, then the reaper, and removes the directory. It may be called again."""
        for process in reversed(tuple(self.running)):
            self.kill(process)
        with contextlib.suppress(BrokenPipeError):
            self.reaper.communicate()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _tell_reaper(self, line: str) -> None:
        assert self.reaper.stdin is not None
        self.reaper.stdin.write(f"{line}\n")


def wait_until(
    probe: Callable[[], bool], what: str, *, seconds: float = PATIENCE, alive: Sequence[Process] = ()
) -> None:
    """Calls `probe` until it is true. Raises ClusterError if a process of `alive` ends, or after `seconds`.

    If `probe` raises because something is refused, not there or not reached, that means "not yet"; the error at the end
    has the last reason. A probe that begins after `seconds` still counts: the machine may have been busy.
    """
    deadline, reason = time.monotonic() + seconds, ""
    while True:
        late = time.monotonic() > deadline
        try:
            if probe():
                return
            reason = ""
        except (ClusterError, OSError, http.client.HTTPException) as error:
            reason = f"; {type(error).__name__}: {error}"
        for process in alive:
            process.check()
        if late:
            tails = "".join(f"\n{process.name} ends with\n{process.tail()}" for process in alive)
            raise ClusterError(f"{what}: not within {seconds:g} s{reason}{tails}")
        time.sleep(POLL_SECONDS)


_reservations: deque[int] = deque()  # descriptors, which end with the process


def free_ports(count: int) -> list[int]:
    """Free ports of loopback, below those that the kernel gives to clients.

    No other call gets the same one soon, in this process or another: of each port, this process keeps the UDP side.
    """
    chooser = random.SystemRandom()  # a seeded generator would give every worker the same ports
    found: list[int] = []
    for port in _candidates(chooser):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            _reserve(port)
            found.append(port)
        if len(found) == count:
            break
    return found


def _reserve(port: int) -> None:
    """Raises OSError if another process or call has reserved it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mark:
        mark.bind(("127.0.0.1", port))
        _reservations.append(mark.detach())
    if len(_reservations) > RESERVED_PORTS:
        os.close(_reservations.popleft())


def _candidates(chooser: random.Random) -> Iterator[int]:
    yield from chooser.sample(range(20000, 32000), 2000)

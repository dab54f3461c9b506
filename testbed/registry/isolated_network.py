"""A network with nothing but loopback: no route leads out of it. A registry is on it, by TLS.

The commands of the docs run there as they stand: /etc/hosts names the registry, port 443 is its own, and
SSL_CERT_FILE names the authority. So what works there works without the internet. Needs root.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.cluster.processes import ClusterError, Workshop, wait_until
from testbed.registry.serving import NAME, Registry

__all__ = ["NAME", "IsolatedNetwork", "isolated_network"]

SECONDS = 300
SET_UP = """
set -e
ip link set lo up
mount --make-rprivate /
mount --bind "$1" /etc/hosts
touch "$2"
exec sleep infinity
"""


class IsolatedNetwork:
    """The network, and commands in it."""

    def __init__(self, workshop: Workshop) -> None:
        hosts, ready = workshop.directory / "hosts", workshop.directory / "ready"
        hosts.write_text(f"127.0.0.1 localhost {NAME}\n")
        isolate = ["unshare", "--net", "--mount", "--fork", "--kill-child"]
        first = workshop.start("isolated_network", [*isolate, "sh", "-c", SET_UP, "sh", hosts, ready])
        wait_until(ready.exists, "a network of its own", alive=[first])
        parent = first.popen.pid
        self._pid = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0]
        self.registry = Registry(workshop, self.inside)

    def inside(self, command: Sequence[str | Path]) -> list[str | Path]:
        """The command that runs `command` on the isolated network, in this folder."""
        return ["nsenter", f"--target={self._pid}", "--net", "--mount", "env", f"--chdir={Path.cwd()}", *command]

    def run(
        self, *command: str | Path, cwd: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command there; whether it succeeded is in the result. `environ` is added to what it needs there."""
        change = ["env", f"--chdir={cwd}"] if cwd else []
        return subprocess.run(
            self.inside([*change, *command]),
            env={**os.environ, **self.registry.variables, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@contextmanager
def isolated_network() -> Iterator[IsolatedNetwork]:
    """An isolated network until the end of the block. Raises ClusterError or BuildError."""
    if os.geteuid():
        raise ClusterError("a network of its own needs root")
    workshop = Workshop("m365wi-isolated-network-")
    try:
        yield IsolatedNetwork(workshop)
    finally:
        workshop.close()

"""A machine's own network, with nothing but loopback: no route leads out of it. A registry is on it, by TLS.

The commands of the docs run there as they stand: /etc/hosts names the registry, port 443 is its own, and
SSL_CERT_FILE names the authority. So what works there works without the internet. Needs root.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs.authority import make_authority, make_leaf
from certs.pem import bundle_pem
from testbed.chart import helm
from testbed.cluster.build import cache_root
from testbed.cluster.processes import ClusterError, Workshop, wait_until
from testbed.registry import build

__all__ = ["NAME", "Island", "island"]

NAME = "registry.example.com"
PORT = 5000  # of the registry itself, behind TLS
SECONDS = 300
SET_UP = """
set -e
ip link set lo up
mount --make-rprivate /
mount --bind "$1" /etc/hosts
touch "$2"
exec sleep infinity
"""


class Island:
    """The network, and commands in it."""

    def __init__(self, workshop: Workshop) -> None:
        self.directory = workshop.directory
        self.authority = self.directory / "ca.pem"
        self._write_certificate()
        programs = [str(build.place(tool).parent) for tool in build.TOOLS] + [str(helm.place().parent)]
        self._variables = {
            "SSL_CERT_FILE": str(self.authority),
            "HOME": str(self.directory),
            "M365WI_CACHE": str(cache_root()),
            "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
        }
        hosts, ready = self.directory / "hosts", self.directory / "ready"
        hosts.write_text(f"127.0.0.1 localhost {NAME}\n")
        isolate = ["unshare", "--net", "--mount", "--fork", "--kill-child"]
        first = workshop.start("island", [*isolate, "sh", "-c", SET_UP, "sh", hosts, ready])
        wait_until(ready.exists, "a network of its own", seconds=20, alive=[first])
        parent = first.popen.pid
        self._pid = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0]
        crane: list[str | Path] = [
            build.binary("crane"),
            "registry",
            "serve",
            "--address",
            f"127.0.0.1:{PORT}",
            "--disk",
            self.directory,
        ]
        relay: list[str | Path] = [sys.executable, "-m", "testbed.registry.tls", "443", str(PORT), self.directory]
        serving = [workshop.start(name, self.inside(command)) for name, command in (("crane", crane), ("tls", relay))]
        wait_until(self._answers, "the registry", seconds=20, alive=serving)

    def inside(self, command: Sequence[str | Path]) -> list[str | Path]:
        """The command that runs `command` on the island, in this folder."""
        return ["nsenter", f"--target={self._pid}", "--net", "--mount", "env", f"--chdir={Path.cwd()}", *command]

    def run(
        self, *command: str | Path, cwd: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command there; whether it succeeded is in the result. `environ` is added to what it needs there."""
        change = ["env", f"--chdir={cwd}"] if cwd else []
        return subprocess.run(
            self.inside([*change, *command]),
            env={**os.environ, **self._variables, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @contextmanager
    def lying(self, truth: bytes, lie: bytes) -> Iterator[None]:
        """Until the end of the block, the registry answers `lie`, which is as long, in place of `truth`."""
        assert len(truth) == len(lie)
        written = self.directory / "truth", self.directory / "lie"
        try:
            for path, content in zip(written, (truth, lie), strict=True):
                path.write_bytes(content)
            yield
        finally:
            for path in reversed(written):
                path.unlink(missing_ok=True)

    def _answers(self) -> bool:
        script = (
            f"import socket; socket.create_connection(('{NAME}', 443)); socket.create_connection(('{NAME}', {PORT}))"
        )
        return self.run(sys.executable, "-c", script).returncode == 0

    def _write_certificate(self) -> None:
        now = datetime.now(UTC)
        signer = make_authority(now=now, lifetime=timedelta(days=1))
        pair = make_leaf(signer, names=[NAME], now=now, lifetime=timedelta(hours=12))
        self.authority.write_text(signer.pem)
        (self.directory / "tls.crt").write_bytes(bundle_pem([pair.certificate]))
        (self.directory / "tls.key").write_bytes(pair.private_pem())


@contextmanager
def island() -> Iterator[Island]:
    """An island until the end of the block. Raises ClusterError or BuildError."""
    if os.geteuid():
        raise ClusterError("a network of its own needs root")
    workshop = Workshop("m365wi-island-")
    try:
        yield Island(workshop)
    finally:
        workshop.close()

"""A registry by TLS, in the namespaces of somebody else: crane's, with a certificate for registry.example.com."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs.authority import make_authority, make_leaf
from certs.pem import bundle_pem
from testbed.chart import helm
from testbed.cluster.build import cache_root
from testbed.cluster.processes import Workshop, wait_until
from testbed.registry import build

__all__ = ["NAME", "Inside", "Registry"]

NAME = "registry.example.com"
PORT = 5000  # of the registry itself, behind TLS
CHECKOUT = Path(__file__).parents[2]

Inside = Callable[[Sequence[str | Path]], list[str | Path]]
"""Makes a command one that runs in the namespaces."""


class Registry:
    """The registry, from now until the workshop closes. `directory` is a folder of its own."""

    def __init__(self, workshop: Workshop, inside: Inside) -> None:
        self.directory = workshop.directory / "registry"
        self.directory.mkdir()
        self.authority = self.directory / "ca.pem"
        self._write_certificate()
        crane: list[str | Path] = [
            build.binary("crane"),
            "registry",
            "serve",
            "--address",
            f"127.0.0.1:{PORT}",
            "--disk",
            self.directory,
        ]
        relay: list[str | Path] = [
            "env",
            f"PYTHONPATH={CHECKOUT}",
            sys.executable,
            "-m",
            "testbed.registry.tls",
            "443",
            str(PORT),
        ]
        commands = {"crane": crane, "tls": [*relay, self.directory]}
        serving = [workshop.start(name, inside(command)) for name, command in commands.items()]
        ready = self.directory / "ready"
        wait_until(ready.exists, "the registry", alive=serving)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of what uses it: its authority, and cosign, crane and Helm on PATH."""
        programs = [str(build.place(tool).parent) for tool in build.TOOLS] + [str(helm.place().parent)]
        return {
            "SSL_CERT_FILE": str(self.authority),
            "HOME": str(self.directory),
            "M365WI_CACHE": str(cache_root()),
            "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
        }

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

    def _write_certificate(self) -> None:
        now = datetime.now(UTC)
        signer = make_authority(now=now, lifetime=timedelta(days=1), names=[NAME])
        pair = make_leaf(signer, names=[NAME], now=now, lifetime=timedelta(hours=12))
        self.authority.write_text(signer.pem)
        (self.directory / "tls.crt").write_bytes(bundle_pem([pair.certificate]))
        (self.directory / "tls.key").write_bytes(pair.private_pem())

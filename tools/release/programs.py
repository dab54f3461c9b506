"""The programs that sign, push and verify: cosign, crane and Helm.

$COSIGN, $CRANE and $HELM name one that is there already. Otherwise it is built from the Go module that this repository
pins, once, into the cache of the test cluster.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from testbed.chart import helm
from testbed.registry import build

__all__ = ["Failed", "find", "run"]

SECONDS = 600


class Failed(Exception):
    """A program failed. The text is the command and what it printed."""


def find(program: str) -> Path:
    """The path of cosign, crane or helm. Raises BuildError if it has to be built and cannot be."""
    if named := os.environ.get(program.upper()):
        return Path(named)
    return helm.binary() if program == "helm" else build.binary(program)


def run(program: str, *arguments: str | Path, environ: Mapping[str, str] | None = None) -> str:
    """What the program prints on standard output. Raises Failed."""
    done = subprocess.run(
        [find(program), *arguments],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{program} {' '.join(map(str, arguments))}\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout

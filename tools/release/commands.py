"""Runs the programs that a release needs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.release.errors import ReleaseError

__all__ = ["require", "run"]

SHOWN = 3000
OF_DEBIAN = ("apt-get", "dpkg-deb")


def run(command: Sequence[str | Path], *, cwd: Path | None = None, variables: Mapping[str, str] | None = None) -> str:
    """What the program prints. Raises ReleaseError with the end of its output if it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | (variables or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()[-SHOWN:]
        raise ReleaseError(f"{' '.join(map(str, command))}: exit status {done.returncode}, ending with\n{said}")
    return done.stdout


def require(*programs: str) -> None:
    """Raises ReleaseError if one is missing. Each is in the package of its name, or in every Debian."""
    missing = [name for name in programs if not shutil.which(name)]
    if lacking := [name for name in missing if name in OF_DEBIAN]:
        raise ReleaseError(f"missing: {', '.join(lacking)}. A release is made on Debian, or in a container of it")
    if missing:
        raise ReleaseError(f"missing: {', '.join(missing)}. apt-get install {' '.join(missing)}")

"""Programs in an environment of their own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent


def do(*command: str | Path, environ: Mapping[str, str] | None = None, input: str = "") -> str:  # noqa: A002
    """Runs a command that must succeed. Returns its standard output."""
    done = subprocess.run(command, env=environ, capture_output=True, text=True, input=input, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def clean(**more: str) -> dict[str, str]:
    """An environment without this machine's clusters and settings, in which no folder of ours is on Python's path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("M365WI_", "KUBE", "PYTHON"))}
    return {**kept, "HOME": "/nonexistent", **more}


def install(index: Path, venv: Path, requirement: str) -> None:
    """Makes an environment with what `requirement` names and needs, from the files in the folder `index`."""
    do(TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, venv)
    options = ("--quiet", "--no-index", "--find-links", index, "--python", venv)
    do(TOOLS / "uv", "pip", "install", *options, requirement)

"""Programs in an environment of their own."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent


def do(*command: str | Path, environ: Mapping[str, str] | None = None, input: str = "") -> str:  # noqa: A002
    """Runs a command that must succeed. Returns its standard output."""
    done = subprocess.run(command, env=environ, capture_output=True, text=True, input=input, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def clean(**more: str) -> dict[str, str]:
    """An environment without this machine's clusters and settings, and without this repository on Python's path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("M365WI_", "KUBE", "PYTHON"))}
    return {**kept, "HOME": "/nonexistent", **more}


def install(index: Path, venv: Path, requirement: str) -> None:
    """Makes an environment with what `requirement` names and needs, from the files in the folder `index`."""
    do(TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, venv)
    options = ("--quiet", "--no-index", "--find-links", index, "--python", venv)
    do(TOOLS / "uv", "pip", "install", *options, requirement)


def build(folder: Path) -> Path:
    """The folder, with the wheel and the sdist of the command line, built as they are published."""
    do(TOOLS / "uv", "build", "--no-build-isolation", "--quiet", "--out-dir", folder, ROOT / "cli")
    return folder


def gather(built: Path, folder: Path) -> Path:
    """The folder, with the wheel that is in `built` and all that it requires, in the versions of the lock."""
    lock = [line.partition(" \\")[0] for line in (ROOT / "requirements-dev.txt").read_text().splitlines()]
    constraints = folder.with_name(f"{folder.name}-constraints.txt")
    constraints.write_text("\n".join(line for line in lock if re.match(r"[a-z0-9].*==", line)))
    # By pip, which made this environment: it knows the index and the certificate authorities that this machine has.
    options = ("--quiet", "--disable-pip-version-check", "--only-binary", ":all:")
    download = (sys.executable, "-m", "pip", "download", *options, "--constraint", constraints, "--dest", folder)
    do(*download, f"{next(built.glob('*.whl'))}[serve]")
    return folder

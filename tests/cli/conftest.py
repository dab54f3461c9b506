"""The command line as it is published, and installed."""

import re
import sys
from pathlib import Path

import pytest

from tests.cli.programs import ROOT, TOOLS, do, install


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, built as they are published."""
    folder = tmp_path_factory.mktemp("built")
    do(TOOLS / "uv", "build", "--no-build-isolation", "--quiet", "--out-dir", folder, ROOT / "cli")
    return folder


@pytest.fixture(scope="session")
def index(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and all that it requires, in the versions of the lock."""
    folder = tmp_path_factory.mktemp("index")
    lock = [line.partition(" \\")[0] for line in (ROOT / "requirements-dev.txt").read_text().splitlines()]
    constraints = folder.with_name("constraints.txt")
    constraints.write_text("\n".join(line for line in lock if re.match(r"[a-z0-9].*==", line)))
    # By pip, which made this environment: it knows the index and the certificate authorities that this machine has.
    options = ("--quiet", "--disable-pip-version-check", "--only-binary", ":all:")
    do(
        sys.executable,
        "-m",
        "pip",
        "download",
        *options,
        "--constraint",
        constraints,
        "--dest",
        folder,
        f"{next(built.glob('*.whl'))}[serve]",
    )
    return folder


@pytest.fixture(scope="session")
def programs(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has the command line, without the server."""
    venv = tmp_path_factory.mktemp("pip") / "venv"
    install(index, venv, "m365wi")
    return venv / "bin"

"""Fixtures: Entra, a pod, and commands in it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.entra import Entra, running
from tests.helper_commands.processes import Commands, Pod

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the helper, built as it is published."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = str(Path(sys.executable).with_name("uv"))
    build = [uv, "build", "--wheel", "--no-build-isolation", "--quiet", "--out-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def entra() -> Iterator[Entra]:
    """An emulator of its own for each test: what was given up in one is not asked in the next."""
    with running() as emulator:
        yield emulator


@pytest.fixture
def pod(entra: Entra, tmp_path: Path) -> Pod:
    """A pod that Entra knows and does not trust yet."""
    return Pod(entra, tmp_path)


@pytest.fixture
def commands(pod: Pod) -> Iterator[Commands]:
    """`m365-identity` in that pod; what is still running at the end is killed."""
    with Commands(pod) as commands:
        yield commands

"""The command line as it is published, and installed."""

from pathlib import Path

import pytest

from tests.cli.programs import build, gather, install


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, built as they are published."""
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="session")
def index(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and all that it requires, in the versions of the lock."""
    return gather(built, tmp_path_factory.mktemp("index"))


@pytest.fixture(scope="session")
def programs(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has the command line, without the server."""
    venv = tmp_path_factory.mktemp("pip") / "venv"
    install(index, venv, "m365wi")
    return venv / "bin"

"""The wheel: what is in it, how large it is, and that it works where nothing else is installed."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from m365_identity import __version__
from tests.helper_commands.processes import Commands

ROOT = Path(__file__).parents[2]
UV = str(Path(sys.executable).with_name("uv"))
MOST_BYTES = 160_000
PAGE = ROOT / "docs" / "helper.md"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has the wheel and what it requires, in the versions of the lock."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    lock = [line.partition(" \\")[0] for line in (ROOT / "requirements-dev.txt").read_text().splitlines()]
    constraints = folder.with_name("constraints.txt")
    constraints.write_text("\n".join(line for line in lock if re.match(r"[a-z0-9].*==", line)))
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    # By pip, which made this environment: it knows the index and the certificate authorities that this machine has.
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--constraint", str(constraints), str(wheel)], check=True)
    return folder / "bin"


def test_it_holds_the_helper_and_nothing_else(wheel: Path) -> None:
    """Every module of m365_identity, its marker for type checkers, the metadata; no tests, no webhook."""
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {name for name in names if not re.match(r"m365_workload_identity-[^/]+\.dist-info/", name)}
    source = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "m365_identity").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert package == source
    assert {"m365_identity/py.typed", "m365_identity/__main__.py"} <= package
    assert wheel.name == f"m365_workload_identity-{__version__}-py3-none-any.whl"


def test_it_has_its_licence(wheel: Path) -> None:
    """It is installed with the package."""
    assert any(name.endswith("licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())


def test_it_says_what_it_needs(wheel: Path) -> None:
    """azure-identity and azure-core with the oldest version that has what is used; the rest for those who want it."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith("METADATA"))
        entries = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        lines = archive.read(metadata).decode().splitlines()
        scripts = archive.read(entries).decode()
    assert sorted(line for line in lines if line.startswith("Requires-Dist: ")) == [
        "Requires-Dist: aiohttp>=3.10; extra == 'aio'",
        "Requires-Dist: azure-core>=1.31",
        "Requires-Dist: azure-identity>=1.26",
        "Requires-Dist: cryptography>=3.1",
        "Requires-Dist: prometheus-client>=0.18; extra == 'metrics'",
        "Requires-Dist: requests>=2.21",
    ]
    assert f"Version: {__version__}" in lines
    assert "m365-identity = m365_identity.__main__:main" in scripts


def test_it_is_as_small_as_the_page_says(wheel: Path) -> None:
    """What a pod downloads for it, in addition to azure-identity."""
    size = wheel.stat().st_size
    assert size < MOST_BYTES
    said = re.search(r"The wheel has (\d+) KB", PAGE.read_text())
    assert said
    assert size / 1000 == pytest.approx(int(said[1]), abs=15)


def test_its_commands_work_from_an_empty_environment(scripts: Path, commands: Commands, tmp_path: Path) -> None:
    """Installed with its own requirements only, run from another folder: by its script and by its module."""
    commands.pod.federate()
    environ = {name: value for name, value in commands.environ.items() if name != "PATH"}
    environ["PATH"] = os.pathsep.join([str(scripts), os.defpath])

    def run(*command: str) -> str:
        done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("m365-identity", "--version") == f"{__version__}\n"
    assert commands.pod.application.client_id in run("m365-identity", "whoami")
    assert "is signed in" in run("python", "-m", "m365_identity", "preflight")
    assert run("m365-identity", "exec", "--", "python", "-c", "print('ran')") == "ran\n"
    for name in ("token", "whoami", "doctor", "preflight", "exec", "serve"):
        assert run("m365-identity", name, "--help").startswith("usage: m365-identity")
    where = "import m365_identity; print(m365_identity.__file__)"
    assert run("python", "-c", where).startswith(str(scripts.parent))
    absent = "import importlib.util as u; print([n for n in ('webhook', 'certs', 'tests', 'flask') if u.find_spec(n)])"
    assert run("python", "-c", absent) == "[]\n"

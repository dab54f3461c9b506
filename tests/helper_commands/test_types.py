"""The types of the installed package, as mypy and pyright show them to a user's program."""

import json
import re
import site
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).with_name("programs")
UV, MYPY, PYRIGHT = (str(Path(sys.executable).with_name(name)) for name in ("uv", "mypy", "pyright"))

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]

Rules = Mapping[int, set[str]]
"""The rules that a checker reports, by line."""


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the wheel installed, and the packages of this one. It has nothing of this repository."""
    folder = tmp_path_factory.mktemp("types") / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    (packages / "developers.pth").write_text("\n".join(site.getsitepackages()))
    return folder / "bin" / "python"


def mypy(python: Path, program: Path) -> Rules:
    """What `mypy --strict` reports."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    command = [MYPY, "--strict", "--no-error-summary", "--cache-dir", str(program.parent), "--output", "json"]
    done = run([*command, "--python-executable", str(python), program.name], program.parent)
    for line in done.splitlines():
        report = json.loads(line)
        if report["severity"] == "error":
            assert report["file"] == program.name
            found[report["line"]].add(report["code"])
    return found


def pyright(python: Path, program: Path) -> Rules:
    """What pyright reports."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    done = run([PYRIGHT, "--outputjson", "--pythonpath", str(python), program.name], program.parent)
    for report in json.loads(done)["generalDiagnostics"]:
        assert Path(report["file"]).name == program.name
        found[report["range"]["start"]["line"] + 1].add(report["rule"])
    return found


CHECKERS = {"mypy": mypy, "pyright": pyright}


def run(command: list[str], folder: Path) -> str:
    """Standard output of a checker: 1 is its exit code if it reports anything."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert not done.stderr
    return done.stdout


def expected(program: Path, checker: str) -> Rules:
    """The rules that the comments of a program name: `# mypy: RULE RULE, pyright: RULE`."""
    found = {}
    for number, line in enumerate(program.read_text().splitlines(), 1):
        if named := re.search(rf"# (?:.*, )?{checker}: ([\w -]+)", line):
            found[number] = set(named[1].split())
    return found


def copy(name: str, folder: Path) -> Path:
    """A program in a folder of its own, outside of this repository."""
    program = folder / f"{name}.py"
    program.write_text((PROGRAMS / f"{name}.py.txt").read_text())
    return program


@pytest.mark.timeout(300)  # mypy reads azure-core and azure-identity for the first time
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_right_program_has_no_type_errors(python: Path, checker: str, tmp_path: Path) -> None:
    """With strict rules: it signs in, with and without asyncio, and passes the credential to clients of azure-core."""
    assert CHECKERS[checker](python, copy("right", tmp_path)) == {}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", CHECKERS)
def test_the_mistakes_of_a_user_are_found(python: Path, checker: str, tmp_path: Path) -> None:
    """Each marked line, and no other: so the types are read from the package and none of them is Any."""
    program = copy("wrong", tmp_path)
    assert CHECKERS[checker](python, program) == expected(program, checker)
    assert len(expected(program, checker)) == 13


def test_graph_service_client_takes_either_credential(python: Path, tmp_path: Path) -> None:
    """Only pyright is asked: mypy reads all of msgraph-sdk, which takes a minute."""
    program = tmp_path / "graph.py"
    program.write_text(
        "from m365_identity import WorkloadIdentityCredential, aio\n"
        "from msgraph.graph_service_client import GraphServiceClient\n"
        "GraphServiceClient(credentials=WorkloadIdentityCredential())\n"
        "GraphServiceClient(credentials=aio.WorkloadIdentityCredential())\n"
        "GraphServiceClient(credentials=print)\n"
    )
    assert pyright(python, program) == {5: {"reportArgumentType"}}

"""What CI runs: the hook for pre-commit, the action and the template for GitLab, as far as they can be run here."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.offline.lint.support import ACCOUNT, SEEDED

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
TEMPLATE = yaml.safe_load((ROOT / ".gitlab" / "lint.yml").read_text())["m365wi-lint"]
PROGRAM = f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m webhook "$@"\n'


def executable(path: Path, text: str) -> Path:
    """A program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With twelve mistakes in one folder and none in the other."""
    for name, text in (("wrong/app.yaml", (SEEDED / "app.yaml").read_text()), ("right/app.yaml", ACCOUNT)):
        (tmp_path / "repository" / name).parent.mkdir(parents=True)
        (tmp_path / "repository" / name).write_text(text)
    monkeypatch.chdir(tmp_path / "repository")
    return tmp_path / "repository"


def bash(script: str, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Runs a script as the runners of GitHub and GitLab do."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def act(repository: Path, **inputs: str) -> "subprocess.CompletedProcess[str]":
    """Runs the action. A stand-in for Python makes the environment, since the true one would ask an index."""
    (step,) = ACTION["runs"]["steps"]
    program = executable(repository.parent / "m365wi", PROGRAM)
    make = f'for name in python m365wi; do mkdir -p "$3/bin"; cp "{program}" "$3/bin/$name"; done'
    stand_in = executable(repository.parent / "python", f'#!/bin/sh\n[ "$2" = venv ] && {{ {make}; }}\n')
    values = (
        {name: str(value["default"]) for name, value in ACTION["inputs"].items()} | inputs | {"python": str(stand_in)}
    )
    environment = {"RUNNER_TEMP": str(repository.parent / "temp")}
    for name, expression in step["env"].items():
        context, _, member = expression.removeprefix("${{ ").removesuffix(" }}").partition(".")
        environment[name] = values[member] if context == "inputs" else str(ROOT)
    return bash(step["run"].replace('"$environment/bin/python" -m pip', "true"), environment)


def test_the_action_fails_with_annotations(repository: Path) -> None:
    """Of what was asked for; the SARIF is written, too."""
    done = act(repository, paths="wrong right", sarif="out.sarif", **{"fail-on": "warning"})
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("::error ") == 3
    assert done.stdout.count("::warning file=wrong/app.yaml,line=") == 9
    assert len(json.loads((repository / "out.sarif").read_text())["runs"][0]["results"]) == 12


def test_the_action_passes(repository: Path) -> None:
    """With other flags, and no file names made of the patterns in them."""
    done = act(repository, paths="right", arguments="--tenant-id contoso.com")
    assert (done.returncode, done.stdout) == (0, "nothing found in 1 object; 1 file looked at\n"), done.stderr
    assert act(repository, paths="rig*").returncode == 2
    assert act(repository, paths="$(touch hacked);touch hacked").returncode == 2
    assert not (repository / "hacked").exists()
    assert act(repository, paths="missing", sarif="out.sarif").returncode == 2


@pytest.mark.parametrize(("paths", "code", "failures"), [("wrong", 1, 3), ("right", 0, 0)])
def test_the_template_for_gitlab_writes_its_report_in_any_case(
    repository: Path, paths: str, code: int, failures: int
) -> None:
    """The report is there in any case, and the log is for people."""
    executable(repository.parent / "bin" / "m365wi", PROGRAM)
    executable(repository.parent / "bin" / "pip", "#!/bin/sh\n")
    environment = {name: str(value) for name, value in TEMPLATE["variables"].items()} | {"M365WI_LINT_PATHS": paths}
    environment["PATH"] = f"{repository.parent / 'bin'}:{os.environ['PATH']}"
    done = bash("\n".join(TEMPLATE["script"]), environment)
    assert done.returncode == code, done.stderr
    assert f"{paths}/app.yaml:17:40: error" in done.stdout or code == 0
    suites = ET.fromstring((repository / TEMPLATE["artifacts"]["reports"]["junit"]).read_text())
    assert suites.attrib["failures"] == str(failures)


def test_pre_commit_takes_the_hook() -> None:
    """As its own validator says. tests/cli/test_install.py installs what the hook installs."""
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_hook_reads_all_folders() -> None:
    """And its command is one of the program's."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert (hook["entry"], hook["args"], hook["pass_filenames"]) == ("m365wi lint", ["."], False)
    assert all((ROOT / each / "pyproject.toml").exists() for each in hook["additional_dependencies"])

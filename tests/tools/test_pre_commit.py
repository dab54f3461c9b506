"""The hooks for pre-commit are part of `make check`, and need no network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
CONFIGURATION = ROOT / ".pre-commit-config.yaml"
HOOKS = [hook for repo in yaml.safe_load(CONFIGURATION.read_text())["repos"] for hook in repo["hooks"]]


@pytest.mark.slow
def test_pre_commit_reads_the_configuration() -> None:
    """As the version that is locked reads it."""
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(CONFIGURATION)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_hook_is_local() -> None:
    """One that is not would be cloned from a server at the first commit."""
    assert [repo["repo"] for repo in yaml.safe_load(CONFIGURATION.read_text())["repos"]] == ["local"]
    assert {hook["language"] for hook in HOOKS} == {"system"}


@pytest.mark.parametrize("entry", [hook["entry"] for hook in HOOKS])
def test_make_check_runs_what_a_hook_runs(entry: str) -> None:
    """A contributor without pre-commit is not surprised by CI, nor one with it by `make check`."""
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert recipe
    commands = recipe[1].replace("$(BIN)", ".venv/bin")
    assert f"\t{entry.removesuffix(' --force-exclude')}" in commands

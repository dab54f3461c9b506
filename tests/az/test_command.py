"""`python -m testbed.entra` prints commands for az: they sign in."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.third_party.build import build

pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]


def test_what_the_emulator_prints_signs_in(tmp_path: Path) -> None:
    """In a shell of one's own: the cloud, the administrator, and then the user."""
    az = build("az") / "bin"
    command = [sys.executable, "-m", "testbed.entra", "--directory", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as emulator:
        try:
            lines: list[str] = []
            while not lines or "--use-device-code" not in lines[-1]:
                assert emulator.stdout is not None
                lines.append(emulator.stdout.readline().rstrip())
            script = [line for line in lines if line.startswith(("export ", "az "))]
            script.insert(-1, "az identity list --query [0].name -o tsv")
            script.append("az ad signed-in-user show --query userPrincipalName -o tsv")
            home = f"export HOME={shlex.quote(str(tmp_path))} AZURE_CORE_LOGIN_EXPERIENCE_V2=off"
            done = subprocess.run(
                ["sh", "-e"],
                input="\n".join([home, *script]),
                env={"PATH": os.pathsep.join([str(az), os.environ["PATH"]]), "LANG": "C.UTF-8"},
                capture_output=True,
                text=True,
                timeout=200,
                check=False,
            )
        finally:
            emulator.terminate()
    assert done.returncode == 0, done.stderr
    assert "\nshop\n" in done.stdout
    assert done.stdout.endswith("admin@contoso.onmicrosoft.com\n")

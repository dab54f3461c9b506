"""All that a machine without a network needs is in one folder: tried where no route leads out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.registry.isolated_network import NAME, IsolatedNetwork
from tests.release.keys import Keys
from tools.release.bundle import bundle, sign
from tools.release.oci import Layout
from tools.release.wheels import ARCHITECTURES, PYTHONS, Locked

pytestmark = [pytest.mark.release, pytest.mark.slow, pytest.mark.timeout(900)]

PAGE = Path(__file__).parents[2] / "docs" / "air-gapped.md"
ENDS = (PYTHONS[0], PYTHONS[-1])
UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def folder(signed: Path, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small release with the real wheels, of the oldest and the newest Python. No test changes it."""
    out = tmp_path_factory.mktemp("bundle") / "air-gapped"
    bundle(signed, out, pythons=ENDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COSIGN_PASSWORD", keys.password)
        sign(out, str(keys.ours))
    return out


def test_the_commands_of_the_page_run(isle: IsolatedNetwork, folder: Path, tmp_path: Path) -> None:
    """All of them, in order: verified, loaded into a registry, verified there, the command line installed."""
    assert isle.run("ip", "route").stdout == ""
    place = shutil.copytree(folder, tmp_path / "air-gapped")
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    done = isle.run("sh", "-euxc", "".join(blocks), cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == (place / "VERSION").read_text().strip()
    index = Layout(place / "release/image.oci").root.digest
    assert isle.run("crane", "digest", f"{NAME}/team/m365-workload-identity:0.1.0").stdout.strip() == index


def test_the_helper_is_installed(isle: IsolatedNetwork, folder: Path, tmp_path: Path) -> None:
    """With its asynchronous half."""
    assert isle.run(sys.executable, "-m", "venv", tmp_path / "venv").returncode == 0
    options: list[str | Path] = ["--no-index", "--find-links", folder / "wheels", "--require-hashes"]
    pip = [tmp_path / "venv/bin/pip", "install", *options, "-r", folder / "wheels/m365-workload-identity.txt"]
    done = isle.run(*pip)
    assert done.returncode == 0, done.stderr
    program = "import m365_identity.aio, aiohttp"
    assert isle.run(tmp_path / "venv/bin/python", "-I", "-c", program).returncode == 0


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("python", ENDS)
@pytest.mark.parametrize("name", ["m365wi", "m365-workload-identity"])
def test_every_python_on_both_architectures_has_its_wheels(
    folder: Path, name: str, python: str, architecture: str
) -> None:
    """uv resolves the list for them, from nothing but the folder, with wheels alone."""
    options: list[str | Path] = [
        "--no-index",
        "--find-links",
        folder / "wheels",
        "--only-binary",
        ":all:",
        "--python-version",
        python,
    ]
    platform = ["--python-platform", f"{architecture}-manylinux_2_28"]
    command = [UV, "pip", "compile", "--quiet", "--no-config", *options, *platform, folder / f"wheels/{name}.txt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_file_that_changed_is_found(isle: IsolatedNetwork, folder: Path, tmp_path: Path) -> None:
    """A wheel of somebody else: by the list of checksums, and by pip, which knows its hash."""
    place = shutil.copytree(folder, tmp_path / "air-gapped")
    wheel = next((place / "wheels").glob("pyjwt-*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    sums = isle.run("sha256sum", "--check", "--quiet", "SHA256SUMS", cwd=place)
    assert sums.returncode == 1
    assert sums.stdout == f"wheels/{wheel.name}: FAILED\n"
    assert isle.run(sys.executable, "-m", "venv", tmp_path / "venv").returncode == 0
    options: list[str | Path] = ["--no-index", "--find-links", place / "wheels", "--require-hashes"]
    pip = isle.run(tmp_path / "venv/bin/pip", "install", *options, "-r", place / "wheels/m365wi.txt")
    assert pip.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in pip.stderr


def test_load_says_how_it_is_used(isle: IsolatedNetwork, folder: Path) -> None:
    """Without a word it changes nothing."""
    done = isle.run("./load.sh", cwd=folder)
    assert done.returncode == 2
    assert "./load.sh registry registry.example.com/team" in done.stderr
    assert isle.run("./load.sh", "registry", cwd=folder).returncode != 0


def test_a_marker_decides_for_the_machine_that_it_is_for() -> None:
    """Not for the one that makes the folder."""
    old = Locked("tomli==2", "python_full_version < '3.12'", ())
    arm = Locked("x==1", "platform_machine == 'aarch64' and sys_platform == 'linux'", ())
    assert [old.is_for(python, "x86_64") for python in PYTHONS] == [True, False, False, False]
    assert [arm.is_for("3.13", architecture) for architecture in ARCHITECTURES] == [False, True]


def test_the_docs_are_in_it(folder: Path) -> None:
    """As a site or as pages, with the one that says how to use the folder."""
    assert [*(folder / "docs").rglob("air-gapped*")]
    listed = {line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert {"load.sh", "VERSION", "wheels/m365wi.txt", "release/install.yaml"} <= listed
    assert json.loads((folder / "SHA256SUMS.sigstore.json").read_text())["messageSignature"]

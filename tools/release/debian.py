"""Debian's packages, unpacked into a folder: a base for the image, for any kind of processor, without running anything.

apt resolves and downloads them, and checks their signatures, with lists of its own; the machine's are not touched. They
come from the mirrors of this machine's apt, or from those that DEBIAN_MIRROR and DEBIAN_SECURITY_MIRROR name.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packageurl import PackageURL

from tools.release import pins
from tools.release.archives import member
from tools.release.checksums import sha256
from tools.release.commands import run
from tools.release.errors import ReleaseError
from tools.release.pins import Pins

__all__ = ["SUITE", "Package", "unpack"]

SUITE: Final = "trixie"  # whose Python is that of the Dockerfile's own base
# Newer releases have the second name, and may drop the first.
KEYRINGS: Final = tuple(Path(f"/usr/share/keyrings/debian-archive-keyring.{form}") for form in ("gpg", "pgp"))
AUTHORITIES: Final = "etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Package:
    """One package that was unpacked."""

    name: str
    version: str
    architecture: str
    source: str  # the name of its source package
    sha256: str

    @property
    def purl(self) -> str:
        """Its package URL."""
        qualifiers = {"arch": self.architecture, "distro": SUITE}
        return PackageURL("deb", "debian", self.name, self.version, qualifiers).to_string()


def unpack(root: Path, names: Sequence[str], *, architecture: str, exactly: Pins | None = None) -> list[Package]:
    """Unpacks packages, and those that they need, into an empty folder. Returns them by name. Raises ReleaseError.

    exactly: the packages of another build, which must be the same.
    """
    apt = root.parent / f"{root.name}.apt"
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True)
    (apt / "status").touch()
    # The lists of a day that is over may have expired. What they name is compared with the digests of that build.
    lines = _sources("check-valid-until=no" if exactly else "")
    (apt / "sources.list").write_text("".join(f"{line}\n" for line in lines))
    (apt / "preferences").write_text(pins.preferences(exactly or {}, architecture))
    _apt(apt, architecture, "update")
    _apt(apt, architecture, "install", "--yes", "--no-install-recommends", "--download-only", *names)
    # First the one with the links from /bin, /lib and /sbin to /usr.
    archives = sorted(
        (apt / "cache/archives").glob("*.deb"), key=lambda path: (not path.name.startswith("base-files_"), path.name)
    )
    root.mkdir(mode=0o755)
    found = [_unpack_one(archive, root) for archive in archives]
    database = root / "var/lib/dpkg"
    database.mkdir(parents=True, exist_ok=True)
    (database / "status").write_text("\n".join(text for _, text in found))
    _trust(root)
    packages = sorted((package for package, _ in found), key=lambda package: package.name)
    if exactly is not None:
        pins.check(exactly, packages)
    return packages


def _unpack_one(archive: Path, root: Path) -> tuple[Package, str]:
    """One package, with what dpkg would note of it."""
    run(["dpkg-deb", "--extract", archive, root])
    control = run(["dpkg-deb", "--field", archive])
    fields: dict[str, str] = dict(re.findall(r"^(\S+): (.*)$", control, re.MULTILINE))
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(_output("--fsys-tarfile", archive))) as files:
        names = [name.removeprefix(".") or "/." for name in files.getnames()]
    (info / f"{fields['Package']}.list").write_text("".join(f"{name}\n" for name in names))
    with tarfile.open(fileobj=io.BytesIO(_output("--ctrl-tarfile", archive))) as files:
        if sums := member(files, "./md5sums"):
            (info / f"{fields['Package']}.md5sums").write_bytes(sums)
    source = fields.get("Source", fields["Package"]).partition(" ")[0]
    package = Package(fields["Package"], fields["Version"], fields["Architecture"], source, sha256(archive))
    first, _, rest = control.partition("\n")
    return package, f"{first}\nStatus: install ok installed\n{rest.rstrip()}\n"


def _output(option: str, archive: Path) -> bytes:
    return subprocess.run(["dpkg-deb", option, archive], capture_output=True, check=True).stdout


def _trust(root: Path) -> None:
    """What the package ca-certificates makes when it is installed: all its authorities in one file."""
    folder = root / "usr/share/ca-certificates"
    bundle = root / AUTHORITIES
    bundle.parent.mkdir(parents=True, exist_ok=True)
    texts = [path.read_text().strip() for path in sorted(folder.rglob("*.crt"))]
    bundle.write_text("".join(f"{text}\n" for text in texts))


def _apt(apt: Path, architecture: str, *arguments: str) -> None:
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Dir::Cache": apt / "cache",
        "Dir::Etc::preferences": apt / "preferences",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": apt / "state",
        "Dir::State::status": apt / "status",
    }
    options = [part for name, value in settings.items() for part in ("--option", f"{name}={value}")]
    run(["apt-get", "--quiet=2", *options, *arguments], variables={"DEBIAN_FRONTEND": "noninteractive"})


def _sources(option: str = "") -> list[str]:
    """Debian's releases, and their updates of security, with one more option of apt for both."""
    main = os.environ.get("DEBIAN_MIRROR") or _mirror(r"[a-z]+")
    security = os.environ.get("DEBIAN_SECURITY_MIRROR") or _mirror(r"[a-z]+-security")
    keyring = next(filter(Path.exists, KEYRINGS), None)
    if keyring is None:
        raise ReleaseError(f"{KEYRINGS[0]} is missing: apt-get install debian-archive-keyring")
    options = " ".join(filter(None, [f"signed-by={keyring}", option]))
    return [f"deb [{options}] {main} {SUITE} main", f"deb [{options}] {security} {SUITE}-security main"]


def _mirror(suite: str) -> str:
    """Where this machine's apt gets Debian from."""
    form = "$(ORIGIN)\t$(SUITE)\t$(CODENAME)\t$(REPO_URI)"
    for line in run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).splitlines():
        origin, _, codename, address = line.split("\t")
        if origin == "Debian" and re.fullmatch(suite, codename):
            return address
    raise ReleaseError(
        "apt knows no mirror of Debian: apt-get update, or, on another system, name two: "
        "DEBIAN_MIRROR=https://… DEBIAN_SECURITY_MIRROR=https://…"
    )

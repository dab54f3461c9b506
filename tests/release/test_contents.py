"""What is in the image of each platform, compared with its bill of materials: nothing is missing, nothing too much."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import json
from collections.abc import Iterator
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tools.release.contents import normal
from tools.release.embedded import PREFIX
from tools.release.image import ARCHITECTURES
from tools.release.source import ROOT

pytestmark = [
    pytest.mark.release,
    pytest.mark.parametrize("architecture", ARCHITECTURES),
]

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
PACKAGES = "opt/m365wi/lib/python3.13/site-packages"
RECORDS = "var/lib/dpkg/status.d"
OURS = ("webhook", "certs", "m365_identity")
# What root.py writes, and what Debian's packages make when they are installed or have as configuration.
WRITTEN = {
    *("etc/group", "etc/nsswitch.conf", "etc/passwd", "opt/m365wi/pyvenv.cfg"),
    *("opt/m365wi/bin/m365-identity", "opt/m365wi/bin/m365-webhook"),
    *("etc/ssl/certs/ca-certificates.crt", "etc/ssl/openssl.cnf"),
}


def files(root: Path) -> Iterator[Path]:
    """Every file that is not a link."""
    yield from (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())


def bill(released: Path, architecture: str) -> dict[str, Any]:
    """The bill of materials of the image."""
    found: dict[str, Any] = json.loads((released / f"sbom/image-linux-{architecture}.cdx.json").read_text())
    return found


def components(released: Path, architecture: str, kind: str) -> dict[str, dict[str, Any]]:
    """Those of Debian (deb) or Python (pypi), by name; of what is inside of wheels, that from cargo or generic."""
    found = bill(released, architecture)["components"]
    return {one["name"]: one for one in found if one.get("purl", "").startswith(f"pkg:{kind}/")}


def installed(root: Path) -> list[Distribution]:
    """Python's packages, as Python itself finds them."""
    return [PathDistribution(path) for path in sorted((root / PACKAGES).glob("*.dist-info"))]


def test_each_program_is_for_the_platform(architecture: str, roots: dict[str, Path], elf: ModuleType) -> None:
    """Every ELF file, whatever its name: the loader, the interpreter, the modules of Python's packages."""
    machines = {path.relative_to(roots[architecture]).as_posix(): elf.read(path) for path in files(roots[architecture])}
    found = {name: told.machine for name, told in machines.items() if told}
    assert len(found) > 50
    assert "usr/bin/python3.13" in found
    assert set(found.values()) == {MACHINES[architecture]}


def test_each_library_that_is_loaded_is_there(architecture: str, roots: dict[str, Path], elf: ModuleType) -> None:
    """By the names in the files, wherever in the image the library is."""
    root = roots[architecture]
    names = {path.name for path in root.rglob("*.so*")}
    told = [found for path in files(root) if (found := elf.read(path))]
    assert {name for found in told for name in found.needed} <= names
    for loader in {found.interpreter for found in told if found.interpreter}:
        assert inside(root, loader).is_file()


def inside(root: Path, name: str) -> Path:
    """What a name in the image means, by its links."""
    place = root
    for part in Path(name).parts[1:]:
        place /= part
        if place.is_symlink():
            place = inside(root, str(place.readlink())) if place.readlink().is_absolute() else place.resolve()
    return place


def test_the_bill_has_each_package_of_python(architecture: str, released: Path, roots: dict[str, Path]) -> None:
    """With its version, licence and the digest of the wheel that the lock file names."""
    listed = components(released, architecture, "pypi")
    assert {name: one["version"] for name, one in listed.items()} == {
        one.metadata["Name"]: one.version for one in installed(roots[architecture])
    }
    assert len(listed) > 40
    locked = (ROOT / "requirements.txt").read_text()
    for one in listed.values():
        (sha256,) = one["hashes"]
        assert f"--hash=sha256:{sha256['content']}" in locked
        assert one["licenses"], one["name"]
        assert one["purl"].endswith(f"@{one['version']}")


def test_the_bill_has_what_is_inside_of_wheels(architecture: str, released: Path, roots: dict[str, Path]) -> None:
    """The OpenSSL that cryptography brings, as its module says; the crates of what is of Rust; each under its wheel."""
    root, listed = roots[architecture], components(released, architecture, "generic")
    assert {"openssl", "libuv", "libyaml", "libffi", "llhttp"} <= listed.keys()
    module = (root / PACKAGES / "cryptography/hazmat/bindings/_rust.abi3.so").read_bytes()
    assert f"\0OpenSSL {listed['openssl']['version']} ".encode() in module
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill(released, architecture)["dependencies"]}
    assert listed["openssl"]["bom-ref"] in needs["pypi:cryptography"]
    assert listed["libuv"]["bom-ref"] in needs["pypi:uvloop"]
    assert "pyo3" in components(released, architecture, "cargo")
    wheels = (path.parent.name for path in (root / PACKAGES).glob("*.dist-info/sboms"))
    telling = {normal(wheel.removesuffix(".dist-info").rpartition("-")[0]) for wheel in wheels}
    assert {"cryptography", "orjson", "pydantic-core"} <= telling
    assert {name for name in telling if any(ref.startswith(PREFIX) for ref in needs[f"pypi:{name}"])} == telling


def test_the_bill_has_each_package_of_debian(architecture: str, released: Path, roots: dict[str, Path]) -> None:
    """With its version, its licences, and the digest of its archive; each has a file in the image."""
    root = roots[architecture]
    listed = components(released, architecture, "deb")
    assert listed.keys() == {path.name for path in (root / RECORDS).iterdir() if path.suffix != ".md5sums"}
    assert {"libc6", "libssl3t64", "python3.13-minimal", "libpython3.13-stdlib", "ca-certificates"} <= listed.keys()
    owned = owners(root)
    used = {owned[name] for path in files(root) if (name := path.relative_to(root).as_posix()) in owned}
    assert listed.keys() - used <= {"ca-certificates"}  # all of it is in one file, which it makes when it is installed
    for one in listed.values():
        assert one["licenses"], one["name"]
        assert [sha256["alg"] for sha256 in one["hashes"]] == ["SHA-256"]
        assert f"Version: {one['version']}\n" in (root / RECORDS / one["name"]).read_text()


def test_each_file_is_from_a_package_of_the_bill(architecture: str, released: Path, roots: dict[str, Path]) -> None:
    """Python's and Debian's records name it, with its digest; or it is ours, or compiled from one of these."""
    root = roots[architecture]
    known = {f"{RECORDS}/{path.name}" for path in (root / RECORDS).iterdir()} | WRITTEN
    known |= {name for name, sums in debian_sums(root).items() if sums == md5(root / name)}
    known |= {name for name, sha256 in python_sums(root).items() if sha256 in {None, sha256_of(root / name)}}
    known |= {path.relative_to(root).as_posix() for package in OURS for path in files(root / PACKAGES / package)}
    unknown = {path.relative_to(root).as_posix() for path in files(root)} - known
    sources = known | {path.relative_to(root).as_posix() for path in root.rglob("*.py") if path.is_symlink()}
    compiled = {name for name in unknown if (root / name).suffix == ".pyc" and source_of(name) in sources}
    assert unknown - compiled == set()


def test_modules_are_compiled_for_the_pythons_own_version(architecture: str, roots: dict[str, Path]) -> None:
    """The bytecode of the machine that built is that of the image's Python; it names the digest of its source."""
    root = roots[architecture]
    found = [path for path in files(root) if path.suffix == ".pyc"]
    assert len(found) > 2000
    header = {path.read_bytes()[:8] for path in found}
    assert len(header) == 1
    ((magic),) = header
    assert magic[2:] == b"\r\n\1\0\0\0"  # hash-based, and not checked when it is loaded
    source = (root / "usr/lib/python3.13/importlib/_bootstrap_external.py").read_text()
    assert f"MAGIC_NUMBER = ({int.from_bytes(magic[:2], 'little')})." in source


def test_the_platforms_differ_in_what_is_compiled_only(
    architecture: str, released: Path, roots: dict[str, Path]
) -> None:
    """Both have the same packages, versions and modules. Of some libraries inside of wheels no version is known."""
    other = next(one for one in ARCHITECTURES if one != architecture)
    for kind in ("pypi", "deb", "generic"):
        ours, theirs = (components(released, each, kind) for each in (architecture, other))
        assert {(name, one.get("version")) for name, one in ours.items()} == {
            (name, one.get("version")) for name, one in theirs.items()
        }
    for package in OURS:
        for path in files(roots[architecture] / PACKAGES / package):
            name = path.relative_to(roots[architecture])
            assert path.read_bytes() == (roots[other] / name).read_bytes()


def owners(root: Path) -> dict[str, str]:
    """The Debian package of each file that its record names."""
    found = {}
    for path in (root / RECORDS).glob("*.md5sums"):
        for line in path.read_text().splitlines():
            found[usr(line.split("  ", 1)[1])] = path.stem
    return found


def debian_sums(root: Path) -> dict[str, str]:
    """What dpkg knows of the files that are there."""
    found = {}
    for path in (root / RECORDS).glob("*.md5sums"):
        for line in path.read_text().splitlines():
            digest, _, name = line.partition("  ")
            if (root / usr(name)).is_file():
                found[usr(name)] = digest
    return found


def python_sums(root: Path) -> dict[str, str | None]:
    """What pip's records know of the files that are there; None for those that a record does not give a digest of."""
    found: dict[str, str | None] = {}
    for record in (root / PACKAGES).glob("*.dist-info/RECORD"):
        for name, digest, _ in csv.reader(io.StringIO(record.read_text())):
            if (root / PACKAGES / name).is_file():
                found[f"{PACKAGES}/{name}"] = digest or None
    return found


def usr(name: str) -> str:
    """Debian's /lib is a link to /usr/lib."""
    return f"usr/{name}" if name.partition("/")[0] in {"bin", "lib", "lib64", "sbin"} else name


def source_of(name: str) -> str:
    """The module that a compiled file is of."""
    return importlib.util.source_from_cache(name)


def md5(path: Path) -> str:
    """As dpkg writes it."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def sha256_of(path: Path) -> str:
    """As pip writes it."""
    return f"sha256={base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip('=')}"

"""Debian's packages for a base: where they come from, and what is noted of each."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.release import debian
from tools.release.errors import ReleaseError

TARGETS = """\
Docker\tstable\tbookworm\thttps://other.example.com/
Debian\toldstable\tbookworm\thttps://mirror.example.com/debian/
Debian\toldstable-updates\tbookworm-updates\thttps://updates.example.com/debian/
Debian\toldstable-security\tbookworm-security\thttps://mirror.example.com/debian-security/
"""
CONTROL = """\
Package: libone
Source: one (1.9)
Version: 1:2.0+deb13u1
Architecture: arm64
Maintainer: somebody <somebody@example.com>
Description: a library
 of two lines
"""


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Debian's keys, under the second of their names."""
    path = tmp_path / "keyring.pgp"
    path.touch()
    monkeypatch.setattr(debian, "KEYRINGS", (tmp_path / "keyring.gpg", path))
    for name in ("DEBIAN_MIRROR", "DEBIAN_SECURITY_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    return path


def apt_knows(targets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `apt-get indextargets` prints."""

    def run(command: Sequence[str]) -> str:
        assert command[:2] == ["apt-get", "indextargets"]
        return targets

    monkeypatch.setattr(debian, "run", run)


def test_packages_come_from_the_mirrors_of_this_machine(keyring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For our release of Debian, with its updates of security, and signed by Debian."""
    apt_knows(TARGETS, monkeypatch)
    assert debian._sources() == [
        f"deb [signed-by={keyring}] https://mirror.example.com/debian/ trixie main",
        f"deb [signed-by={keyring}] https://mirror.example.com/debian-security/ trixie-security main",
    ]


def test_other_systems_name_the_mirrors(keyring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them, the refusal says how."""
    apt_knows("Ubuntu\tnoble\tnoble\thttps://ubuntu.example.com/\n", monkeypatch)
    with pytest.raises(ReleaseError, match="DEBIAN_MIRROR=https://… DEBIAN_SECURITY_MIRROR=https://…"):
        debian._sources()
    monkeypatch.setenv("DEBIAN_MIRROR", "https://one.example.com/debian")
    monkeypatch.setenv("DEBIAN_SECURITY_MIRROR", "https://two.example.com/debian-security")
    assert [line.split()[2] for line in debian._sources()] == [
        "https://one.example.com/debian",
        "https://two.example.com/debian-security",
    ]


@pytest.mark.usefixtures("keyring")
def test_without_debians_keys_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The refusal names the package that has them."""
    apt_knows(TARGETS, monkeypatch)
    monkeypatch.setattr(debian, "KEYRINGS", (tmp_path / "missing",))
    with pytest.raises(ReleaseError, match="apt-get install debian-archive-keyring"):
        debian._sources()


def test_authorities_are_all_in_one_file(tmp_path: Path) -> None:
    """As the package makes it when it is installed; their order does not depend on the folder's."""
    folder = tmp_path / "usr/share/ca-certificates/mozilla"
    folder.mkdir(parents=True)
    for name in ("b", "a"):
        (folder / f"{name}.crt").write_text(f"certificate {name}\n\n")
    debian._trust(tmp_path)
    assert (tmp_path / debian.AUTHORITIES).read_text() == "certificate a\ncertificate b\n"


@pytest.mark.release
def test_a_package_is_noted_as_dpkg_does(tmp_path: Path) -> None:
    """Its record, its files with their digests, and its own digest."""
    content = tmp_path / "content"
    (content / "DEBIAN").mkdir(parents=True)
    (content / "DEBIAN/control").write_text(CONTROL)
    (content / "DEBIAN/md5sums").write_text("0  usr/lib/libone.so\n")
    (content / "usr/lib").mkdir(parents=True)
    (content / "usr/lib/libone.so").write_text("library")
    subprocess.run(["dpkg-deb", "--build", content, tmp_path / "one.deb"], check=True, capture_output=True)
    root = tmp_path / "root"
    root.mkdir()
    package, record = debian._unpack_one(tmp_path / "one.deb", root)
    assert (package.name, package.version, package.architecture, package.source) == (
        "libone",
        "1:2.0+deb13u1",
        "arm64",
        "one",
    )
    assert package.purl == "pkg:deb/debian/libone@1:2.0%2Bdeb13u1?arch=arm64&distro=trixie"
    assert record.startswith("Package: libone\nStatus: install ok installed\n")
    assert record.endswith("Description: a library\n of two lines\n")
    assert (root / "usr/lib/libone.so").read_text() == "library"
    info = root / "var/lib/dpkg/info"
    assert "/usr/lib/libone.so" in (info / "libone.list").read_text().splitlines()
    assert (info / "libone.md5sums").read_text() == "0  usr/lib/libone.so\n"

"""The scripts that put the image together, without building one: image/*.py."""

from __future__ import annotations

import importlib
import platform
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.release.source import ROOT

pytestmark = pytest.mark.slow  # ldd runs

NAMES = ("base", "elf", "libraries", "records", "install")
PYTHON = Path(sys.executable).resolve()


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Its modules, which find each other as in the build: by their bare names."""
    monkeypatch.syspath_prepend(str(ROOT / "image"))
    for name in NAMES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture
def base(image: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty base."""
    folder = tmp_path / "base"
    folder.mkdir()
    use(image, monkeypatch, folder)
    return folder


def use(image: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Makes a folder the base."""
    for module in vars(image).values():
        if hasattr(module, "BASE"):
            monkeypatch.setattr(module, "BASE", folder)


def write(folder: Path, name: str, content: bytes | str) -> Path:
    """A file in a folder, with the folders on the way."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_libraries_are_those_that_the_loader_loads(
    image: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of this Python and of a module of it; the same names as `ldd` finds by running the loader."""
    use(image, monkeypatch, Path("/"))
    module = Path(importlib.import_module("_ssl").__file__ or "")
    write(tmp_path, module.relative_to("/").as_posix(), module.read_bytes())
    found = image.libraries.loaded_by(PYTHON, tmp_path)
    said = subprocess.run(["ldd", PYTHON, module], capture_output=True, text=True, check=True).stdout
    expected = re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", said, re.MULTILINE)
    assert len(expected) > 4
    assert {path.resolve() for path in found} == {Path(path).resolve() for path in expected}


def test_a_file_says_for_which_machine_it_is(image: SimpleNamespace, tmp_path: Path) -> None:
    """Other files, also those that look like one at first, are not taken for programs."""
    assert image.elf.read(PYTHON).machine == platform.machine()
    assert image.elf.read(PYTHON).interpreter.startswith("/lib")
    for content in (b"", b"\x7fELF\x01\x01", b"#!/bin/sh\n"):
        assert image.elf.read(write(tmp_path, "file", content)) is None


def test_a_module_for_another_machine_stops_the_build(
    image: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As pip would install it if it were told the wrong platform."""
    use(image, monkeypatch, Path("/"))
    content = bytearray(PYTHON.read_bytes())
    struct.pack_into("<H", content, 18, 183 if platform.machine() == "x86_64" else 62)
    write(tmp_path, "opt/module.so", bytes(content))
    with pytest.raises(SystemExit, match=r"^/opt/module\.so is for (aarch64|x86_64), and Python for "):
        image.libraries.loaded_by(PYTHON, tmp_path)


def test_a_missing_library_stops_the_build(image: SimpleNamespace, base: Path, tmp_path: Path) -> None:
    """All are named at once."""
    write(base, "usr/bin/python3", PYTHON.read_bytes())
    with pytest.raises(SystemExit, match=r"^missing in the base image: .*libc\.so\.6"):
        image.libraries.loaded_by(Path("/usr/bin/python3"), tmp_path / "root")


def test_links_of_the_base_do_not_lead_out_of_it(image: SimpleNamespace, base: Path, tmp_path: Path) -> None:
    """An absolute link means a file of the base, and is copied with all on the way to it."""
    write(base, "usr/lib/inner/file.1", "content")
    (base / "lib").symlink_to("usr/lib")
    (base / "usr/lib/file").symlink_to("/lib/inner/file.1")
    root = tmp_path / "root"
    (root / "usr").mkdir(parents=True)
    assert image.base.real(Path("/lib/file")) == Path("/usr/lib/inner/file.1")
    assert image.base.exists(Path("/lib/file"))
    assert not image.base.exists(Path("/lib/other"))
    (root / "usr/lib").mkdir()
    image.base.copy(Path("/lib/file"), root)
    assert (root / "lib").readlink() == Path("usr/lib")
    assert (root / "usr/lib/file").readlink() == Path("/lib/inner/file.1")
    assert (root / "usr/lib/inner/file.1").read_text() == "content"


def test_links_in_a_circle_are_an_error(image: SimpleNamespace, base: Path) -> None:
    """Not an endless loop."""
    (base / "a").symlink_to("b")
    (base / "b").symlink_to("a")
    with pytest.raises(OSError, match="circle"):
        image.base.real(Path("/a"))


def test_the_owners_of_files_are_recorded(image: SimpleNamespace, base: Path, tmp_path: Path) -> None:
    """Also the package to which a folder of licences is a link; the others are left out."""
    status = "\n".join(f"Package: {name}\nVersion: 1\nArchitecture: arm64\n" for name in ("libone", "libtwo", "other"))
    write(base, "var/lib/dpkg/status", status)
    write(base, "var/lib/dpkg/info/libone.list", "/.\n/lib\n/lib/libone.so\n/usr/share/doc/libone\n")
    write(base, "var/lib/dpkg/info/libone:arm64.md5sums", "0  lib/libone.so\n")
    write(base, "var/lib/dpkg/info/libtwo:arm64.list", "/usr/share/doc/libtwo/copyright\n")
    write(base, "var/lib/dpkg/info/other.list", "/usr/lib/other.so\n")
    write(base, "usr/lib/libone.so", "")
    write(base, "usr/share/doc/libtwo/copyright", "free")
    (base / "usr/share/doc/libone").symlink_to("libtwo")
    root = tmp_path / "root"
    (root / "var/lib/dpkg/status.d").mkdir(parents=True)
    (root / "usr/share/doc").mkdir(parents=True)
    image.records.write(root, [Path("/usr/lib/libone.so"), Path("/etc/made")])
    records = root / "var/lib/dpkg/status.d"
    assert {path.name for path in records.iterdir()} == {"libone", "libone.md5sums", "libtwo"}
    assert (records / "libone").read_text() == "Package: libone\nVersion: 1\nArchitecture: arm64\n"
    assert (root / "usr/share/doc/libone/copyright").read_text() == "free"


def test_wheels_are_those_that_run_with_the_glibc_of_the_base(image: SimpleNamespace, base: Path) -> None:
    """Not newer ones, and each older one, under both of its names."""
    write(
        base,
        "var/lib/dpkg/status",
        "Package: libc6\nStatus: x\nVersion: 2.41-12+deb13u5\n\nPackage: libz\nVersion: 2.99\n",
    )
    assert image.install.glibc() == 41
    names = [*image.install.tags("aarch64", 41)]
    assert names[0] == "manylinux_2_41_aarch64"
    assert "manylinux_2_17_aarch64" in names
    assert names[-1] == "manylinux2014_aarch64"


def test_a_base_of_another_kind_is_refused(image: SimpleNamespace, base: Path) -> None:
    """Such as Alpine, which has another libc."""
    write(base, "var/lib/dpkg/status", "Package: musl\nVersion: 1.2\n")
    with pytest.raises(SystemExit, match="expected a Debian"):
        image.install.glibc()

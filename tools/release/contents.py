"""What is in the image, read from its layers: Python's packages and Debian's, each from its own records."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import PurePosixPath
from typing import Final

from tools.release.archives import member
from tools.release.oci import Descriptor, Layout

__all__ = ["DebianPackage", "Image", "PythonPackage", "debian_packages", "normal", "python_packages", "read"]

RECORDS: Final = "var/lib/dpkg/status.d/"
CLASSIFIER: Final = "License :: OSI Approved :: "


@dataclass(frozen=True)
class PythonPackage:
    """A distribution of Python, installed or built."""

    name: str
    version: str
    summary: str
    licence: str | None  # SPDX's expression or, of older metadata, a name
    requires: tuple[str, ...]  # as METADATA has them

    @classmethod
    def read(cls, text: str) -> PythonPackage:
        """From METADATA or PKG-INFO."""
        found = Parser().parsestr(text)
        requires = tuple(found.get_all("Requires-Dist") or ())
        return cls(found["Name"], found["Version"], found["Summary"] or "", _licence(found), requires)


@dataclass(frozen=True)
class DebianPackage:
    """A package of which files are in the image."""

    name: str
    version: str
    architecture: str
    source: str
    summary: str
    licences: tuple[str, ...]  # names of Debian's copyright file, if a program can read it
    depends: tuple[str, ...]


@dataclass(frozen=True)
class Image:
    """The files of an image, by name, and its symbolic links."""

    files: dict[str, bytes]
    links: dict[str, str]

    def licences_of(self, package: str) -> str:
        """Debian's copyright file of a package; its folder may be a link to that of another package."""
        folder = f"usr/share/doc/{self.links.get(f'usr/share/doc/{package}', package)}"
        return self.files.get(f"{folder}/copyright", b"").decode()


def read(layout: Layout, manifest: Descriptor) -> Image:
    """What an image consists of; a later layer wins over an earlier one."""
    image = Image({}, {})
    for layer in layout.read(manifest)["layers"]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layout.blob(Descriptor.read(layer))))) as archive:
            for entry in archive:
                name = entry.name.removeprefix("./")
                if entry.issym():
                    image.links[name] = entry.linkname
                elif (content := member(archive, entry)) is not None:
                    image.files[name] = content
    return image


def python_packages(image: Image) -> list[PythonPackage]:
    """By name. Our own packages have no metadata in the image: they are the image's subject."""
    found = [
        PythonPackage.read(content.decode())
        for name, content in sorted(image.files.items())
        if name.startswith("opt/") and PurePosixPath(name).match("*.dist-info/METADATA")
    ]
    return sorted(found, key=lambda package: normal(package.name))


def debian_packages(image: Image) -> list[DebianPackage]:
    """By name."""
    return [
        _debian(content.decode(), image.licences_of(name.removeprefix(RECORDS)))
        for name, content in sorted(image.files.items())
        if name.startswith(RECORDS) and not name.endswith(".md5sums")
    ]


def normal(name: str) -> str:
    """The name of a distribution as it is compared, and as it is in package URLs."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _debian(record: str, copyright_file: str) -> DebianPackage:
    found = Parser().parsestr(record)
    readable = copyright_file.startswith("Format:")
    licences = re.findall(r"^License: *(\S.*)$", copyright_file, re.MULTILINE) if readable else []
    depends = re.findall(
        r"(?:^|[,|])\s*([a-z0-9][a-z0-9.+-]*)", ",".join([found["Pre-Depends"] or "", found["Depends"] or ""])
    )
    return DebianPackage(
        found["Package"],
        found["Version"],
        found["Architecture"],
        (found["Source"] or found["Package"]).partition(" ")[0],
        found["Description"].partition("\n")[0],
        tuple(sorted({licence.strip() for licence in licences})),
        tuple(depends),
    )


def _licence(metadata: Message) -> str | None:
    """The expression; or the field, if it is a name and not a text; or what the classifiers say."""
    if expression := metadata["License-Expression"]:
        return str(expression)
    field = str(metadata["License"] or "").strip()
    if field and "\n" not in field and len(field) < 100:
        return field
    named = [
        text.removeprefix(CLASSIFIER) for text in metadata.get_all("Classifier") or () if text.startswith(CLASSIFIER)
    ]
    return " and ".join(named) or None

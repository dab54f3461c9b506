"""The packages of Debian of another build, as its provenance names them: with the same ones, the image is the same.

Debian's mirrors have the newest version of each only. Those of a day have all that there was: snapshot.debian.org.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from packageurl import PackageURL

from tools.release.errors import ReleaseError

__all__ = ["Pin", "Pins", "check", "preferences", "read"]

SHOWN = 5


@dataclass(frozen=True)
class Pin:
    """One package, by version and digest."""

    version: str
    sha256: str


class Unpacked(Protocol):
    """A package as debian.py knows it."""

    @property
    def name(self) -> str:
        """Such as libc6."""

    @property
    def version(self) -> str:
        """Debian's."""

    @property
    def architecture(self) -> str:
        """Such as amd64, or all."""

    @property
    def sha256(self) -> str:
        """Of its archive."""


Pins = Mapping[tuple[str, str], Pin]  # by name and architecture, which is "all" for what has no programs


def read(path: Path) -> Pins:
    """The packages in provenance/image.oci.intoto.json of a release. Raises ReleaseError if it has none."""
    try:
        parts = json.loads(path.read_bytes())["predicate"]["buildDefinition"]["resolvedDependencies"]
        named = [(PackageURL.from_string(each["uri"]), each["digest"]["sha256"]) for each in parts if "uri" in each]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReleaseError(f"{path} is not the provenance of an image: {error}") from None
    pins = {
        (purl.name, purl.qualifiers["arch"]): Pin(str(purl.version), sha256)
        for purl, sha256 in named
        if purl.type == "deb" and isinstance(purl.qualifiers, dict)
    }
    if not pins:
        raise ReleaseError(f"{path} names no package of Debian: expected provenance/image.oci.intoto.json")
    return pins


def preferences(pins: Pins, architecture: str) -> str:
    """What apt reads to prefer these versions, also over newer ones."""
    wanted = {name: pin.version for (name, kind), pin in pins.items() if kind in (architecture, "all")}
    return "\n".join(f"Package: {name}\nPin: version {wanted[name]}\nPin-Priority: 1001\n" for name in sorted(wanted))


def check(pins: Pins, packages: Iterable[Unpacked]) -> None:
    """Raises ReleaseError if one of the packages is not what was pinned, byte for byte."""
    wrong = []
    for package in packages:
        pin = pins.get((package.name, package.architecture))
        if pin is None:
            wrong.append(f"{package.name} {package.version} is not in that build")
        elif (pin.version, pin.sha256) != (package.version, package.sha256):
            wrong.append(f"{package.name} is {package.version}, and was {pin.version} (sha256 {pin.sha256})")
    if wrong:
        raise ReleaseError(
            "\n".join(
                [
                    *wrong[:SHOWN],
                    *([f"and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []),
                    "Debian's mirror does not have these any more. Name the mirrors of the day of that build: "
                    "DEBIAN_MIRROR=https://snapshot.debian.org/archive/debian/20270115T000000Z and "
                    "DEBIAN_SECURITY_MIRROR=https://snapshot.debian.org/archive/debian-security/20270115T000000Z",
                ]
            )
        )

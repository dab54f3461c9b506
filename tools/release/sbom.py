"""Software bills of materials, in CycloneDX 1.6: for each artefact one, of what is in it or what it asks for.

The same artefact gives the same text: the time is that of the commit, and the serial number comes from the digest.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cyclonedx.contrib.license.exceptions import InvalidSpdxLicenseException
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement

from tools.release.contents import DebianPackage, PythonPackage, normal
from tools.release.debian import SUITE
from tools.release.errors import ReleaseError
from tools.release.source import Source

__all__ = ["FOLDER", "Parts", "container", "debian", "described", "python", "write"]

FOLDER: Final = "sbom"
_LICENCES: Final = LicenseFactory()


@dataclass
class Parts:
    """What an artefact consists of: components, and which of them needs which, by reference."""

    components: list[Component] = field(default_factory=list)
    needs: list[tuple[Component, Component]] = field(default_factory=list)


def write(out: Path, artefact: str, subject: Component, parts: Parts, source: Source) -> Path:
    """Writes the bill of one artefact. Raises ReleaseError if it does not meet the schema."""
    digest = next(iter(subject.hashes)).content
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"sha256:{digest}"),
        metadata=BomMetaData(component=subject, timestamp=datetime.fromtimestamp(source.epoch, UTC)),
        components=parts.components,
    )
    bom.register_dependency(subject, parts.components)
    for one in parts.components:
        bom.register_dependency(one, [other for needing, other in parts.needs if needing is one])
    text = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ReleaseError(f"the SBOM of {artefact} does not meet the schema: {error}")
    path = out / FOLDER / f"{artefact}.cdx.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def described(name: str, source: Source, sha256: str, *, kind: ComponentType, purl: PackageURL | None) -> Component:
    """The component for one of our artefacts."""
    return Component(
        name=name,
        version=source.version,
        type=kind,
        bom_ref="artefact",
        hashes=[_sha256(sha256)],
        licenses=[_LICENCES.make_with_id("MIT")],
        purl=purl,
    )


def python(package: PythonPackage, sha256: str | None = None) -> Component:
    """A distribution of Python, with the digest of its wheel."""
    return Component(
        name=package.name,
        version=package.version,
        description=package.summary or None,
        type=ComponentType.LIBRARY,
        bom_ref=f"pypi:{normal(package.name)}",
        hashes=[_sha256(sha256)] if sha256 else (),
        licenses=[_LICENCES.make_from_string(package.licence)] if package.licence else (),
        purl=PackageURL("pypi", name=normal(package.name), version=package.version),
    )


def requirement(text: str, *, scope: ComponentScope) -> Component:
    """What a distribution asks for, with the range of versions."""
    wanted = Requirement(text)
    name = normal(wanted.name)
    return Component(
        name=wanted.name,
        type=ComponentType.LIBRARY,
        scope=scope,
        bom_ref=f"requirement:{text}",
        purl=PackageURL("pypi", name=name),
        properties=[Property(name="m365wi:requires-dist", value=text)],
    )


def debian(package: DebianPackage, sha256: str | None = None) -> Component:
    """A package of Debian, with the digest of its archive."""
    qualifiers = {"arch": package.architecture, "distro": SUITE, "upstream": package.source}
    if package.source == package.name:
        del qualifiers["upstream"]
    return Component(
        name=package.name,
        version=package.version,
        description=package.summary,
        type=ComponentType.LIBRARY,
        bom_ref=f"deb:{package.name}",
        hashes=[_sha256(sha256)] if sha256 else (),
        licenses=_debian_licences(package.licences or (f"as in /usr/share/doc/{package.name}/copyright",)),
        purl=PackageURL("deb", "debian", package.name, package.version, qualifiers),
    )


def container(repository: str, digest: str, source: Source, *, architecture: str | None = None) -> Component:
    """The image, or, with an architecture, its part for a platform."""
    name = repository.rpartition("/")[2]
    qualifiers = {"repository_url": repository} if "/" in repository else {}
    if architecture:
        qualifiers["arch"] = architecture
    return Component(
        name=name,
        version=source.version,
        type=ComponentType.CONTAINER,
        bom_ref="image",
        hashes=[_sha256(digest.removeprefix("sha256:"))],
        licenses=[_LICENCES.make_with_id("MIT")],
        purl=PackageURL("oci", name=name, version=digest, qualifiers=qualifiers),
    )


def python_needs(packages: Mapping[str, tuple[PythonPackage, Component]]) -> Iterable[tuple[Component, Component]]:
    """Which distributions need which, by Requires-Dist, of those that are there."""
    for package, component in packages.values():
        for text in package.requires:
            wanted = Requirement(text)
            if normal(wanted.name) in packages and "extra" not in str(wanted.marker or ""):
                yield component, packages[normal(wanted.name)][1]


def _debian_licences(names: Iterable[str]) -> list[License]:
    """By SPDX's identifier if Debian's short name is one, and by name otherwise."""
    found: dict[str, License] = {}
    for name in names:
        try:
            licence: License = _LICENCES.make_with_id(name)
        except InvalidSpdxLicenseException:
            licence = DisjunctiveLicense(name=name)
        found[name] = licence
    return [*found.values()]


def _sha256(content: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=content)

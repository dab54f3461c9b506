"""The bill of materials of every artefact in the folder of a release."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

from cyclonedx.model.component import Component, ComponentScope, ComponentType
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

from tools.release import contents, embedded, sbom
from tools.release.archives import member
from tools.release.checksums import sha256
from tools.release.contents import PythonPackage, normal
from tools.release.image import Built
from tools.release.oci import Layout
from tools.release.sbom import Parts
from tools.release.source import Source

__all__ = ["write"]


def write(out: Path, source: Source, built: Built, *, repository: str) -> list[Path]:
    """Writes them. Raises ReleaseError if one does not meet the schema."""
    made = [_image(out, source, built, repository, architecture) for architecture in built.packages]
    made += [_distribution(path, source) for path in sorted([*out.glob("*.whl"), *out.glob("*.tar.gz")])]
    runs = Parts([sbom.container(repository, built.digest, source)])
    (chart,) = out.glob("*.tgz")
    root = Layout(out / "chart.oci").root
    helm = PackageURL("helm", name=chart.name.removesuffix(f"-{source.version}.tgz"), version=source.version)
    for name, checksum in ((chart.name, sha256(chart)), ("chart.oci", root.hexadecimal)):
        subject = sbom.described(name, source, checksum, kind=ComponentType.APPLICATION, purl=helm)
        made.append(sbom.write(out, name, subject, runs, source))
    for path in sorted(out.glob("install*.yaml")):
        subject = sbom.described(path.name, source, sha256(path), kind=ComponentType.FILE, purl=None)
        made.append(sbom.write(out, path.name, subject, runs, source))
    return made


def _image(out: Path, source: Source, built: Built, repository: str, architecture: str) -> Path:
    layout = Layout(out / "image.oci")
    (manifest,) = (one for one in layout.manifests() if one.platform == f"linux/{architecture}")
    image = contents.read(layout, manifest)
    wheels = {normal(str(parse_wheel_filename(one.file)[0])): one.sha256 for one in built.wheels[architecture]}
    archives = {one.name: one.sha256 for one in built.packages[architecture]}
    packages = {
        normal(one.name): (one, sbom.python(one, wheels[normal(one.name)])) for one in contents.python_packages(image)
    }
    system = {one.name: (one, sbom.debian(one, archives[one.name])) for one in contents.debian_packages(image)}
    parts = Parts([component for _, component in (*packages.values(), *system.values())])
    parts.needs += sbom.python_needs(packages)
    parts.needs += [
        (component, system[name][1]) for one, component in system.values() for name in one.depends if name in system
    ]
    inside: dict[str, Component] = {}  # one component, even if two wheels bring it
    for name, component in embedded.components(image):
        known = inside.setdefault(str(component.bom_ref.value), component)
        parts.needs.append((packages[name][1], known))
    parts.components += inside.values()
    subject = sbom.container(repository, manifest.digest, source, architecture=architecture)
    return sbom.write(out, f"image-linux-{architecture}", subject, parts, source)


def _distribution(path: Path, source: Source) -> Path:
    package = PythonPackage.read(_metadata(path))
    kind = ComponentType.LIBRARY if package.name != "m365wi" else ComponentType.APPLICATION
    purl = PackageURL("pypi", name=normal(package.name), version=package.version, qualifiers={"file_name": path.name})
    subject = sbom.described(package.name, source, sha256(path), kind=kind, purl=purl)
    parts = Parts(
        [
            sbom.requirement(text, scope=ComponentScope.OPTIONAL if _is_extra(text) else ComponentScope.REQUIRED)
            for text in package.requires
        ]
    )
    return sbom.write(path.parent, path.name, subject, parts, source)


def _is_extra(requirement: str) -> bool:
    return "extra" in str(Requirement(requirement).marker or "")


def _metadata(path: Path) -> str:
    """METADATA of a wheel, PKG-INFO of an sdist."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            return wheel.read(name).decode()
    with tarfile.open(path) as sdist:
        return (member(sdist, f"{path.name.removesuffix('.tar.gz')}/PKG-INFO") or b"").decode()

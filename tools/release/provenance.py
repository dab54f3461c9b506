"""Provenance: who built each artefact, from which commit, and from what else.

Statements of in-toto, with the predicate of SLSA 1: https://slsa.dev/spec/v1.1/provenance. They have no time of the
build and no number of the run, so that a second build by the same builder writes the same.
"""

from __future__ import annotations

import json
import os
import platform
import zlib
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from packageurl import PackageURL
from packaging.utils import parse_wheel_filename

from testbed.chart import helm
from tools.release.checksums import sha256
from tools.release.commands import run
from tools.release.image import Built
from tools.release.oci import Layout
from tools.release.source import Source

__all__ = ["BUILD_TYPE", "FOLDER", "LOCAL", "STATEMENT", "builder", "write"]

FOLDER: Final = "provenance"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "urn:m365-workload-identity:make-release:1"  # docs/release-artefacts.md describes it
LOCAL: Final = "urn:m365-workload-identity:somebodys-machine"

Document = dict[str, Any]


def write(out: Path, source: Source, built: Built, *, repository: str) -> list[Path]:
    """Writes one statement for each artefact."""
    made = []
    image = [_resource("image", f"pkg:oci/{repository.rpartition('/')[2]}@{built.digest}", built.digest[7:])]
    for name, subjects in _subjects(out).items():
        more: Sequence[Document] = ()
        if name == "image.oci":
            more = _of_image(built)
        elif name.endswith((".tgz", ".yaml")) or name == "chart.oci":
            more = image
        statement = {
            "_type": STATEMENT,
            "subject": [{"name": subject, "digest": {"sha256": digest}} for subject, digest in subjects.items()],
            "predicateType": PREDICATE,
            "predicate": _predicate(source, [_source(source), *more], repository=repository),
        }
        path = out / FOLDER / f"{name}.intoto.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(statement, indent=2) + "\n", encoding="utf-8")
        made.append(path)
    return made


def builder() -> str:
    """The workflow on GitHub, as its runner says, or somebody's machine."""
    reference = os.environ.get("GITHUB_WORKFLOW_REF")
    return f"{os.environ.get('GITHUB_SERVER_URL')}/{reference}" if reference else LOCAL


def _predicate(source: Source, dependencies: Sequence[Document], *, repository: str) -> Document:
    """What SLSA asks for."""
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "version": source.version,
                "repository": repository,
                "snapshot": source.dirty or not source.tagged,
            },
            "internalParameters": {"tools": _tools(), "SOURCE_DATE_EPOCH": source.epoch},
            "resolvedDependencies": list(dependencies),
        },
        "runDetails": {"builder": {"id": builder()}},
    }


def _subjects(out: Path) -> dict[str, dict[str, str]]:
    """Name and digest of what each artefact consists of. The image's parts for a platform are subjects, too."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(out.iterdir()):
        if path.is_file():
            found[path.name] = {path.name: sha256(path)}
        elif (path / "index.json").exists():
            parts = Layout(path).manifests()
            found[path.name] = {f"{path.name} {part.platform}".strip(): part.hexadecimal for part in parts}
    return found


def _source(source: Source) -> Document:
    """The commit, with the address of the repository where the machine names it."""
    found: Document = {"name": "source", "digest": {"gitCommit": source.commit}}
    if repository := os.environ.get("GITHUB_REPOSITORY"):
        found["uri"] = f"git+{os.environ.get('GITHUB_SERVER_URL')}/{repository}"
    return found


def _of_image(built: Built) -> list[Document]:
    """Debian's packages of the bases, and the locked wheels."""
    debian = {package.purl: package.sha256 for packages in built.all_packages() for package in packages}
    wheels = {wheel.file: wheel.sha256 for wheels in built.wheels.values() for wheel in wheels}
    return [
        *(_resource("base", purl, sha256) for purl, sha256 in sorted(debian.items())),
        *(_resource("wheel", _wheel(file), sha256) for file, sha256 in sorted(wheels.items())),
    ]


def _wheel(file: str) -> str:
    name, version, _, _ = parse_wheel_filename(file)
    return PackageURL("pypi", name=str(name), version=str(version), qualifiers={"file_name": file}).to_string()


def _resource(name: str, uri: str, sha256: str) -> Document:
    return {"name": name, "uri": uri, "digest": {"sha256": sha256}}


def _tools() -> Mapping[str, str]:
    """What the bytes may depend on."""
    return {
        "buildah": run(["buildah", "--version"]).split()[2],
        "hatchling": metadata.version("hatchling"),
        "helm": helm.MODULE.version,
        "python": platform.python_version(),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }

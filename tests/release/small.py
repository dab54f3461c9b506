"""A folder like that of `make release`, with little in it: an image of two platforms, a chart, a wheel, an SBOM."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tools.release.layouts import Descriptor
from tools.release.oci import INDEX, MANIFEST, digest
from tools.release.statements import PROVENANCE, STATEMENT

PLATFORMS = ("linux/amd64", "linux/arm64")
VERSION = "0.1.0"


def make(dist: Path, wheels: Iterable[Path]) -> Path:
    """Makes the folder, and returns it."""
    dist.mkdir()
    platforms = [an_image(dist / "image.oci", *platform.split("/")) for platform in PLATFORMS]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms}
    close(dist / "image.oci", add(dist / "image.oci", index, INDEX))
    chart = a_chart(dist)
    for wheel in wheels:
        shutil.copy(wheel, dist)
    (dist / "install.yaml").write_text("kind: List\n")
    for name in ("image-linux-amd64", "image-linux-arm64", "chart.oci"):
        write(dist / "sbom" / f"{name}.cdx.json", {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []})
    image = json.loads((dist / "image.oci/index.json").read_bytes())["manifests"][0]
    subjects = [
        {"name": each["mediaType"], "digest": {"sha256": each["digest"].partition(":")[2]}}
        for each in (image, chart, *platforms)
    ]
    predicate: dict[str, Any] = {"buildDefinition": {"buildType": "https://example.com/build"}, "runDetails": {}}
    about = {"image.oci": subjects[:1] + subjects[2:], "chart.oci": subjects[1:2]}
    for path in [path for path in dist.iterdir() if path.is_file()]:
        about[path.name] = [{"name": path.name, "digest": {"sha256": digest(path.read_bytes()).partition(":")[2]}}]
    for name, found in about.items():
        statement = {"_type": STATEMENT, "subject": found, "predicateType": PROVENANCE, "predicate": predicate}
        write(dist / "provenance" / f"{name}.intoto.json", statement)
    sums(dist)
    return dist


def sums(dist: Path) -> None:
    """Writes SHA256SUMS, of every file."""
    paths = sorted(path for path in dist.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(dist)}\n" for path in paths]
    (dist / "SHA256SUMS").write_text("".join(lines))


def an_image(layout: Path, system: str, architecture: str) -> dict[str, Any]:
    """An image of one layer with one file."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        entry = tarfile.TarInfo("architecture")
        entry.size = len(architecture)
        archive.addfile(entry, io.BytesIO(architecture.encode()))
    layer = gzip.compress(content.getvalue(), mtime=0)
    config = {
        "os": system,
        "architecture": architecture,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(content.getvalue())]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": add(layout, config, "application/vnd.oci.image.config.v1+json"),
        "layers": [add(layout, layer, "application/vnd.oci.image.layer.v1.tar+gzip")],
    }
    return add(layout, manifest, MANIFEST) | {"platform": {"os": system, "architecture": architecture}}


def a_chart(dist: Path) -> dict[str, Any]:
    """A chart with nothing but its name, as .tgz and as a layout. Returns the manifest's descriptor."""
    about = {"apiVersion": "v2", "name": "m365-workload-identity", "version": VERSION, "appVersion": VERSION}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        text = json.dumps(about).encode()
        entry = tarfile.TarInfo("m365-workload-identity/Chart.yaml")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    (dist / f"m365-workload-identity-{VERSION}.tgz").write_bytes(content.getvalue())
    layout = dist / "chart.oci"
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": add(layout, about, "application/vnd.cncf.helm.config.v1+json"),
        "layers": [add(layout, content.getvalue(), "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
    }
    found = add(layout, manifest, MANIFEST)
    close(layout, found)
    return found


def add(layout: Path, content: Any, media_type: str) -> dict[str, Any]:
    """Writes a blob, bytes or JSON, and returns its descriptor."""
    written = content if isinstance(content, bytes) else json.dumps(content).encode()
    found = Descriptor.of(written, media_type)
    place = layout / "blobs" / "sha256" / found.hexadecimal
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(written)
    return found.as_json()


def close(layout: Path, root: dict[str, Any]) -> None:
    """Makes a folder of blobs a layout."""
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    write(layout / "index.json", {"schemaVersion": 2, "manifests": [root]})


def write(path: Path, document: Any) -> None:
    """Writes JSON, and the folder if it is missing."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))

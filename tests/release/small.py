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

from tools.release.chart import CONFIG_TYPE, CONTENT_TYPE
from tools.release.oci import CONFIG, INDEX, LAYER, MANIFEST, Descriptor, Layout, digest
from tools.release.statements import PROVENANCE, STATEMENT

PLATFORMS = ("linux/amd64", "linux/arm64")
VERSION = "0.1.0"


def make(dist: Path, wheels: Iterable[Path]) -> Path:
    """Makes the folder, and returns it."""
    dist.mkdir()
    layout = Layout(dist / "image.oci")
    platforms = [an_image(layout, platform) for platform in PLATFORMS]
    entries = [each.as_entry() for each in platforms]
    image = layout.add_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, INDEX)
    layout.close(image)
    chart = a_chart(dist)
    for wheel in wheels:
        shutil.copy(wheel, dist)
    (dist / "install.yaml").write_text("kind: List\n")
    for name in ("image-linux-amd64", "image-linux-arm64", "chart.oci"):
        write(dist / "sbom" / f"{name}.cdx.json", {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []})
    subjects = [
        {"name": each.media_type, "digest": {"sha256": each.hexadecimal}} for each in (image, chart, *platforms)
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


def an_image(layout: Layout, platform: str) -> Descriptor:
    """An image of one layer with one file."""
    system, architecture = platform.split("/")
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        entry = tarfile.TarInfo("architecture")
        entry.size = len(architecture)
        archive.addfile(entry, io.BytesIO(architecture.encode()))
    config = {
        "os": system,
        "architecture": architecture,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(content.getvalue())]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.add_json(config, CONFIG).as_json(),
        "layers": [layout.add(gzip.compress(content.getvalue(), mtime=0), LAYER).as_json()],
    }
    return layout.add_json(manifest, MANIFEST, platform=platform)


def a_chart(dist: Path) -> Descriptor:
    """A chart with nothing but its name, as .tgz and as a layout. Returns its manifest."""
    about = {"apiVersion": "v2", "name": "m365-workload-identity", "version": VERSION, "appVersion": VERSION}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        text = json.dumps(about).encode()
        entry = tarfile.TarInfo("m365-workload-identity/Chart.yaml")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    (dist / f"m365-workload-identity-{VERSION}.tgz").write_bytes(content.getvalue())
    layout = Layout(dist / "chart.oci")
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.add_json(about, CONFIG_TYPE).as_json(),
        "layers": [layout.add(content.getvalue(), CONTENT_TYPE).as_json()],
    }
    found = layout.add_json(manifest, MANIFEST)
    layout.close(found)
    return found


def write(path: Path, document: Any) -> None:
    """Writes JSON, and the folder if it is missing."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))

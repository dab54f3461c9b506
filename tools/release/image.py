"""The image, for each platform, as one index in an OCI layout. buildah builds the Dockerfile, without a registry."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from testbed.node import images
from testbed.node.images import Buildah
from tools.release.oci import INDEX, REFERENCE, Descriptor, Layout
from tools.release.source import Source

__all__ = ["ARCHITECTURES", "build"]

ARCHITECTURES: Final = ("amd64",)


def build(tree: Path, out: Path, source: Source, *, afresh: bool) -> str:
    """Writes `image.oci`, and returns the digest of its index. Raises ClusterError or ReleaseError."""
    layout = Layout(out / "image.oci")
    with images.alone(), tempfile.TemporaryDirectory() as temporary:
        built = [
            _build(tree, Layout(Path(temporary) / architecture), layout, source, architecture, afresh=afresh)
            for architecture in ARCHITECTURES
        ]
    document = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": built,
        "annotations": {
            "org.opencontainers.image.version": source.version,
            "org.opencontainers.image.revision": source.commit,
        },
    }
    index = layout.add_json(document, INDEX)
    layout.close(index | {"annotations": {REFERENCE: source.version}})
    return str(index["digest"])


def _build(tree: Path, part: Layout, whole: Layout, source: Source, architecture: str, *, afresh: bool) -> Descriptor:
    """Builds for one platform, copies the blobs into `whole`, and returns the manifest's descriptor."""
    name = f"localhost/m365wi-release:{architecture}"
    arguments = {"VERSION": source.version, "REVISION": source.commit, "SOURCE_DATE_EPOCH": str(source.epoch)}
    buildah = Buildah()
    buildah.build(name, tree, arguments, afresh=afresh, epoch=source.epoch)
    buildah.push(name, part.folder)
    (entry,) = part.entries()
    manifest = part.document(entry)
    for blob in (entry, manifest["config"], *manifest["layers"]):
        whole.take(part, blob["digest"])
    platform = {"architecture": architecture, "os": "linux"}
    return {key: entry[key] for key in ("mediaType", "digest", "size")} | {"platform": platform}

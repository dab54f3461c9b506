"""OCI image layouts: a folder of blobs by digest, and an index that names the first of them.

https://github.com/opencontainers/image-spec describes the format.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["CONFIG", "INDEX", "LAYER", "MANIFEST", "REFERENCE", "Descriptor", "Layout", "digest"]

INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
REFERENCE: Final = "org.opencontainers.image.ref.name"

Descriptor = dict[str, Any]


def digest(content: bytes) -> str:
    """The digest as OCI writes it: sha256:…"""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Layout:
    """The layout in `folder`."""

    folder: Path

    def add(self, content: bytes, media_type: str, **more: Any) -> Descriptor:
        """Writes a blob, and returns its descriptor, with what `more` adds to it."""
        name = digest(content)
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return {"mediaType": media_type, "digest": name, "size": len(content), **more}

    def add_json(self, document: Mapping[str, Any], media_type: str, **more: Any) -> Descriptor:
        """The same for a document."""
        return self.add(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(), media_type, **more)

    def take(self, other: Layout, name: str) -> None:
        """Copies a blob of another layout."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(other.path(name), path)

    def close(self, *descriptors: Descriptor) -> None:
        """Writes the files that make the folder a layout; `descriptors` are what it is about."""
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(descriptors)}
        (self.folder / "index.json").write_text(json.dumps(document, separators=(",", ":")))

    def path(self, name: str) -> Path:
        """Where the blob with this digest is."""
        return self.folder / "blobs" / name.replace(":", "/")

    def read(self, name: str) -> bytes:
        """The blob with this digest."""
        return self.path(name).read_bytes()

    def document(self, descriptor: Mapping[str, Any]) -> dict[str, Any]:
        """The document of a descriptor."""
        found: dict[str, Any] = json.loads(self.read(descriptor["digest"]))
        return found

    def entries(self) -> Sequence[Descriptor]:
        """What the layout is about."""
        found: list[Descriptor] = json.loads((self.folder / "index.json").read_text())["manifests"]
        return found

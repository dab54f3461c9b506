"""OCI image layouts: a folder of blobs by digest, and an index that names the one that it is about.

Whatever is read is compared with its digest. https://github.com/opencontainers/image-spec describes the format.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["CONFIG", "INDEX", "LAYER", "MANIFEST", "Damaged", "Descriptor", "Layout", "digest"]

INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
REFERENCE: Final = "org.opencontainers.image.ref.name"


class Damaged(Exception):
    """A layout is not what its digests say. The text names the file."""


def digest(content: bytes) -> str:
    """The digest as OCI writes it: sha256:…"""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Descriptor:
    """What OCI knows a manifest or a blob by."""

    media_type: str
    digest: str
    size: int
    platform: str = ""  # OS/ARCHITECTURE, "" for what is for every platform
    reference: str = ""  # the tag that it would have in a registry

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Descriptor:
        """As it stands in a manifest or an index."""
        platform = entry.get("platform") or {}
        named = "/".join(platform[part] for part in ("os", "architecture") if part in platform)
        reference = (entry.get("annotations") or {}).get(REFERENCE, "")
        return cls(entry["mediaType"], entry["digest"], entry["size"], named, reference)

    @property
    def hexadecimal(self) -> str:
        """The digest without its algorithm."""
        return self.digest.partition(":")[2]

    def as_json(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}

    def as_entry(self) -> dict[str, Any]:
        """As it stands in an index, with platform and reference."""
        found = self.as_json()
        if self.platform:
            system, _, architecture = self.platform.partition("/")
            found["platform"] = {"architecture": architecture, "os": system}
        if self.reference:
            found["annotations"] = {REFERENCE: self.reference}
        return found


@dataclass(frozen=True)
class Layout:
    """The layout in `folder`, about one thing: an image, an index or a chart. Reading raises Damaged."""

    folder: Path

    def add(self, content: bytes, media_type: str, *, platform: str = "", reference: str = "") -> Descriptor:
        """Writes a blob."""
        added = Descriptor(media_type, digest(content), len(content), platform, reference)
        self._ready(added).write_bytes(content)
        return added

    def add_json(
        self, document: Mapping[str, Any], media_type: str, *, platform: str = "", reference: str = ""
    ) -> Descriptor:
        """The same for a document. The same content gives the same bytes."""
        content = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        return self.add(content, media_type, platform=platform, reference=reference)

    def take(self, other: Layout, blob: Descriptor) -> None:
        """Copies a blob of another layout."""
        shutil.copyfile(other.path(blob), self._ready(blob))

    def close(self, root: Descriptor) -> None:
        """Writes the files that make the folder a layout, which is about `root`."""
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [root.as_entry()]}
        (self.folder / "index.json").write_text(json.dumps(document, separators=(",", ":")))

    @property
    def root(self) -> Descriptor:
        """What the layout is about. Raises Damaged if that is not one thing."""
        entries = json.loads((self.folder / "index.json").read_bytes())["manifests"]
        if len(entries) != 1:
            raise Damaged(f"{self.folder / 'index.json'} has {len(entries)} entries, expected one")
        return Descriptor.read(entries[0])

    def manifests(self) -> list[Descriptor]:
        """The root, and the manifests that it lists if it is an index."""
        root = self.root
        if root.media_type != INDEX:
            return [root]
        return [root, *(Descriptor.read(each) for each in self.read(root)["manifests"])]

    def path(self, blob: Descriptor) -> Path:
        """Where a blob is."""
        return self.folder / "blobs" / blob.digest.replace(":", "/")

    def blob(self, wanted: Descriptor) -> bytes:
        """The bytes of a manifest or a blob. Raises Damaged if they are missing, or not those of its digest."""
        path = self.path(wanted)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise Damaged(f"{path} is missing") from None
        if (actual := digest(content)) != wanted.digest:
            raise Damaged(f"{path}: its digest is {actual}")
        return content

    def read(self, wanted: Descriptor) -> dict[str, Any]:
        """The document of a manifest, an index or a configuration."""
        found: dict[str, Any] = json.loads(self.blob(wanted))
        return found

    def everything(self) -> Iterator[Descriptor]:
        """Every manifest, and every blob that one of them names, each once."""
        known: set[str] = set()
        for manifest in self.manifests():
            content = self.read(manifest)
            parts = [content.get("config"), *content.get("layers", ())]
            for each in (manifest, *(Descriptor.read(part) for part in parts if part)):
                if each.digest not in known:
                    known.add(each.digest)
                    yield each

    def check(self) -> None:
        """Reads every byte. Raises Damaged if one is not what its digest says."""
        for each in self.everything():
            self.blob(each)

    def _ready(self, blob: Descriptor) -> Path:
        path = self.path(blob)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

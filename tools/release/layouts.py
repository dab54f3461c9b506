"""What an OCI layout such as dist/release/image.oci holds, checked by its digests; and a layout for a signature."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.release import oci
from tools.release.oci import INDEX, digest

__all__ = ["Damaged", "Descriptor", "Layout", "write_one"]


class Damaged(Exception):
    """A layout is not what its digests say. The text names the file."""


@dataclass(frozen=True)
class Descriptor:
    """What OCI knows a manifest or a blob by. `platform` is OS/ARCHITECTURE, "" for what is for every platform."""

    media_type: str
    digest: str
    size: int
    platform: str = ""

    @classmethod
    def of(cls, content: bytes, media_type: str) -> Descriptor:
        """The descriptor of these bytes."""
        return cls(media_type, digest(content), len(content))

    @property
    def hexadecimal(self) -> str:
        """The digest without its algorithm."""
        return self.digest.partition(":")[2]

    def as_json(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class Layout:
    """A folder that is an OCI image layout with one entry, an image, an index or a chart."""

    folder: Path

    @property
    def root(self) -> Descriptor:
        """The one entry. Raises Damaged if it has another number of them."""
        entries = json.loads((self.folder / "index.json").read_bytes())["manifests"]
        if len(entries) != 1:
            raise Damaged(f"{self.folder / 'index.json'} has {len(entries)} entries, expected one")
        return descriptor(entries[0])

    def manifests(self) -> list[Descriptor]:
        """The root, and the manifests that it lists if it is an index."""
        root = self.root
        if root.media_type != INDEX:
            return [root]
        return [root, *(descriptor(each) for each in self.read(root)["manifests"])]

    def read(self, manifest: Descriptor) -> dict[str, Any]:
        """The content of a manifest or an index. Raises Damaged if its digest is another."""
        found: dict[str, Any] = json.loads(self.blob(manifest))
        return found

    def blob(self, wanted: Descriptor) -> bytes:
        """The bytes of a manifest or a blob. Raises Damaged if they are missing, or not those of its digest."""
        path = self.folder / "blobs" / "sha256" / wanted.hexadecimal
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise Damaged(f"{path} is missing") from None
        if (actual := digest(content)) != wanted.digest:
            raise Damaged(f"{path}: its digest is {actual}")
        return content

    def everything(self) -> Iterator[Descriptor]:
        """Every manifest, and every blob that one of them names, each once."""
        known: set[str] = set()
        for manifest in self.manifests():
            content = self.read(manifest)
            parts = [content.get("config"), *content.get("layers", ())]
            for each in (manifest, *(descriptor(part) for part in parts if part)):
                if each.digest not in known:
                    known.add(each.digest)
                    yield each

    def check(self) -> None:
        """Reads every byte. Raises Damaged if one is not what its digest says."""
        for each in self.everything():
            self.blob(each)


def descriptor(entry: Mapping[str, Any]) -> Descriptor:
    """A descriptor as JSON has it."""
    platform = entry.get("platform") or {}
    named = "/".join(platform[part] for part in ("os", "architecture") if part in platform)
    return Descriptor(entry["mediaType"], entry["digest"], entry["size"], named)


def write_one(folder: Path, manifest: Mapping[str, Any], blobs: list[bytes]) -> Descriptor:
    """Writes a layout with one manifest, and returns its descriptor. The same content gives the same bytes."""
    layout = oci.Layout(folder)
    for each in blobs:
        layout.add(each, "")  # the manifest says what it is
    written = layout.add_json(manifest, manifest["mediaType"])
    layout.close(written)
    return descriptor(written)

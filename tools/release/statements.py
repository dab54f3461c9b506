"""What is attested: in-toto statements about one manifest of a registry each, of image and chart; and about files.

    kind        predicate type                           `cosign verify-attestation --type`
    signature   https://sigstore.dev/cosign/sign/v1      (what `cosign verify` looks for)
    sbom        https://cyclonedx.org/bom                cyclonedx
    provenance  https://slsa.dev/provenance/v1           slsaprovenance1

cosign itself makes the same statements if it signs in a registry. Made here, they are signed before there is one, and
go wherever the image goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.release.oci import Descriptor, Layout

__all__ = ["LAYOUTS", "SIGNATURE", "Statement", "about_files", "about_layouts"]

STATEMENT = "https://in-toto.io/Statement/v1"
SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
SBOM = "https://cyclonedx.org/bom"
PROVENANCE = "https://slsa.dev/provenance/v1"
IN_TOTO = ".intoto.json"
LAYOUTS = ("image", "chart")


@dataclass(frozen=True)
class Statement:
    """A statement about one manifest, and the name of the file with its signature."""

    name: str
    content: Mapping[str, Any]


def about_layouts(dist: Path) -> Iterator[Statement]:
    """The statements about every manifest of image.oci and chart.oci in a folder of `make release`.

    Each platform has an SBOM. The index has them all, since most people verify by its digest or by a tag.
    """
    for layout in LAYOUTS:
        manifests = Layout(dist / f"{layout}.oci").manifests()
        named = {name_of(layout, each): each for each in manifests}
        for name, manifest in named.items():
            yield Statement(f"{name}.signature", statement(manifest, SIGNATURE, {}))
            for each in named if manifest is manifests[0] else [name]:
                if found := sbom(dist, each):
                    kind = "sbom" if each == name else f"sbom-{each}"
                    yield Statement(f"{name}.{kind}", statement(manifest, SBOM, json.loads(found.read_bytes())))
            for predicate in provenance(dist, manifest):
                yield Statement(f"{name}.provenance", statement(manifest, PROVENANCE, predicate))


def about_files(dist: Path) -> Iterator[Statement]:
    """The provenance of every file at the top of the folder, as `make release` wrote it."""
    for path in sorted((dist / "provenance").glob(f"*{IN_TOTO}")):
        name = path.name.removesuffix(IN_TOTO)
        if (dist / name).is_file():
            yield Statement(f"{name}.provenance", json.loads(path.read_bytes()))


def sbom(dist: Path, name: str) -> Path | None:
    """The SBOM of a platform's image, or of the chart; None if it is missing."""
    for found in (dist / "sbom" / f"{name}.cdx.json", dist / "sbom" / f"{name}.oci.cdx.json"):
        if found.exists():
            return found
    return None


def name_of(layout: str, manifest: Descriptor) -> str:
    """Such as image, image-linux-amd64 or chart."""
    return "-".join([layout, *filter(None, manifest.platform.split("/"))])


def provenance(dist: Path, manifest: Descriptor) -> Iterator[Any]:
    """The predicates of the statements in `provenance` that have the manifest as a subject."""
    for path in sorted((dist / "provenance").glob(f"*{IN_TOTO}")):
        found = json.loads(path.read_bytes())
        if any(subject["digest"].get("sha256") == manifest.hexadecimal for subject in found["subject"]):
            yield found["predicate"]


def statement(manifest: Descriptor, predicate_type: str, predicate: Any) -> dict[str, Any]:
    """An in-toto statement about one manifest, which it knows by its digest alone: the registry may be any."""
    subject = [{"digest": {"sha256": manifest.hexadecimal}}]
    return {"_type": STATEMENT, "subject": subject, "predicateType": predicate_type, "predicate": predicate}

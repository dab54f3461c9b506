"""Pushes what `make release` made into a registry: the image, the chart, and what was signed about them.

    python -m tools.release.push registry.example.com/team

    registry.example.com/team/m365-workload-identity:1.2.3          the index with the image of each platform
    registry.example.com/team/charts/m365-workload-identity:1.2.3   the chart, for helm install oci://…

The statements of `attestations` go beside what they are about, where cosign finds them. All that arrives has the digest
that it has in dist/release. It may be run again: what is there already stays, and a version that is there with another
digest is never replaced. Passwords are those of `crane auth login`, which reads what `docker login` wrote.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.cluster.build import BuildError
from tools.release import programs
from tools.release.oci import MANIFEST, Damaged, Descriptor, Layout
from tools.release.programs import Failed
from tools.release.sign import ATTESTATIONS, DIST, SUFFIX

__all__ = ["REPOSITORIES", "Pushed", "Refused", "main", "push"]

NAME = "m365-workload-identity"
REPOSITORIES = {"image": NAME, "chart": f"charts/{NAME}"}
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


class Refused(Exception):
    """Something is not pushed. The text says what, and why."""


@dataclass(frozen=True)
class Pushed:
    """One manifest that is in the registry: its repository, its digest, and what it is."""

    repository: str
    digest: str
    what: str

    @property
    def reference(self) -> str:
        """The name by which it is pulled."""
        return f"{self.repository}@{self.digest}"


def push(dist: Path, registry: str) -> Iterator[Pushed]:
    """Pushes everything, and says so of each manifest. Raises Refused, Damaged, Failed or BuildError."""
    layouts = {kind: Layout(dist / f"{kind}.oci") for kind in REPOSITORIES}
    for layout in layouts.values():
        layout.check()
    for kind, layout in layouts.items():
        repository = f"{registry.rstrip('/')}/{REPOSITORIES[kind]}"
        root, tag = layout.root, f"{repository}:{version(layouts['chart'])}"
        if (found := present(layout, tag)) not in ("", root.digest):
            raise Refused(f"{tag} is {found} already, and a release is never replaced. This one is {root.digest}")
        programs.run("crane", "push", layout.folder, tag)
        for manifest in layout.manifests():
            yield arrived(repository, manifest.digest, f"{kind} {manifest.platform}".strip())
            for name, bundle in about(dist / ATTESTATIONS, manifest):
                yield arrived(repository, attach(repository, manifest, bundle), name)


def version(chart: Layout) -> str:
    """The version of the release, as the chart has it."""
    config = chart.read(chart.root)["config"]
    found: str = chart.read(Descriptor.read(config))["version"]
    return found


def present(layout: Layout, tag: str) -> str:
    """The digest of what a tag names, "" if it does not exist.

    Before the first push, registries give different answers: that the name is unknown, or that it is forbidden. So the
    layout is pushed without a tag then, which replaces nothing and makes the repository, and the question is repeated.
    """
    try:
        return digest_in_registry(tag)
    except Failed:
        repository, _, _ = tag.rpartition(":")
        programs.run("crane", "push", layout.folder, f"{repository}@{layout.root.digest}")
        return digest_in_registry(tag)


def digest_in_registry(reference: str) -> str:
    """The digest of what a tag of an existing repository names, "" if it does not exist. Raises Failed."""
    repository, _, tag = reference.rpartition(":")
    tags = programs.run("crane", "ls", repository).split()
    return programs.run("crane", "digest", reference).strip() if tag in tags else ""


def arrived(repository: str, digest: str, what: str) -> Pushed:
    """What is in the registry under a digest, which the registry is asked for. Raises Failed if it is not there."""
    found = Pushed(repository, digest, what)
    if (actual := programs.run("crane", "digest", found.reference).strip()) != digest:
        raise Refused(f"{found.reference}: the registry has {actual}")
    return found


def about(attestations: Path, manifest: Descriptor) -> Iterator[tuple[str, bytes]]:
    """The signed statements about a manifest, by the name of their file."""
    for path in sorted(attestations.glob(f"*{SUFFIX}")):
        content = path.read_bytes()
        if any(each["digest"].get("sha256") == manifest.hexadecimal for each in statement_in(content)["subject"]):
            yield path.name.removesuffix(SUFFIX), content


def statement_in(bundle: bytes) -> dict[str, Any]:
    """The statement that a bundle signs."""
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"]))
    return found


def attach(repository: str, manifest: Descriptor, bundle: bytes) -> str:
    """Puts a bundle beside the manifest that it is about, as cosign does. Returns its digest there."""
    with tempfile.TemporaryDirectory() as folder:
        written = referrer(Path(folder), manifest, bundle)
        programs.run("crane", "push", folder, f"{repository}@{written.digest}")
    return written.digest


def referrer(folder: Path, manifest: Descriptor, bundle: bytes) -> Descriptor:
    """Writes the layout of a manifest that refers to another one, and has a bundle about it.

    It has no time, so that the same bundle is the same manifest, however often it is pushed.
    """
    layout = Layout(folder)
    artefact = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": BUNDLE,
        "config": layout.add(EMPTY, EMPTY_TYPE).as_json(),
        "layers": [layout.add(bundle, BUNDLE).as_json()],
        "subject": manifest.as_json(),
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": statement_in(bundle)["predicateType"],
        },
    }
    written = layout.add_json(artefact, MANIFEST)
    layout.close(written)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring. Exit status 1 if something is not pushed."""
    parser = argparse.ArgumentParser(prog="python -m tools.release.push", description="Push dist/release.")
    parser.add_argument("registry", help="such as registry.example.com/team")
    parser.add_argument("folder", nargs="?", type=Path, default=DIST, help=f"what make release made; default {DIST}")
    options = parser.parse_args(arguments)
    try:
        for each in push(options.folder, options.registry):
            print(f"{each.reference}  {each.what}", flush=True)
    except (Refused, Failed, Damaged, BuildError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The image, for each platform, as one index in an OCI layout.

buildah builds the Dockerfile, without a registry, on bases of Debian's packages (debian.py). Its layers are used as
they are. Its configuration is not: it names the identifiers of images on this machine.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from testbed.cluster.build import cache_root, one_at_a_time
from testbed.node.images import Buildah, secrets
from tools.release import debian
from tools.release.debian import Package
from tools.release.oci import CONFIG, INDEX, MANIFEST, Descriptor, Layout
from tools.release.pins import Pins
from tools.release.source import Source, moment

__all__ = ["ARCHITECTURES", "Built", "Wheel", "build"]

ARCHITECTURES: Final = ("amd64", "arm64")
BASE: Final = ("base-files", "ca-certificates", "libstdc++6", "python3")
BUILD_BASE: Final = (*BASE, "coreutils", "dash", "python3-pip")
NAME: Final = "localhost/m365wi-release"


@dataclass(frozen=True)
class Wheel:
    """A wheel that is in the image."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Built:
    """The image, and what it was built from."""

    digest: str  # of the index
    packages: Mapping[str, list[Package]]  # Debian's, of the base of each architecture
    build_packages: list[Package]  # Debian's, of the base on which the build runs
    wheels: Mapping[str, list[Wheel]]

    def all_packages(self) -> list[list[Package]]:
        """Debian's, of every base."""
        return [self.build_packages, *self.packages.values()]


def build(tree: Path, out: Path, source: Source, *, exactly: Pins | None = None) -> Built:
    """Writes `image.oci`, with exactly these packages of Debian or with the newest. ClusterError or ReleaseError."""
    layout = Layout(out / "image.oci")
    packages, wheels, built = {}, {}, []
    with tempfile.TemporaryDirectory(dir=out.parent) as temporary, _store() as buildah:
        workshop = Workshop(tree, Path(temporary), source, buildah, exactly)
        build_packages = workshop.base("build", BUILD_BASE, "amd64")
        for architecture in ARCHITECTURES:
            packages[architecture] = workshop.base(architecture, BASE, architecture)
            built.append(workshop.image(architecture, layout))
            wheels[architecture] = workshop.wheels(architecture)
    about = {"version": source.version, "revision": source.commit, "created": moment(source)}
    document = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [each.as_entry() for each in built],
        "annotations": {f"org.opencontainers.image.{name}": value for name, value in about.items()},
    }
    index = layout.add_json(document, INDEX, reference=source.version)
    layout.close(index)
    return Built(index.digest, packages, build_packages, wheels)


@contextmanager
def _store() -> Iterator[Buildah]:
    """buildah with an empty store, for one release at a time. Nothing of an earlier one is used, and nothing stays."""
    cache_root().mkdir(parents=True, exist_ok=True)
    with one_at_a_time(cache_root() / "release.lock", report=_say):
        buildah = Buildah(cache_root() / "release")
        _empty(buildah)
        try:
            yield buildah
        finally:
            _empty(buildah)


def _say(line: str) -> None:
    """A line of progress, at once."""
    print(f"release: {line}", file=sys.stderr, flush=True)


def _empty(buildah: Buildah) -> None:
    buildah.run("rm", "--all")
    buildah.run("rmi", "--all", "--force")


class Workshop:
    """buildah, and an empty folder for what is between its steps."""

    def __init__(self, tree: Path, folder: Path, source: Source, buildah: Buildah, exactly: Pins | None = None) -> None:
        self._tree, self._folder, self._source, self._buildah = tree, folder, source, buildah
        self._exactly = exactly

    def base(self, name: str, packages: tuple[str, ...], architecture: str) -> list[Package]:
        """Makes the image `name` of Debian's packages."""
        _say(f"image: unpacking Debian's packages for {architecture}")
        root = self._folder / f"{name}.root"
        found = debian.unpack(root, packages, architecture=architecture, exactly=self._exactly)
        container = self._buildah.run("from", "--arch", architecture, "scratch").strip()
        self._buildah.run("add", "--quiet", container, str(root), "/")
        self._buildah.run("config", "--arch", architecture, "--os", "linux", container)
        self._buildah.run("commit", "--quiet", "--rm", container, f"{NAME}-base:{name}")
        return found

    def image(self, architecture: str, whole: Layout) -> Descriptor:
        """Builds the image, copies its layers into `whole`, and returns the descriptor of its manifest."""
        _say(f"image: building for {architecture}")
        self._build(architecture)
        part = Layout(self._folder / architecture)
        self._buildah.run("push", "--quiet", f"{NAME}:{architecture}", f"oci:{part.folder}")
        manifest = part.read(part.root)
        for layer in manifest["layers"]:
            whole.take(part, Descriptor.read(layer))
        config = self._configuration(part.read(Descriptor.read(manifest["config"])), architecture)
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": whole.add_json(config, CONFIG).as_json(),
            "layers": manifest["layers"],
        }
        return whole.add_json(document, MANIFEST, platform=f"linux/{architecture}")

    def _configuration(self, made: Mapping[str, Any], architecture: str) -> dict[str, Any]:
        labels = {name: text for name, text in made["config"]["Labels"].items() if "buildah" not in name}
        steps = [step for step in made["history"] if not step.get("empty_layer")]
        return {
            "created": moment(self._source),
            "architecture": architecture,
            "os": "linux",
            "config": {**made["config"], "Labels": labels},
            "rootfs": made["rootfs"],
            "history": [{"created": moment(self._source), "created_by": "Dockerfile"} for _ in steps],
        }

    def wheels(self, architecture: str) -> list[Wheel]:
        """What pip installed for the image."""
        report = json.loads((self._report(architecture) / "installed.json").read_text(encoding="utf-8"))
        found = (package["download_info"] for package in report["install"])
        wheels = [Wheel(one["url"].rpartition("/")[2], one["archive_info"]["hashes"]["sha256"]) for one in found]
        return sorted(wheels, key=lambda wheel: wheel.file.lower())

    def _build(self, architecture: str) -> None:
        """Without the steps of the other platform: to buildah, a step with other arguments may be the same."""
        build_arguments = {
            "BASE": f"{NAME}-base:{architecture}",
            "BUILD_BASE": f"{NAME}-base:build",
            "VERSION": self._source.version,
            "REVISION": self._source.commit,
            "SOURCE_DATE_EPOCH": str(self._source.epoch),
        }
        self._report(architecture).mkdir()
        arguments = [part for key, value in build_arguments.items() for part in ("--build-arg", f"{key}={value}")]
        kept = ["--layers", "--no-cache", "--volume", f"{self._report(architecture)}:/build/report"]
        options = [*kept, "--network=host", f"--timestamp={self._source.epoch}", *secrets(), *arguments]
        # Without --platform, which buildah 1.28 asks of the base of every stage; `_configuration` writes the platform.
        self._buildah.run("build", "--tag", f"{NAME}:{architecture}", *options, str(self._tree))

    def _report(self, architecture: str) -> Path:
        return self._folder / f"{architecture}.report"

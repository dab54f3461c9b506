"""What a registry has of a whole release is what its signed bill of materials says."""

from __future__ import annotations

import base64
import email.parser
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.registry.isolated_network import NAME, IsolatedNetwork
from tests.release.keys import Keys
from tests.release.test_registry import IMAGE, push
from tools.release.oci import Layout

pytestmark = [pytest.mark.release, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def pushed(isle: IsolatedNetwork, published: Path) -> Path:
    """The release, in the registry."""
    push(isle, published, "whole")
    return published


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_the_sbom_is_what_was_pulled(
    isle: IsolatedNetwork, pushed: Path, keys: Keys, tmp_path: Path, platform: str
) -> None:
    """The one that is signed about this platform has each package of the image in the registry, and no other.

    What is inside of wheels is in tests/release/test_contents.py.
    """
    (manifest,) = [each for each in Layout(pushed / "image.oci").manifests() if each.platform == platform]
    image = f"{NAME}/whole/{IMAGE}@{manifest.digest}"
    by: list[str | Path] = ["--key", keys.public, "--insecure-ignore-tlog", "--type", "cyclonedx"]
    attested = json.loads(isle.run("cosign", "verify-attestation", *by, image).stdout)
    bom = json.loads(base64.b64decode(attested["payload"]))["predicate"]
    packages = [one for one in bom["components"] if one.get("purl", "").startswith(("pkg:pypi/", "pkg:deb/"))]
    told = {(named(one["name"], python="pkg:pypi/" in one["purl"]), one["version"]) for one in packages}
    assert isle.run("crane", "export", image, tmp_path / "image.tar").returncode == 0
    with tarfile.open(tmp_path / "image.tar") as archive:
        found = {*packages_of(archive)}
    assert {name for name, _ in found} >= {"aiohttp", "libc6"}
    assert told == found


def packages_of(image: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    """Name and version of every package that the files themselves tell of: Python's metadata, and dpkg's records."""
    for entry in image:
        python = re.search(r"\.dist-info/METADATA$", entry.name)
        if not entry.isfile() or not (python or "var/lib/dpkg/status.d/" in entry.name):
            continue
        file = image.extractfile(entry)
        assert file is not None
        about = email.parser.BytesHeaderParser().parse(file)
        if name := about["Name" if python else "Package"]:
            yield named(name, python=bool(python)), about["Version"]


def named(name: str, *, python: bool) -> str:
    """The name of a package, in the one form that Python's may have."""
    return re.sub(r"[-_.]+", "-", name).lower() if python else name

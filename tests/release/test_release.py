"""What `make release` makes, as a whole, and that it makes the same again."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from testbed.chart import helm
from tests.release.made import make
from tools.release.oci import INDEX, Descriptor, Layout
from tools.release.source import ROOT

pytestmark = pytest.mark.release


def test_made_again_elsewhere_every_byte_is_the_same(repository: Path, released: Path, tmp_path: Path) -> None:
    """In another folder, later, with another umask, language and time zone."""
    elsewhere = {"TZ": "Pacific/Apia", "LC_ALL": "POSIX"}
    again = make(repository, tmp_path / "elsewhere", umask=0o077, variables=elsewhere)
    assert (again / "SHA256SUMS").read_text() == (released / "SHA256SUMS").read_text()
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=again, check=True)


def test_the_sums_are_of_every_file(released: Path) -> None:
    """So that nothing can be added, either."""
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=released, check=True)
    listed = {line.split("  ", 1)[1] for line in (released / "SHA256SUMS").read_text().splitlines()}
    assert listed == {
        path.relative_to(released).as_posix()
        for path in released.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }


def test_the_folder_has_what_is_published(released: Path) -> None:
    """Nothing more; every artefact has a bill and a statement."""
    assert {path.name for path in released.iterdir()} == {
        "SHA256SUMS",
        "chart.oci",
        "image.oci",
        "install-cluster.yaml",
        "install-namespace-label.yaml",
        "install.yaml",
        "m365-workload-identity-0.1.0.tgz",
        "m365_workload_identity-0.1.0-py3-none-any.whl",
        "m365_workload_identity-0.1.0.tar.gz",
        "m365wi-0.1.0-py3-none-any.whl",
        "m365wi-0.1.0.tar.gz",
        "provenance",
        "sbom",
    }
    artefacts = {path.name for path in released.iterdir()} - {"SHA256SUMS", "provenance", "sbom"}
    statements = {path.name.removesuffix(".intoto.json") for path in (released / "provenance").iterdir()}
    bills = {path.name.removesuffix(".cdx.json") for path in (released / "sbom").iterdir()}
    assert statements == artefacts
    assert bills == artefacts - {"image.oci"} | {"image-linux-amd64", "image-linux-arm64"}


def test_everything_can_be_read_by_everybody(released: Path) -> None:
    """Whatever the umask of who made it."""
    modes = {stat.S_IMODE(path.stat().st_mode) for path in released.rglob("*") if path.is_file()}
    assert modes == {0o644}


def test_the_image_is_one_index_of_two_platforms(released: Path) -> None:
    """The index names each blob in the folder by its digest and size."""
    layout = Layout(released / "image.oci")
    root = layout.root
    assert root.media_type == INDEX
    parts = layout.read(root)["manifests"]
    assert [part["platform"] for part in parts] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
    ]
    seen = {root.digest: root.size}
    for part in parts:
        manifest = layout.read(Descriptor.read(part))
        config = layout.read(Descriptor.read(manifest["config"]))
        assert config["architecture"] == part["platform"]["architecture"]
        assert config["created"] == layout.read(root)["annotations"]["org.opencontainers.image.created"]
        assert config["config"]["Labels"]["org.opencontainers.image.version"] == "0.1.0"
        assert re.fullmatch("[0-9a-f]{40}", config["config"]["Labels"]["org.opencontainers.image.revision"])
        assert config["config"]["User"] == "65532:65532"
        assert config["config"]["Entrypoint"] == ["m365-webhook"]
        assert len(config["rootfs"]["diff_ids"]) == len(manifest["layers"]) == 2
        seen |= {blob["digest"]: blob["size"] for blob in (part, manifest["config"], *manifest["layers"])}
    blobs = {f"sha256:{path.name}": path for path in (released / "image.oci/blobs/sha256").iterdir()}
    assert seen == {digest: path.stat().st_size for digest, path in blobs.items()}
    for digest, path in blobs.items():
        assert digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_chart_and_manifests_install_the_index(released: Path) -> None:
    """By its digest: then another image cannot take its place."""
    image = f"m365-workload-identity@{Layout(released / 'image.oci').root.digest}"
    assert f"image: {image}\n" in helm.render(chart=released / "m365-workload-identity-0.1.0.tgz")
    for path in released.glob("install*.yaml"):
        images = {
            container["image"]
            for document in yaml.safe_load_all(path.read_text())
            if document["kind"] == "Deployment"
            for container in document["spec"]["template"]["spec"]["containers"]
        }
        assert images == {image}


def test_the_bills_meet_the_schema(released: Path) -> None:
    """CycloneDX 1.6, each about its artefact, by digest."""
    for path in (released / "sbom").iterdir():
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text()) is None
        bill = json.loads(path.read_text())
        assert bill["specVersion"] == "1.6"
        artefact = released / path.name.removesuffix(".cdx.json")
        if artefact.is_file():
            (sha256,) = bill["metadata"]["component"]["hashes"]
            assert sha256 == {"alg": "SHA-256", "content": hashlib.sha256(artefact.read_bytes()).hexdigest()}


def test_the_statements_are_of_slsa(released: Path) -> None:
    """Subjects by digest; the commit; for the image, every wheel and every package of Debian."""
    for path in (released / "provenance").iterdir():
        statement = json.loads(path.read_text())
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
        artefact = released / path.name.removesuffix(".intoto.json")
        if artefact.is_file():
            sha256 = hashlib.sha256(artefact.read_bytes()).hexdigest()
            assert statement["subject"] == [{"name": artefact.name, "digest": {"sha256": sha256}}]
        definition = statement["predicate"]["buildDefinition"]
        assert definition["externalParameters"]["snapshot"] is False
        first = definition["resolvedDependencies"][0]
        assert first["name"] == "source"
        assert re.fullmatch("[0-9a-f]{40}", first["digest"]["gitCommit"])
        assert statement["predicate"]["runDetails"]["builder"]["id"]


def test_the_image_is_made_of_locked_wheels_only(released: Path) -> None:
    """Each wheel in the provenance has a digest of requirements.txt; Debian's packages have one, too."""
    statement = json.loads((released / "provenance/image.oci.intoto.json").read_text())
    names = [subject["name"] for subject in statement["subject"]]
    assert names == ["image.oci", "image.oci linux/amd64", "image.oci linux/arm64"]
    found = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    locked = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", (ROOT / "requirements.txt").read_text()))
    wheels = [one for one in found if one["name"] == "wheel"]
    assert {one["digest"]["sha256"] for one in wheels} <= locked
    assert any("aarch64.whl" in one["uri"] for one in wheels)
    assert any("x86_64.whl" in one["uri"] for one in wheels)
    base = [one for one in found if one["name"] == "base"]
    assert any(one["uri"].startswith("pkg:deb/debian/libssl3t64@") for one in base)
    assert all(re.fullmatch("[0-9a-f]{64}", one["digest"]["sha256"]) for one in base)

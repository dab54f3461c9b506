"""Bills of materials, provenance, checksums and the last words, of a release that holds next to nothing."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packageurl import PackageURL

from tools.release import bills, checksums, contents, provenance, report
from tools.release.archives import tar_gz
from tools.release.contents import PythonPackage
from tools.release.debian import Package
from tools.release.errors import ReleaseError
from tools.release.image import Built, Wheel
from tools.release.oci import CONFIG, INDEX, LAYER, MANIFEST, Layout
from tools.release.source import Source

pytestmark = pytest.mark.slow  # buildah says its version

SOURCE = Source("0.1.0", "c" * 40, 1767323045, dirty=False, tagged=True)
REPOSITORY = "registry.example.com/team/m365-workload-identity"
PACKAGES = "opt/m365wi/lib/python3.13/site-packages"
IMAGE = {
    f"{PACKAGES}/Flask-3.1.3.dist-info/METADATA": (
        "Metadata-Version: 2.4\nName: Flask\nVersion: 3.1.3\nSummary: A framework\nLicense-Expression: BSD-3-Clause\n"
        "Requires-Dist: click>=8\nRequires-Dist: python-dotenv; extra == 'dotenv'\n\nLicense: not this\n"
    ),
    f"{PACKAGES}/click-8.5.1.dist-info/METADATA": (
        "Metadata-Version: 2.1\nName: click\nVersion: 8.5.1\nClassifier: License :: OSI Approved :: BSD License\n"
    ),
    "var/lib/dpkg/status.d/libssl3t64": (
        "Package: libssl3t64\nStatus: install ok installed\nSource: openssl\nVersion: 3.5.9-1~deb13u1\n"
        "Architecture: amd64\n"
        "Depends: libc6 (>= 2.34), openssl-provider-legacy\nDescription: TLS\n of the project\n"
    ),
    "var/lib/dpkg/status.d/libssl3t64.md5sums": "",
    "usr/share/doc/libssl3t64/copyright": "Format: 1.0\nLicense: Apache-2.0\nLicense: Artistic or GPL-1+\n",
    "var/lib/dpkg/status.d/libc6": "Package: libc6\nVersion: 2.41-12+deb13u5\nArchitecture: amd64\nDescription: C\n",
    "usr/share/doc/libc6/copyright": "Free software.\nLicense: a sentence of a text\n",
}
WHEEL_METADATA = (
    "Metadata-Version: 2.4\nName: m365wi\nVersion: 0.1.0\nRequires-Dist: pyyaml>=6\n"
    "Requires-Dist: flask>=3; extra == 'serve'\n"
)
BUILT = {
    "packages": [
        Package("libc6", "2.41-12+deb13u5", "amd64", "glibc", "a" * 64),
        Package("libssl3t64", "3.5.9-1~deb13u1", "amd64", "openssl", "b" * 64),
    ],
    "wheels": [
        Wheel("click-8.5.1-py3-none-any.whl", "d" * 64),
        Wheel("flask-3.1.3-py3-none-any.whl", "e" * 64),
    ],
}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder of that release."""
    layout = Layout(tmp_path / "image.oci")
    layer = tar_gz({name: text.encode() for name, text in IMAGE.items()}, epoch=0)
    document = {"config": layout.add(b"{}", CONFIG).as_json(), "layers": [layout.add(layer, LAYER).as_json()]}
    manifest = layout.add_json(document, MANIFEST, platform="linux/amd64")
    layout.close(layout.add_json({"manifests": [manifest.as_entry()]}, INDEX))
    chart = Layout(tmp_path / "chart.oci")
    chart.close(chart.add_json({"layers": []}, MANIFEST))
    (tmp_path / "m365-workload-identity-0.1.0.tgz").write_bytes(b"chart")
    (tmp_path / "install.yaml").write_text("manifests")
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("m365wi-0.1.0.dist-info/METADATA", WHEEL_METADATA)
    (tmp_path / "m365wi-0.1.0-py3-none-any.whl").write_bytes(wheel.getvalue())
    sdist = tar_gz({"m365wi-0.1.0/PKG-INFO": WHEEL_METADATA.encode()}, epoch=0)
    (tmp_path / "m365wi-0.1.0.tar.gz").write_bytes(sdist)
    return tmp_path


@pytest.fixture
def built(out: Path) -> Built:
    """What its image was built from."""
    index = Layout(out / "image.oci").root
    base = [Package("dash", "0.5", "amd64", "dash", "f" * 64)]
    return Built(index.digest, {"amd64": BUILT["packages"]}, base, {"amd64": BUILT["wheels"]})  # type: ignore[dict-item]


def bill(out: Path, name: str) -> dict[str, Any]:
    """One bill of materials."""
    found: dict[str, Any] = json.loads((out / "sbom" / f"{name}.cdx.json").read_text())
    return found


def test_the_bill_of_the_image_has_what_its_layers_have(out: Path, built: Built) -> None:
    """Versions, licences by SPDX's identifier if they have one, digests, package URLs, and who needs whom."""
    bills.write(out, SOURCE, built, repository=REPOSITORY)
    found = bill(out, "image-linux-amd64")
    _, manifest = Layout(out / "image.oci").manifests()
    assert found["metadata"]["timestamp"] == "2026-01-02T03:04:05+00:00"
    assert found["metadata"]["component"]["hashes"][0]["content"] == manifest.hexadecimal
    parts = {part["name"]: part for part in found["components"]}
    assert {name: part["purl"] for name, part in parts.items()} == {
        "Flask": "pkg:pypi/flask@3.1.3",
        "click": "pkg:pypi/click@8.5.1",
        "libc6": "pkg:deb/debian/libc6@2.41-12%2Bdeb13u5?arch=amd64&distro=trixie",
        "libssl3t64": "pkg:deb/debian/libssl3t64@3.5.9-1~deb13u1?arch=amd64&distro=trixie&upstream=openssl",
    }
    assert {name: part["hashes"][0]["content"][0] for name, part in parts.items()} == {
        "Flask": "e",
        "click": "d",
        "libc6": "a",
        "libssl3t64": "b",
    }
    assert parts["Flask"]["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]
    assert parts["click"]["licenses"] == [{"license": {"name": "BSD License"}}]
    assert parts["libc6"]["licenses"] == [{"license": {"name": "as in /usr/share/doc/libc6/copyright"}}]
    named = [{"license": {"id": "Apache-2.0"}}, {"license": {"name": "Artistic or GPL-1+"}}]
    assert sorted(parts["libssl3t64"]["licenses"], key=str) == sorted(named, key=str)
    needs = {one["ref"]: one.get("dependsOn", []) for one in found["dependencies"]}
    assert needs["pypi:flask"] == ["pypi:click"]
    assert needs["deb:libssl3t64"] == ["deb:libc6"]
    assert len(needs["image"]) == 4


def test_the_bills_of_distributions_have_what_they_require(out: Path, built: Built) -> None:
    """Wheel and sdist the same; what only an extra brings is optional."""
    bills.write(out, SOURCE, built, repository=REPOSITORY)
    for name in ("m365wi-0.1.0-py3-none-any.whl", "m365wi-0.1.0.tar.gz"):
        found = bill(out, name)
        assert found["metadata"]["component"]["purl"] == f"pkg:pypi/m365wi@0.1.0?file_name={name}"
        wanted = {part["name"]: (part["scope"], part["properties"][0]["value"]) for part in found["components"]}
        assert wanted == {"pyyaml": ("required", "pyyaml>=6"), "flask": ("optional", "flask>=3; extra == 'serve'")}


def test_the_bills_of_chart_and_manifests_have_the_image(out: Path, built: Built) -> None:
    """By the digest of its index, and where it is."""
    bills.write(out, SOURCE, built, repository=REPOSITORY)
    for name in ("m365-workload-identity-0.1.0.tgz", "chart.oci", "install.yaml"):
        (part,) = bill(out, name)["components"]
        found = PackageURL.from_string(part["purl"])
        assert (found.type, found.name, found.version) == ("oci", "m365-workload-identity", built.digest)
        assert found.qualifiers == {"repository_url": REPOSITORY}


def test_a_bill_that_does_not_meet_the_schema_is_refused(
    out: Path, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else could read it."""
    monkeypatch.setattr("tools.release.sbom.JsonV1Dot6.output_as_string", lambda *_, **__: '{"components": 1}')
    with pytest.raises(ReleaseError, match="image-linux-amd64 does not meet the schema"):
        bills.write(out, SOURCE, built, repository=REPOSITORY)


def test_each_artefact_has_a_statement(out: Path, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its digest, the commit, and what else it was made of."""
    for name in ("GITHUB_WORKFLOW_REF", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    provenance.write(out, SOURCE, built, repository=REPOSITORY)
    statements = {path.name: json.loads(path.read_text()) for path in (out / "provenance").iterdir()}
    assert len(statements) == 6
    wheel = statements["m365wi-0.1.0-py3-none-any.whl.intoto.json"]
    sha256 = hashlib.sha256((out / "m365wi-0.1.0-py3-none-any.whl").read_bytes()).hexdigest()
    assert wheel["subject"] == [{"name": "m365wi-0.1.0-py3-none-any.whl", "digest": {"sha256": sha256}}]
    definition = wheel["predicate"]["buildDefinition"]
    commit = {"name": "source", "digest": {"gitCommit": "c" * 40}}
    assert definition["resolvedDependencies"] == [commit]
    assert definition["externalParameters"] == {"version": "0.1.0", "repository": REPOSITORY, "snapshot": False}
    assert wheel["predicate"]["runDetails"] == {"builder": {"id": provenance.LOCAL}}
    image = statements["image.oci.intoto.json"]
    assert [one["name"] for one in image["subject"]] == ["image.oci", "image.oci linux/amd64"]
    used = {one.get("uri"): one["digest"] for one in image["predicate"]["buildDefinition"]["resolvedDependencies"]}
    assert used["pkg:pypi/click@8.5.1?file_name=click-8.5.1-py3-none-any.whl"] == {"sha256": "d" * 64}
    assert used["pkg:deb/debian/dash@0.5?arch=amd64&distro=trixie"] == {"sha256": "f" * 64}
    assert len(used) == 6
    chart = statements["chart.oci.intoto.json"]["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert chart[1]["digest"] == {"sha256": built.digest.removeprefix("sha256:")}


def test_a_workflow_is_named_as_the_builder(out: Path, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the address of the repository with the commit."""
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.example.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/repository")
    monkeypatch.setenv("GITHUB_WORKFLOW_REF", "team/repository/.github/workflows/release.yml@refs/tags/v0.1.0")
    provenance.write(out, SOURCE, built, repository=REPOSITORY)
    predicate = json.loads((out / "provenance/install.yaml.intoto.json").read_text())["predicate"]
    workflow = "https://git.example.com/team/repository/.github/workflows/release.yml@refs/tags/v0.1.0"
    assert predicate["runDetails"]["builder"]["id"] == workflow
    uri = predicate["buildDefinition"]["resolvedDependencies"][0]["uri"]
    assert uri == "git+https://git.example.com/team/repository"


def test_the_sums_and_the_last_words_name_everything(out: Path) -> None:
    """A layout by the digest of what it is about; a snapshot is called one."""
    checksums.write(out)
    sums = (out / "SHA256SUMS").read_text()
    assert f"{hashlib.sha256(b'chart').hexdigest()}  m365-workload-identity-0.1.0.tgz\n" in sums
    assert "  image.oci/index.json\n" in sums
    said = report.describe(out, SOURCE)
    index = Layout(out / "image.oci").root
    assert said.startswith("Release 0.1.0 of commit cccccccccccc, in ")
    assert index.digest in said
    assert "make release-sign" in said
    assert "docs/verify.md" in said
    snapshot = report.describe(out, Source("0.1.0", "c" * 40, 0, dirty=True, tagged=False))
    assert snapshot.startswith("Snapshot, which is never published: 0.1.0 of commit cccccccccccc with changes")


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT\nLicense: other\n", "MIT"),
        ("License: Apache 2.0\nClassifier: License :: OSI Approved :: MIT License\n", "Apache 2.0"),
        ("License: a text\n  of lines\nClassifier: License :: OSI Approved :: MIT License\n", "MIT License"),
        ("Classifier: License :: OSI Approved :: A\nClassifier: License :: OSI Approved :: B\n", "A and B"),
        ("Classifier: Topic :: Software\n", None),
    ],
)
def test_licences_are_read_as_old_and_new_metadata_have_them(metadata: str, licence: str | None) -> None:
    """The expression first; a text is not a name."""
    assert PythonPackage.read(f"Name: x\nVersion: 1\n{metadata}").licence == licence


def test_a_folder_of_licences_may_be_a_link() -> None:
    """libstdc++6 has those of gcc-14-base."""
    image = contents.Image({"usr/share/doc/gcc/copyright": b"free"}, {"usr/share/doc/libgcc": "gcc"})
    assert image.licences_of("libgcc") == "free"

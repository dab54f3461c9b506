"""The released chart: it names the image by its digest, and Helm reads it from the archive and from the layout."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml

from testbed.chart import helm
from testbed.cluster.registration import PLAIN
from tools.release import chart
from tools.release.errors import ReleaseError
from tools.release.oci import MANIFEST, Descriptor, Layout, digest
from tools.release.source import Source

pytestmark = pytest.mark.slow

SOURCE = Source("0.1.0", "c" * 40, 1767323045, dirty=False, tagged=True)
REPOSITORY, DIGEST = "registry.example.com/m365-workload-identity", f"sha256:{'d' * 64}"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Our chart, with the image's digest."""
    folder = tmp_path / "chart"
    shutil.copytree(helm.CHART, folder)
    chart.set_image(folder, repository=REPOSITORY, digest=DIGEST)
    return folder


def test_the_archive_installs_the_image_by_its_digest(tree: Path, tmp_path: Path) -> None:
    """Everything else is what our chart renders."""
    archive = chart.build(tree, tmp_path, SOURCE)
    rendered = helm.render(chart=archive)
    expected = helm.render({"image": {"repository": REPOSITORY, "digest": DIGEST}})
    assert f"image: {REPOSITORY}@{DIGEST}\n" in rendered
    assert rendered == expected


def test_the_archive_has_what_helm_package_packs(tree: Path, tmp_path: Path) -> None:
    """The same files; Helm writes the time of packing into them, we the time of the commit."""
    archive = chart.build(tree, tmp_path, SOURCE)
    (tmp_path / "theirs").mkdir()
    helm.helm("package", str(tree), "--destination", str(tmp_path / "theirs"))
    with tarfile.open(archive) as ours, tarfile.open(tmp_path / "theirs" / archive.name) as theirs:
        assert ours.getnames() == theirs.getnames()
        assert ours.getnames()[0] == "m365-workload-identity/Chart.yaml"
        assert {entry.mtime for entry in ours} == {SOURCE.epoch}


def test_packed_again_the_archive_is_the_same(tree: Path, tmp_path: Path) -> None:
    """Whatever the times and modes of the files, and the order of the folder."""
    first = chart.build(tree, tmp_path, SOURCE).read_bytes()
    (tmp_path / "again").mkdir()
    for path in tree.rglob("*.yaml"):
        path.touch()
        path.chmod(0o600)
    assert chart.build(tree, tmp_path / "again", SOURCE).read_bytes() == first
    index = "chart.oci/index.json"
    assert (tmp_path / "again" / index).read_bytes() == (tmp_path / index).read_bytes()


def test_the_layout_is_what_helm_push_makes(tree: Path, tmp_path: Path) -> None:
    """Media types, a configuration with the text of Chart.yaml, and the archive as the only layer."""
    archive = chart.build(tree, tmp_path, SOURCE)
    layout = Layout(tmp_path / "chart.oci")
    assert layout.root.media_type == MANIFEST
    manifest = layout.read(layout.root)
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.helm.config.v1+json"
    assert layout.read(Descriptor.read(manifest["config"])) == yaml.safe_load((tree / "Chart.yaml").read_text())
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    assert layer["digest"] == digest(archive.read_bytes())
    assert manifest["annotations"]["org.opencontainers.image.version"] == "0.1.0"
    assert manifest["annotations"]["org.opencontainers.image.created"] == "2026-01-02T03:04:05Z"


def test_the_plain_manifests_have_the_digest(tree: Path, tmp_path: Path) -> None:
    """One file for each scope, with the same objects as in the repository."""
    for path in chart.plain(tree, tmp_path, SOURCE):
        ours = path.read_text().replace(f"{REPOSITORY}@{DIGEST}", "m365-workload-identity:0.1.0")
        assert f"{REPOSITORY}@{DIGEST}" in path.read_text()
        assert [*yaml.safe_load_all(ours)] == [*yaml.safe_load_all((helm.CHART.parent / path.name).read_text())]
    assert {path.name for path in tmp_path.glob("install*.yaml")} == set(PLAIN.values())


def test_values_of_another_form_are_refused(tmp_path: Path) -> None:
    """A chart without a place for the digest must not be released."""
    (tmp_path / "values.yaml").write_text("image:\n  repository: m365-workload-identity\n")
    with pytest.raises(ReleaseError, match=r"image\.digest"):
        chart.set_image(tmp_path, repository=REPOSITORY, digest=DIGEST)


def test_a_chart_that_helm_refuses_is_not_released(tree: Path, tmp_path: Path) -> None:
    """The refusal is Helm's."""
    (tree / "templates/broken.yaml").write_text("{{ .Values.nothing.at.all }}")
    with pytest.raises(ReleaseError, match="Helm refuses m365-workload-identity-0"):
        chart.build(tree, tmp_path, SOURCE)


def test_the_archive_is_readable_by_everybody(tree: Path, tmp_path: Path) -> None:
    """And belongs to root, whoever packs."""
    archive = chart.build(tree, tmp_path, SOURCE)
    with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as packed:
        assert {(entry.mode, entry.uid, entry.gid, entry.uname) for entry in packed} == {(0o644, 0, 0, "")}

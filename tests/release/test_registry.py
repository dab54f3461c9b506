"""What is pushed arrives with its digests, may be pushed again, and is never replaced."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from testbed.registry.isolated_network import NAME, IsolatedNetwork
from tests.release import small
from tools.release.oci import Damaged, Layout

pytestmark = [pytest.mark.release, pytest.mark.slow]

IMAGE, CHART = "m365-workload-identity", "charts/m365-workload-identity"


def push(isle: IsolatedNetwork, dist: Path, to: str) -> list[str]:
    """The references that the command prints."""
    done = isle.run(sys.executable, "-m", "tools.release.push", f"{NAME}/{to}", dist)
    assert done.returncode == 0, done.stderr
    return [line.split()[0] for line in done.stdout.splitlines()]


def refused(isle: IsolatedNetwork, dist: Path, to: str) -> str:
    """The reason for which the command pushes nothing more."""
    done = isle.run(sys.executable, "-m", "tools.release.push", f"{NAME}/{to}", dist)
    assert done.returncode == 1, done.stdout
    return done.stderr


def tags(isle: IsolatedNetwork, repository: str) -> set[str]:
    return set(isle.run("crane", "ls", f"{NAME}/{repository}").stdout.split())


def test_everything_arrives_with_its_digest(isle: IsolatedNetwork, signed: Path) -> None:
    """Index, platforms, chart, and beside each of them what was signed about it."""
    pushed = push(isle, signed, "arrives")
    wanted = {
        f"{NAME}/arrives/{repository}@{manifest.digest}"
        for repository, layout in ((IMAGE, "image.oci"), (CHART, "chart.oci"))
        for manifest in Layout(signed / layout).manifests()
    }
    assert wanted <= set(pushed)
    about = [path for path in (signed / "attestations").iterdir() if path.name.startswith(("image", "chart"))]
    assert len(pushed) == len(wanted) + len(about)
    for reference in pushed:
        found = isle.run("crane", "digest", reference)
        assert found.stdout.strip() == reference.partition("@")[2], found.stderr
    index = Layout(signed / "image.oci").root
    assert isle.run("crane", "digest", f"{NAME}/arrives/{IMAGE}:0.1.0").stdout.strip() == index.digest
    for repository in (IMAGE, CHART):
        valid = isle.run("crane", "validate", "--remote", f"{NAME}/arrives/{repository}:0.1.0")
        assert valid.returncode == 0, valid.stderr


def test_pushed_again_nothing_changes(isle: IsolatedNetwork, signed: Path) -> None:
    """The same references, and no other tag."""
    first = push(isle, signed, "again")
    before = tags(isle, f"again/{IMAGE}")
    assert push(isle, signed, "again") == first
    assert tags(isle, f"again/{IMAGE}") == before


def test_helm_pulls_the_chart_that_was_packed(isle: IsolatedNetwork, signed: Path, tmp_path: Path) -> None:
    """By the address of docs/install.md, byte for byte."""
    push(isle, signed, "helm")
    pulled = isle.run("helm", "pull", f"oci://{NAME}/helm/{CHART}", "--version", "0.1.0", "--destination", tmp_path)
    assert pulled.returncode == 0, pulled.stderr
    (chart,) = tmp_path.glob("*.tgz")
    assert chart.read_bytes() == (signed / chart.name).read_bytes()
    assert f"Digest: {Layout(signed / 'chart.oci').root.digest}" in pulled.stdout + pulled.stderr


def test_a_version_is_never_replaced(isle: IsolatedNetwork, signed: Path, tmp_path: Path) -> None:
    """Another image under the same version is refused, and what is there stays."""
    push(isle, signed, "once")
    index = Layout(signed / "image.oci").root.digest
    other = shutil.copytree(signed, tmp_path / "other")
    shutil.rmtree(other / "image.oci")
    Layout(other / "image.oci").close(small.an_image(Layout(other / "image.oci"), "linux/riscv64"))
    said = refused(isle, other, "once")
    assert f"{NAME}/once/{IMAGE}:0.1.0 is {index} already, and a release is never replaced" in said
    assert isle.run("crane", "digest", f"{NAME}/once/{IMAGE}:0.1.0").stdout.strip() == index


@pytest.mark.parametrize("change", ["altered", "missing"])
def test_a_damaged_layout_is_not_pushed(isle: IsolatedNetwork, signed: Path, tmp_path: Path, change: str) -> None:
    """A layer whose bytes are not those of its digest, or are not there. The registry learns nothing of it."""
    dist = shutil.copytree(signed, tmp_path / "release")
    platform = Layout(dist / "image.oci").manifests()[1]
    layer = Layout(dist / "image.oci").read(platform)["layers"][0]["digest"].partition(":")[2]
    path = dist / "image.oci/blobs/sha256" / layer
    if change == "altered":
        path.write_bytes(path.read_bytes() + b"\0")
    else:
        path.unlink()
    said = refused(isle, dist, f"damaged-{change}")
    assert str(path) in said
    assert ("its digest is sha256:" if change == "altered" else "is missing") in said
    assert tags(isle, f"damaged-{change}/{IMAGE}") == set()


def test_a_layout_with_two_entries_is_not_a_release(signed: Path, tmp_path: Path) -> None:
    """Which of them has the version?"""
    layout = shutil.copytree(signed / "image.oci", tmp_path / "image.oci")
    first = Layout(layout).root.as_json()
    small.write(layout / "index.json", {"schemaVersion": 2, "manifests": [first, first]})
    with pytest.raises(Damaged, match="has 2 entries, expected one"):
        Layout(layout).manifests()

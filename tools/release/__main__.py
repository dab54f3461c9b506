"""Makes a release: everything that is published, in one folder, from one commit. `make release` calls it.

    python -m tools.release               a release: the tree is clean, and its commit has the tag of its version
    python -m tools.release --snapshot    the same from any tree, to try it; it is never published
    python -m tools.release --packages image.oci.intoto.json    with the packages of Debian of that build, to compare

docs/release-artefacts.md describes the folder. Two runs from the same commit write the same bytes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from testbed.chart import helm
from testbed.cluster.build import BuildError
from testbed.cluster.processes import ClusterError
from tools.release import bills, chart, checksums, distributions, image, pins, provenance, report, source
from tools.release.commands import require
from tools.release.errors import ReleaseError

__all__ = ["main", "make"]

REPOSITORY = "m365-workload-identity"


def make(out: Path, *, snapshot: bool, repository: str = REPOSITORY, packages: Path | None = None) -> source.Source:
    """Makes the release in `out`, which is replaced only if everything was made. Raises ReleaseError and its kin."""
    out = out.resolve()
    require("git", "apt-get", "buildah", "dpkg-deb")
    if os.geteuid():
        raise ReleaseError("buildah needs root here: sudo make release")
    released = source.examine(snapshot=snapshot)
    exactly = pins.read(packages) if packages else None
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
        tree, new = Path(temporary) / "source", Path(temporary) / "new"
        tree.mkdir()
        new.mkdir(mode=0o755)
        source.export(released, tree)
        distributions.build(tree, new, epoch=released.epoch)
        built = image.build(tree, new, released, exactly=exactly)
        where = tree / "manifests/chart"
        chart.set_image(where, repository=repository, digest=built.digest)
        chart.build(where, new, released)
        chart.plain(where, new, released)
        bills.write(new, released, built, repository=repository)
        provenance.write(new, released, built, repository=repository)
        checksums.write(new)
        for path in (new, *new.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        if out.exists():
            shutil.rmtree(out)
        new.rename(out)
    return released


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description="Make everything that is published.")
    parser.add_argument("--snapshot", action="store_true", help="from a tree with changes or without a tag")
    parser.add_argument("--out", type=Path, default=Path("dist/release"), help="the folder (default: %(default)s)")
    parser.add_argument(
        "--repository",
        default=REPOSITORY,
        help="the image's name with its registry, for the chart and the plain manifests (default: %(default)s)",
    )
    parser.add_argument(
        "--packages",
        type=Path,
        help="provenance/image.oci.intoto.json of a release: make the same image again, or say why it cannot be",
    )
    options = parser.parse_args(arguments)
    try:
        helm.binary()
        made = make(options.out, snapshot=options.snapshot, repository=options.repository, packages=options.packages)
    except (ReleaseError, ClusterError, BuildError, helm.Refused) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(report.describe(options.out, made))
    return 0


if __name__ == "__main__":
    sys.exit(main())

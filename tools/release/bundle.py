"""Collects all that a machine without a network needs into one folder: `make release-bundle`.

    python -m tools.release.bundle             dist/release, signed or not, into dist/air-gapped
    python -m tools.release.bundle --keyless   and signs its list of checksums as the workflow that runs

    release/      dist/release as it is: image, chart, wheels, manifests, SBOMs, provenance, signatures
    attached/     what was signed about image and chart, as a registry keeps it beside them
    wheels/       our wheels, and all that they need: Python 3.11 to 3.14, x86-64 and arm64, glibc 2.28 and newer
    docs/         the docs, as a site if `make docs` made one
    load.sh       loads image and chart into a registry, or the image into containerd
    SHA256SUMS    of all of it, signed like the release: with the key COSIGN_KEY, or --keyless

It needs a network once, for the wheels. docs/air-gapped.md says how to use it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from testbed.cluster.build import BuildError
from tools.release import checksums, wheels
from tools.release.oci import Damaged, Layout
from tools.release.programs import Failed
from tools.release.push import REPOSITORIES, about, referrer, version
from tools.release.sign import ATTESTATIONS, DIST, PUBLIC_KEY, Signer
from tools.release.wheels import PYTHONS, Missing

__all__ = ["FOLDER", "bundle", "main"]

ROOT = Path(__file__).parents[2]
FOLDER = Path("dist/air-gapped")
SITE = Path("build/site")
PAGES = ("README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE")


def bundle(dist: Path, out: Path, *, pythons: Sequence[str] = PYTHONS) -> None:
    """Writes the folder, in place of one that was there. Raises Damaged or Missing."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    layouts = {kind: Layout(dist / f"{kind}.oci") for kind in REPOSITORIES}
    for kind, layout in layouts.items():
        layout.check()
        for manifest in layout.manifests():
            for name, content in about(dist / ATTESTATIONS, manifest):
                referrer(out / "attached" / kind / name, manifest, content)
    shutil.copytree(dist, out / "release")
    (out / "VERSION").write_text(f"{version(layouts['chart'])}\n")
    shutil.copy(Path(__file__).with_name("load.sh"), out)
    wheels.gather(dist, out / "wheels", pythons=pythons)
    docs(out / "docs")
    checksums.write(out)


def docs(folder: Path) -> None:
    """The site if it was made, else the pages."""
    if (ROOT / SITE).is_dir():
        shutil.copytree(ROOT / SITE, folder)
        return
    shutil.copytree(ROOT / "docs", folder / "docs")
    for name in PAGES:
        shutil.copy(ROOT / name, folder)


def sign(out: Path, key: str) -> None:
    """Signs the list of checksums, with a key or, if that is "", keyless. Raises Failed or BuildError."""
    with tempfile.TemporaryDirectory() as folder:
        signer = Signer(key, Path(folder))
        signer.file(out / checksums.NAME)
        if key:
            (out / PUBLIC_KEY).write_text(signer.public_key())


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring. Exit status 1 if something is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.release.bundle", description="Collect what installs offline."
    )
    parser.add_argument(
        "--keyless", action="store_true", help="sign as the workflow that runs, in Sigstore's public log"
    )
    parser.add_argument("--python", action="append", choices=PYTHONS, help="only for this Python; may be repeated")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder (default: %(default)s)")
    parser.add_argument("folder", nargs="?", type=Path, default=DIST, help=f"what make release made; default {DIST}")
    options = parser.parse_args(arguments)
    key = os.environ.get("COSIGN_KEY", "")
    try:
        bundle(options.folder, options.out, pythons=options.python or PYTHONS)
        if key or options.keyless:
            sign(options.out, "" if options.keyless else key)
    except (Damaged, Missing, Failed, BuildError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    signed = "signed" if key or options.keyless else "not signed: neither COSIGN_KEY nor --keyless"
    print(f"{options.out}: {size / 1e6:.0f} MB, {signed}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

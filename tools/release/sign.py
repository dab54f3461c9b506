"""Signs what `make release` made. Everything is written into its folder; nothing goes into a registry.

    python -m tools.release.sign             with the key $COSIGN_KEY (a file, a KMS) and its password $COSIGN_PASSWORD
    python -m tools.release.sign --keyless   as the workflow that runs: a certificate of Sigstore, and its public log

    SHA256SUMS.sigstore.json       the signature of a file next to it; every wheel, sdist, chart and manifest has one
    attestations/*.sigstore.json   signed statements about image and chart in a registry, and the files' provenance
    cosign.pub                     the public key, if there is one

With a key, nothing leaves this machine. Keyless signing publishes each digest, and who signed it, for good.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.cluster.build import BuildError
from tools.release import programs
from tools.release.oci import Damaged
from tools.release.programs import Failed
from tools.release.statements import Statement, about_files, about_layouts

__all__ = ["ATTESTATIONS", "DIST", "PUBLIC_KEY", "SUFFIX", "SUMS", "Signer", "main", "sign"]

DIST = Path("dist/release")
SUMS = "SHA256SUMS"
SUFFIX = ".sigstore.json"
ATTESTATIONS = "attestations"
PUBLIC_KEY = "cosign.pub"
# No certificate authority, no log, no time stamps: a key is enough.
NO_SERVICES = {
    "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
    "rekorTlogConfig": {},
    "tsaConfig": {},
}


@dataclass(frozen=True)
class Signer:
    """Signs by cosign, with a key or, if that is "", keyless."""

    key: str
    folder: Path  # for what cosign has to read
    more: Sequence[str] = ()  # options of cosign, such as a certificate for the key

    def file(self, path: Path) -> None:
        """Writes the signature of a file next to it."""
        self._run("sign-blob", "--bundle", path.with_name(path.name + SUFFIX), path)

    def statement(self, statement: Statement, place: Path) -> None:
        """Writes a statement with its signature into the folder `place`."""
        written = self.folder / "statement.json"
        written.write_text(json.dumps(statement.content))
        self._run("attest-blob", "--statement", written, "--bundle", place / f"{statement.name}{SUFFIX}")

    def public_key(self) -> str:
        """The public key as PEM."""
        return programs.run("cosign", "public-key", "--key", self.key)

    def _run(self, *arguments: str | Path) -> None:
        options: list[str | Path] = ["--yes", *self.more]
        if self.key:
            config = self.folder / "signing-config.json"
            config.write_text(json.dumps(NO_SERVICES))
            options += ["--key", self.key, "--signing-config", config]
        programs.run("cosign", *arguments[:1], *options, *arguments[1:])


def sign(dist: Path, key: str = "", more: Sequence[str] = ()) -> None:
    """Signs a folder of `make release`, with `key` or keyless; what was signed before is signed again.

    more: options of cosign for each signature.

    Raises Failed, Damaged or BuildError.
    """
    attestations = dist / ATTESTATIONS
    shutil.rmtree(attestations, ignore_errors=True)
    for old in [*dist.glob(f"*{SUFFIX}"), *dist.glob(PUBLIC_KEY)]:
        old.unlink()
    attestations.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        signer = Signer(key, Path(folder), more)
        for path in files(dist):
            signer.file(path)
        for statement in (*about_layouts(dist), *about_files(dist)):
            signer.statement(statement, attestations)
        if key:
            (dist / PUBLIC_KEY).write_text(signer.public_key())


def files(dist: Path) -> Iterator[Path]:
    """The files that users download: those at the top of the folder. SHA256SUMS stands for all others."""
    yield from (path for path in sorted(dist.iterdir()) if path.is_file())


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of the module's docstring. Exit status 1 if something cannot be signed, 2 without a key."""
    parser = argparse.ArgumentParser(prog="python -m tools.release.sign", description="Sign dist/release.")
    parser.add_argument(
        "--keyless", action="store_true", help="sign as the workflow that runs, in Sigstore's public log"
    )
    parser.add_argument("folder", nargs="?", type=Path, default=DIST, help=f"what make release made; default {DIST}")
    options = parser.parse_args(arguments)
    key = os.environ.get("COSIGN_KEY", "")
    if options.keyless == bool(key):
        parser.error("set COSIGN_KEY to a key (cosign generate-key-pair), or give --keyless; not both")
    try:
        sign(options.folder, key)
    except (Failed, Damaged, BuildError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Signed {options.folder}, {'keyless' if options.keyless else f'with {key}'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

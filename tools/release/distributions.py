"""The wheels and sdists: `m365-workload-identity` with the helper, and `m365wi` with the command line."""

from __future__ import annotations

import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from tools.release.commands import run
from tools.release.errors import ReleaseError

__all__ = ["FOLDERS", "build"]

# Where each distribution's pyproject.toml is, in the tree.
FOLDERS: Final = (".", "cli")


def build(tree: Path, out: Path, *, epoch: int) -> list[Path]:
    """Builds a wheel and an sdist of each, and the wheel again from the sdist. ReleaseError if they differ."""
    made = []
    for folder in FOLDERS:
        with tempfile.TemporaryDirectory() as temporary:
            first, second = Path(temporary) / "first", Path(temporary) / "second"
            _hatch(tree / folder, first, epoch=epoch, targets=("sdist", "wheel"))
            (sdist,), (wheel,) = first.glob("*.tar.gz"), first.glob("*.whl")
            _hatch(_unpacked(sdist, Path(temporary)), second, epoch=epoch, targets=("wheel",))
            if (second / wheel.name).read_bytes() != wheel.read_bytes():
                raise ReleaseError(f"{sdist.name} builds another {wheel.name} than the repository")
            made += [Path(shutil.copy(path, out)) for path in (wheel, sdist)]
    return made


def _hatch(folder: Path, out: Path, *, epoch: int, targets: tuple[str, ...]) -> None:
    options = [part for target in targets for part in ("--target", target)]
    run(
        [sys.executable, "-m", "hatchling", "build", "--directory", out, *options],
        cwd=folder,
        variables={"SOURCE_DATE_EPOCH": str(epoch)},
    )


def _unpacked(sdist: Path, folder: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")

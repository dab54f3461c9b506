"""The wheels and sdists of a release."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.release import distributions, source
from tools.release.errors import ReleaseError
from tools.release.source import Source

pytestmark = pytest.mark.slow

EPOCH = 1767323045
OURS = Source("0.1.0", "c" * 40, EPOCH, dirty=True, tagged=False)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Another umask, for as long as the block runs."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def built(folder: Path) -> dict[str, Path]:
    """What is built in a folder that does not exist, by name."""
    tree, out = folder / "tree", folder / "out"
    tree.mkdir(parents=True)
    out.mkdir()
    source.export(OURS, tree)
    return {path.name: path for path in distributions.build(tree, out, epoch=EPOCH)}


def test_built_twice_they_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another folder, with another umask and time zone; the sdists hold what the wheels are built from."""
    first = built(tmp_path / "first")
    monkeypatch.setenv("TZ", "Pacific/Apia")
    with umask(0o077):
        second = built(tmp_path / "a second time")
    assert first.keys() == second.keys()
    assert sorted(first) == [
        "m365_workload_identity-0.1.0-py3-none-any.whl",
        "m365_workload_identity-0.1.0.tar.gz",
        "m365wi-0.1.0-py3-none-any.whl",
        "m365wi-0.1.0.tar.gz",
    ]
    for name, path in first.items():
        assert sha256(path) == sha256(second[name]), name
    with tarfile.open(first["m365_workload_identity-0.1.0.tar.gz"]) as sdist:
        folders = {entry.name.split("/")[1] for entry in sdist}
    assert folders == {
        "m365_identity",
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "pyproject.toml",
    }


def test_an_sdist_that_builds_another_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who installs from source must get what we tested."""
    honest = distributions._unpacked

    def changed(sdist: Path, folder: Path) -> Path:
        where = honest(sdist, folder)
        (where / "m365_identity/errors.py").write_text("")
        return where

    monkeypatch.setattr(distributions, "_unpacked", changed)
    with pytest.raises(ReleaseError, match="builds another m365_workload_identity"):
        built(tmp_path)


def sha256(path: Path) -> str:
    """The digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""What the tests of a release share. They are left out unless the marker or this folder is named: some need root."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import compress
from pathlib import Path
from types import ModuleType

import pytest

from testbed.cluster.build import BuildError
from testbed.registry import build
from testbed.registry.isolated_network import IsolatedNetwork, isolated_network
from tests.release import made, small
from tests.release.keys import Keys, make_keys
from tools.release import distributions, source
from tools.release.image import ARCHITECTURES
from tools.release.oci import Descriptor, Layout
from tools.release.sign import sign
from tools.release.source import ROOT

RELEASE_SECONDS = 1800


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects what is marked `release`, unless the marker was named, as `make test-release` does.

    Whichever test comes first waits for the fixture `released`, so each that has it gets the time for that.
    """
    for item in items:
        if "released" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(RELEASE_SECONDS))
    if "release" in config.option.markexpr or any("tests/release" in argument for argument in config.args):
        return
    marked = [bool(item.get_closest_marker("release")) for item in items]
    config.hook.pytest_deselected(items=[*compress(items, marked)])
    items[:] = compress(items, [not each for each in marked])


@pytest.fixture(scope="session")
def isle() -> Iterator[IsolatedNetwork]:
    """A network with a registry and nothing else; cosign, crane and Helm are on PATH there."""
    failure = ""
    try:
        for tool in build.TOOLS:
            build.binary(tool)
    except BuildError as error:
        failure = str(error)
    if failure:
        pytest.fail(failure, pytrace=False)
    with isolated_network() as found:
        yield found


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """The key of the release, and one of a stranger."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def signed(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small release, signed with `keys.ours`. No test changes it."""
    place = tmp_path_factory.mktemp("small")
    for folder in ("tree", "wheels"):
        (place / folder).mkdir()
    here = source.examine(snapshot=True)
    source.export(replace(here, dirty=True), place / "tree")
    distributions.build(place / "tree", place / "wheels", epoch=here.epoch)
    wheels = [*(place / "wheels").glob("*.whl")]
    dist = small.make(place / "release", wheels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COSIGN_PASSWORD", keys.password)
        sign(dist, str(keys.ours))
    return dist


@pytest.fixture(scope="session")
def published(released: Path, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release of this tree, signed with `keys.ours`. No test changes it."""
    dist = shutil.copytree(released, tmp_path_factory.mktemp("published") / "release")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COSIGN_PASSWORD", keys.password)
        sign(dist, str(keys.ours))
    return dist


@pytest.fixture
def _password(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password of the keys, for what a test signs itself."""
    monkeypatch.setenv("COSIGN_PASSWORD", keys.password)
    assert os.environ["COSIGN_PASSWORD"]


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this tree in one commit, which is tagged."""
    folder = tmp_path_factory.mktemp("repository")
    made.commit(folder)
    return folder


@pytest.fixture(scope="session")
def released(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of this tree, or the folder that M365WI_RELEASE names."""
    if named := os.environ.get("M365WI_RELEASE"):
        return Path(named)
    folder = tmp_path_factory.mktemp("first") / "clone"
    return made.make(repository, folder, umask=0o022, variables={"TZ": "UTC", "LC_ALL": "C.UTF-8"})


@pytest.fixture(scope="session")
def manifests(released: Path) -> dict[str, Descriptor]:
    """The image's part for each architecture."""
    _, *parts = Layout(released / "image.oci").manifests()
    return {part.platform.removeprefix("linux/"): part for part in parts}


@pytest.fixture(scope="session")
def roots(
    released: Path, manifests: dict[str, Descriptor], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The image's files for each architecture, unpacked as containerd does."""
    layout, found = Layout(released / "image.oci"), {}
    for architecture in ARCHITECTURES:
        found[architecture] = tmp_path_factory.mktemp(f"root-{architecture}")
        for layer in layout.read(manifests[architecture])["layers"]:
            with tarfile.open(layout.path(Descriptor.read(layer))) as archive:
                archive.extractall(found[architecture], filter="fully_trusted")
    return found


@pytest.fixture(scope="session")
def elf() -> ModuleType:
    """image/elf.py, which is not in a package: the build of the image runs it by itself."""
    spec = importlib.util.spec_from_file_location("image_elf", ROOT / "image/elf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module

"""What the tests of a release share. They are left out unless the marker or this folder is named: some need root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import compress
from pathlib import Path

import pytest

from testbed.cluster.build import BuildError
from testbed.registry import build
from testbed.registry.island import Island, island
from tests.release import small
from tests.release.keys import Keys, make_keys
from tools.release import distributions, source
from tools.release.sign import sign


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects what is marked `release`, unless the marker was named, as `make test-release` does."""
    if "release" in config.option.markexpr or any("tests/release" in argument for argument in config.args):
        return
    marked = [bool(item.get_closest_marker("release")) for item in items]
    config.hook.pytest_deselected(items=[*compress(items, marked)])
    items[:] = compress(items, [not each for each in marked])


@pytest.fixture(scope="session")
def isle() -> Iterator[Island]:
    """A network with a registry and nothing else; cosign, crane and Helm are on PATH there."""
    failure = ""
    try:
        for tool in build.TOOLS:
            build.binary(tool)
    except BuildError as error:
        failure = str(error)
    if failure:
        pytest.fail(failure, pytrace=False)
    with island() as found:
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


@pytest.fixture
def _password(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password of the keys, for what a test signs itself."""
    monkeypatch.setenv("COSIGN_PASSWORD", keys.password)
    assert os.environ["COSIGN_PASSWORD"]

"""az in the emulator's cloud, signed in as an administrator; only where asked for, since az takes long to install."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress

import pytest

from testbed.entra import Entra, running
from testbed.third_party.az import Az, azure_cli
from testbed.third_party.build import build

ADMINISTRATOR = ("Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "Organization.Read.All")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what needs az, unless the marker was named, as `make test-tools` does."""
    if "tools" in config.option.markexpr:
        return
    marked = [bool(item.get_closest_marker("tools")) for item in items]
    config.hook.pytest_deselected(items=[*compress(items, marked)])
    items[:] = compress(items, [not each for each in marked])


@pytest.fixture(scope="module")
def entra() -> Iterator[Entra]:
    with running() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def az(entra: Entra, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Az]:
    """Signed in as an application that may do everything."""
    build("az")
    with azure_cli(entra, tmp_path_factory.mktemp("az")) as program:
        administrator = entra.application(name="administrator", roles=ADMINISTRATOR)
        entra.arm.access.grant(administrator, "Owner")
        program.sign_in(administrator)
        yield program

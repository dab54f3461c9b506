"""An Entra at port 443 of a stand-in for a pod; and the tests of tools only where asked for: their builds take long."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from itertools import compress
from pathlib import Path

import pytest

from testbed.entra import Entra, Listening, running
from testbed.third_party import page
from testbed.third_party.apis import APIS
from testbed.third_party.pod import INSIDE

RESULTS = pytest.StashKey[dict[page.Key, str]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what needs the tools of others, unless the marker was named, as `make test-tools` does."""
    if "tools" in config.option.markexpr:
        return
    marked = [bool(item.get_closest_marker("tools")) for item in items]
    config.hook.pytest_deselected(items=[*compress(items, marked)])
    items[:] = compress(items, [not each for each in marked])


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = {}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes what was seen into docs/tools.md."""
    if results := session.config.stash[RESULTS]:
        page.write(results)


@pytest.fixture
def results(request: pytest.FixtureRequest) -> dict[page.Key, str]:
    """What this run has seen, for docs/tools.md."""
    return request.config.stash[RESULTS]


@pytest.fixture
def entra() -> Iterator[Entra]:
    """An emulator that has Microsoft's names."""
    if INSIDE not in os.environ:
        pytest.fail("run it with `make test-tools`: Microsoft's names must lead to this machine", pytrace=False)
    with running(listening=Listening(login_port=443), apis=APIS) as emulator:
        emulator.serve("/domains", [{"id": "contoso.onmicrosoft.com", "isDefault": True}], roles=["Domain.Read.All"])
        yield emulator


@pytest.fixture
def trust(entra: Entra, tmp_path: Path) -> Mapping[str, str]:
    """The variables by which the runtimes trust the emulator's authority; a real pod needs none of them."""
    store = tmp_path / "authorities.p12"
    password = "changeit"
    command = ["keytool", "-importcert", "-noprompt", "-file", str(entra.ca_file), "-keystore", str(store)]
    subprocess.run([*command, "-storepass", password], check=True, capture_output=True)
    java = f"-Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStorePassword={password}"
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    return dict.fromkeys(names, str(entra.ca_file)) | {"JAVA_TOOL_OPTIONS": java}

"""One emulator for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.entra import Application, Entra, running
from testbed.entra.client import Client


@pytest.fixture
def entra() -> Iterator[Entra]:
    with running() as emulator:
        yield emulator


@pytest.fixture
def client(entra: Entra) -> Iterator[Client]:
    with Client(entra) as plain:
        yield plain


@pytest.fixture
def app(client: Client) -> Application:
    return client.application()

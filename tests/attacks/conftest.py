"""The servers that attacks are tried on: that of `tests/server`, and the product."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.beside import Webhook
from tests.core.cases import USUAL_ANNOTATIONS
from tests.server.conftest import certificates, impatient, serve, server

__all__ = ["certificates", "impatient", "serve", "server"]


@contextlib.contextmanager
def destroyed(webhook: Webhook) -> Iterator[Webhook]:
    """The webhook, until the end of the block."""
    try:
        yield webhook
    finally:
        webhook.destroy()


@pytest.fixture(scope="package")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the ServiceAccount."""
    accounts = tmp_path_factory.mktemp("accounts") / "accounts.json"
    metadata = {"namespace": "shop", "name": "terraform", "annotations": USUAL_ANNOTATIONS}
    accounts.write_text(json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
    return accounts


@pytest.fixture(scope="package")
def webhook(certificates: Path, accounts: Path) -> Iterator[Webhook]:
    """The product. One for all attacks, as in production: what an attack leaves behind, the next one meets."""
    with destroyed(Webhook(certificates, accounts)) as webhook:
        yield webhook.ready()


@pytest.fixture
def explaining(certificates: Path, accounts: Path) -> Iterator[Webhook]:
    """The product with its page `/explain`, which is off by default."""
    with destroyed(Webhook(certificates, accounts, "--explain-page", "true")) as webhook:
        yield webhook.ready()

"""The servers that attacks are tried on: that of `tests/server`, and the product."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.beside import Webhook
from tests.core.cases import USUAL_ANNOTATIONS
from tests.server.conftest import certificates, impatient, serve, server

__all__ = ["certificates", "impatient", "serve", "server"]


@pytest.fixture(scope="package")
def webhook(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """The product. One for all attacks, as in production: what an attack leaves behind, the next one meets."""
    accounts = tmp_path_factory.mktemp("accounts") / "accounts.json"
    metadata = {"namespace": "shop", "name": "terraform", "annotations": USUAL_ANNOTATIONS}
    accounts.write_text(json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
    webhook = Webhook(certificates, accounts)
    try:
        yield webhook.ready()
    finally:
        webhook.destroy()

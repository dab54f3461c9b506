"""Which Graph the contract of Graph is checked with."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--graph",
        default="emulator",
        choices=("emulator", "real"),
        help="which Graph tests/contracts/test_graph.py asks: real takes the tenant and the application with a secret "
        "in AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; it makes applications and deletes them",
    )

"""The server that attacks are tried on: that of `tests/server`."""

from tests.server.conftest import certificates, impatient, serve, server

__all__ = ["certificates", "impatient", "serve", "server"]

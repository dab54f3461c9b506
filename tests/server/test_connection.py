"""One connection, without a socket: what only its transport sees."""

import asyncio
from typing import Any

from webhook.server.connection import Connection, Shared


class StuckTransport:
    """One whose client does not read, so that closing it waits for ever."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.aborted = asyncio.Event()

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name != "ssl_object" else None

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.aborted.set()


async def test_a_connection_that_cannot_close_is_aborted(shared: Shared) -> None:
    """What a client does not read is dropped some time after the connection was closed."""
    connection, transport = Connection(shared), StuckTransport()
    connection.connection_made(transport)
    connection.close()
    assert transport.calls == ["close"]
    async with asyncio.timeout(5):
        await transport.aborted.wait()

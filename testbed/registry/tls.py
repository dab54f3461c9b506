"""TLS in front of a registry, which has none: `python -m testbed.registry.tls PORT TO-PORT FOLDER`.

FOLDER has tls.crt and tls.key, and gets `ready` as soon as both ports answer. Every byte is passed on, in both
directions, on loopback. If FOLDER also has `truth` and `lie`, of the same length, the one is answered as the other: a
registry that somebody tampers with.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["main"]

PIECE = 65536
POLL_SECONDS = 0.02


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, told: Callable[[bytes], bytes]) -> None:
    """Copies one direction to its end."""
    with contextlib.suppress(OSError):
        while content := await reader.read(PIECE):
            writer.write(told(content))
            await writer.drain()
    writer.close()


def honest(content: bytes) -> bytes:
    """The same bytes."""
    return content


async def serve(port: int, to_port: int, folder: Path) -> None:
    """Relays without end."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")

    def answer(content: bytes) -> bytes:
        truth, lie = folder / "truth", folder / "lie"
        return content.replace(truth.read_bytes(), lie.read_bytes()) if lie.exists() else content

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, into = await asyncio.open_connection("127.0.0.1", to_port)
        await asyncio.gather(pump(reader, into, honest), pump(behind, writer, answer))

    async with await asyncio.start_server(relay, "127.0.0.1", port, ssl=context) as server:
        await ready(to_port)
        (folder / "ready").touch()
        await server.serve_forever()


async def ready(port: int) -> None:
    """Waits until the registry listens."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(POLL_SECONDS)


def main() -> None:
    """The command of the module's docstring."""
    port, to_port, folder = sys.argv[1:]
    asyncio.run(serve(int(port), int(to_port), Path(folder)))


if __name__ == "__main__":
    main()

"""What a Service does: one address in front of the replicas that are ready.

It forwards connections and never looks into them. A connection stays with its replica for as long as both sides want
it, whatever happens to the list of replicas. A new connection goes to the next replica in turn, or to the one after
that if it is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from typing import Self

__all__ = ["Balancer"]

CHUNK = 64 * 1024


class Balancer:
    """A context manager. `port` is where it listens on loopback, `targets` are the ports of the ready replicas."""

    def __init__(self) -> None:
        self.port = 0
        self.accepted = 0
        self.targets: tuple[int, ...] = ()
        self._turn = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="balancer")
        self._started = threading.Event()
        self._end = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        connections: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(self._connection(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._end.wait()
        server.close()
        for task in tuple(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        there = await self._open(self.targets)
        try:
            if there is not None:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pump(reader, there[1]))
                    both.create_task(_pump(there[0], writer))
        except* OSError:
            pass  # one side broke the connection: the other is closed, too
        finally:
            for each in (writer, there[1]) if there else (writer,):
                each.transport.abort()

    async def _open(self, targets: Sequence[int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in targets:
            self._turn += 1
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", targets[self._turn % len(targets)])
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies bytes from `reader` to `writer` until the first ends, then ends the second."""
    while content := await reader.read(CHUNK):
        writer.write(content)
        await writer.drain()
    writer.write_eof()
